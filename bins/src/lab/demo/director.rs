//! The balancer of the demo: a real director with the relay, in a process of its own.

use std::io::{self, Write as _};

use super::roles;
use crate::{
    config::document::Source,
    director::{
        engine::Options,
        loading,
        service::{self, Settings},
    },
    runtime::{
        clock::Clock,
        log::{self, Log, Target},
        plane::Choice,
    },
};

/// Balances by this configuration until the parent is gone. Says where its control socket is as soon as everything
/// is in the data plane.
pub(super) async fn run(configuration: &str) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("demo.cf");
    std::fs::write(&file, configuration)?;
    let socket = folder.path().join("demo.sock");
    let loaded = loading::check(&Source::new("demo.cf", configuration), false).map_err(io::Error::other)?;
    let clock = Clock::start();
    let log = Log::new(Target::File("/dev/null".into()), clock, "demo.cf");
    log::capture(&log);
    let options = Options::new(file);
    let settings = Settings { data_plane: Choice::Relay, freebind: false, socket: socket.clone() };
    let greeting = socket.display().to_string();
    let ready = move |refused: &[String]| {
        let mut stdout = io::stdout();
        // A parent that is gone ends this process anyway.
        let _ = match refused.first() {
            None => writeln!(stdout, "{greeting}"),
            Some(refusal) => writeln!(stdout, "refused: {refusal}"),
        };
    };
    service::run(options, settings, loaded, log, clock, ready, roles::orphaned())
        .await
        .map_err(io::Error::other)
}
