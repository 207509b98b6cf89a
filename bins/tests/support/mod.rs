//! What the end-to-end tests stand on: the programs under guard, web servers that can die and hang, and clients.

#![allow(
    dead_code,
    unused_imports,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "every test program uses its part, says what it skips, and fails by panicking"
)]

mod client;
mod daemon;
mod requirements;
mod web;

use std::{
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

pub(crate) use self::{
    client::{Clients, Connection, get},
    daemon::{Daemon, Lab, lines, run, text},
    requirements::{
        NETWORK, address, free, has_programs, require_program, run_isolated, search_path, skip, succeeds,
        unshare_command,
    },
    web::Web,
};

/// Long enough for any machine; reached only by a test that fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What was last waited for, for a report on a test that hangs.
pub(crate) static AWAITED: Mutex<String> = Mutex::new(String::new());

/// Asks again and again until there is an answer.
pub(crate) fn wait<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    const PAUSE: Duration = Duration::from_millis(20);
    what.clone_into(&mut AWAITED.lock().unwrap());
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "waited in vain for: {what}");
        thread::sleep(PAUSE);
    }
}
