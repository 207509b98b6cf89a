//! A node as a process: control socket, signals, systemd, and the line to its supervisor.

use std::{io, path::PathBuf};

use lb_vrrp::driver::Snapshot;
use thiserror::Error;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

use super::{
    engine::{Engine, Options, Signalled},
    journal::Journal,
    loading::Loaded,
    vrrp::StartError,
};
use crate::{
    control::{protocol::DumpKind, server::ControlSocket},
    runtime::{clock::Clock, limits, log::Log, systemd},
};

/// Why a node can not run.
#[derive(Debug, Error)]
pub enum RunError {
    /// Its instances can not be run.
    #[error(transparent)]
    Start(#[from] StartError),
    /// No control socket.
    #[error("the control socket {path} can not be opened: {source}; name another one with --socket", path = path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No signals.
    #[error("signals can not be received: {0}")]
    Signals(#[source] io::Error),
}

/// Runs a node until SIGTERM or SIGINT. SIGHUP reads the configuration again. `ready` is called once, when the instances
/// run.
///
/// # Errors
/// When it can not start; it has changed nothing then.
pub async fn run(
    options: Options,
    socket: PathBuf,
    detail: bool,
    loaded: Loaded,
    log: Log,
    clock: Clock,
    ready: impl FnOnce(),
) -> Result<(), RunError> {
    // First, since whoever finds the pid file may send signals already.
    let signals = Signals::new().map_err(RunError::Signals)?;
    limits::raise_open_files();
    let socket =
        ControlSocket::bind(&socket).map_err(|source| RunError::Socket { path: socket.clone(), source })?;
    for warning in &loaded.warnings {
        log.line(warning);
    }
    let (call_sender, mut calls) = mpsc::channel(16);
    let (signal_sender, mut signalled) = mpsc::channel(4);
    let mut engine =
        Engine::start(options, loaded.config, Snapshot::default(), clock, Journal::new(log, detail)).await?;
    ready();
    systemd::ready();
    let server = tokio::spawn(socket.serve(call_sender));
    let signals = tokio::spawn(signals.forward(signal_sender));
    engine.run(&mut signalled, &mut calls).await;
    engine.stop().await;
    signals.abort();
    // The socket's file goes with it.
    server.abort();
    let _ = server.await;
    Ok(())
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    dumps: [(Signal, DumpKind); 3],
}

/// SIGRTMIN + 2 as the C library counts, which keeps two for itself.
const JSON_SIGNAL: i32 = 36;

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            dumps: [
                (signal(SignalKind::user_defined1())?, DumpKind::Data),
                (signal(SignalKind::user_defined2())?, DumpKind::Stats),
                (signal(SignalKind::from_raw(JSON_SIGNAL))?, DumpKind::Json),
            ],
        })
    }

    async fn forward(mut self, to: mpsc::Sender<Signalled>) {
        let [(data, data_kind), (stats, stats_kind), (json, json_kind)] = &mut self.dumps;
        loop {
            let signalled = tokio::select! {
                _ = data.recv() => Signalled::Dump(*data_kind),
                _ = stats.recv() => Signalled::Dump(*stats_kind),
                _ = json.recv() => Signalled::Dump(*json_kind),
                _ = self.hangup.recv() => Signalled::Reload,
                _ = self.terminate.recv() => Signalled::Stop,
                _ = self.interrupt.recv() => Signalled::Stop,
            };
            if to.send(signalled).await.is_err() {
                return;
            }
        }
    }
}
