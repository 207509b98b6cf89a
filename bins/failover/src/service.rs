//! A node as a process: control socket, signals, systemd, and the line to its supervisor.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use lb_control::{history::History, protocol::DumpKind, server::ControlSocket, store::Store};
use lb_runtime::{clock::Clock, limits, log::Log, systemd};
use nix::sys::stat::{Mode, umask};
use thiserror::Error;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::sleep,
};

use super::{
    engine::{Engine, Options, Signalled},
    journal::Journal,
    loading::Loaded,
    supervise::{Resume, Supervised},
    vrrp::StartError,
};

/// How long the end waits for a disk that is slow.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// How long another daemon that has the control socket is waited for, and how often it is looked for meanwhile.
const PREDECESSOR_TIMEOUT: Duration = Duration::from_secs(5);
const PREDECESSOR_PAUSE: Duration = Duration::from_millis(20);

/// What a process needs beside the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where `lbctl` finds the daemon.
    pub socket: PathBuf,
    /// Whether details are logged.
    pub detail: bool,
    /// Whether standard input is a line to a supervisor.
    pub supervised: bool,
    /// The network namespace that this process has moved to.
    pub namespace: Option<String>,
    /// Where it keeps what outlives its process: a folder, or why there is none.
    pub state: Result<PathBuf, String>,
    /// umask of the programs that the configuration names, and of all files that are made from the start on.
    pub umask: u32,
}

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
    /// It was to be supervised, and nobody supervises it.
    #[error("there is no supervisor on standard input: {0}; lb-failover starts this process by itself")]
    Supervisor(#[source] io::Error),
}

/// Runs a node until SIGTERM or SIGINT. SIGHUP reads the configuration again. `ready` is called once, when the instances
/// run.
///
/// # Errors
/// When it can not start; it has changed nothing then.
pub async fn run(
    options: Options,
    settings: Settings,
    loaded: Loaded,
    log: Log,
    clock: Clock,
    ready: impl FnOnce(),
) -> Result<(), RunError> {
    // First, since whoever finds the pid file may send signals already.
    let signals = Signals::new().map_err(RunError::Signals)?;
    limits::raise_open_files();
    let socket = bind(&settings.socket, &log)
        .await
        .map_err(|source| RunError::Socket { path: settings.socket.clone(), source })?;
    for problem in &loaded.problems {
        log.line(&problem.line());
    }
    let (supervised, resume) = match settings.supervised {
        true => Supervised::from_stdin(settings.namespace).await.map_err(RunError::Supervisor)?,
        false => (Supervised::default(), Resume::default()),
    };
    let (call_sender, mut calls) = mpsc::channel(16);
    let (signal_sender, mut signalled) = mpsc::channel(4);
    let (store, found) = Store::open(settings.state, &log, clock);
    // Not before the folders exist: they have to be searchable.
    umask(Mode::from_bits_truncate(settings.umask));
    let history = History::new(clock, store.clone());
    let (journal, kept) = (Journal::new(log, settings.detail, history), (store.clone(), found));
    let started = Engine::start(options, loaded, supervised, resume, clock, journal, kept).await;
    let mut engine = match started {
        Ok(engine) => engine,
        Err(error) => {
            store.stopped();
            store.flush(FLUSH_TIMEOUT);
            return Err(error.into());
        }
    };
    ready();
    systemd::ready();
    let server = tokio::spawn(socket.serve(call_sender));
    let signals = tokio::spawn(signals.forward(signal_sender));
    engine.run(&mut signalled, &mut calls).await;
    engine.stop().await;
    signals.abort();
    store.stopped();
    store.flush(FLUSH_TIMEOUT);
    drop(store);
    // The socket's file goes with it: another daemon may start, and use the folder.
    server.abort();
    let _ = server.await;
    Ok(())
}

/// Binds the control socket. A daemon whose supervisor was killed ends, and is waited for.
async fn bind(path: &Path, log: &Log) -> io::Result<ControlSocket> {
    let start = Instant::now();
    let mut told = false;
    loop {
        match ControlSocket::bind(path) {
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse && start.elapsed() < PREDECESSOR_TIMEOUT =>
            {
                if !std::mem::replace(&mut told, true) {
                    let path = path.display();
                    log.line(&format!("the control socket {path} is in use: {error}; its end is waited for"));
                }
                sleep(PREDECESSOR_PAUSE).await;
            }
            result => return result,
        }
    }
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    data: Signal,
    stats: Signal,
    stats_clear: Signal,
    json: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            data: signal(SignalKind::user_defined1())?,
            stats: signal(SignalKind::user_defined2())?,
            // keepalived's numbers.
            stats_clear: signal(SignalKind::from_raw(nix::libc::SIGRTMAX() - 1))?,
            json: signal(SignalKind::from_raw(nix::libc::SIGRTMIN() + 2))?,
        })
    }

    async fn forward(mut self, to: mpsc::Sender<Signalled>) {
        loop {
            let signalled = tokio::select! {
                _ = self.hangup.recv() => Signalled::Reload,
                _ = self.terminate.recv() => Signalled::Stop,
                _ = self.interrupt.recv() => Signalled::Stop,
                _ = self.data.recv() => Signalled::Dump(DumpKind::Data),
                _ = self.stats.recv() => Signalled::Dump(DumpKind::Stats),
                // Counters are never cleared: others compute differences of them.
                _ = self.stats_clear.recv() => Signalled::Dump(DumpKind::Stats),
                _ = self.json.recv() => Signalled::Dump(DumpKind::Json),
            };
            if to.send(signalled).await.is_err() {
                return;
            }
        }
    }
}
