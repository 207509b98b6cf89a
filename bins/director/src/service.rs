//! A director as a process: control socket, signals, systemd.

use std::{future::Future, io, path::PathBuf, time::Duration};

use lb_balancer::{
    plane::{self, Choice, OpenError},
    relay_limit::{RelayLimit, relay_config},
};
use lb_control::{
    history::History,
    server::ControlSocket,
    store::{Found, Store},
};
use lb_nat::relay::{Freebind, RelayConfig};
use lb_runtime::{clock::Clock, limits, log::Log, systemd};
use thiserror::Error;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{
    engine::{Director, Options, Order},
    journal::Journal,
    loading::Loaded,
};

/// How long the end waits for a disk that is slow.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// What a process needs beside the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which data plane.
    pub data_plane: Choice,
    /// Limits of the relay, if that is the data plane. Default none.
    pub relay_limits: Vec<RelayLimit>,
    /// Whether the relay listens at addresses that this host does not have yet.
    pub freebind: bool,
    /// Where `lbctl` finds the daemon.
    pub socket: PathBuf,
    /// Where it keeps what outlives its process: a folder, or why there is none; `None` = nothing is kept.
    pub state: Option<Result<PathBuf, String>>,
}

/// Why a director can not run.
#[derive(Debug, Error)]
pub enum RunError {
    /// No data plane.
    #[error(transparent)]
    DataPlane(#[from] OpenError),
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

/// Runs a director until SIGTERM, SIGINT or SIGQUIT, or until `end` is ready. SIGHUP reads the configuration again. `ready` is
/// called once, when the first decisions are in the data plane, with what the data plane has refused of them.
///
/// # Errors
/// When it can not start; it has changed nothing then.
pub async fn run(
    options: Options,
    settings: Settings,
    loaded: Loaded,
    log: Log,
    clock: Clock,
    ready: impl FnOnce(&[String]),
    end: impl Future<Output = ()>,
) -> Result<(), RunError> {
    // First, since whoever finds the pid file may send signals already.
    let mut hangup = signal(SignalKind::hangup()).map_err(RunError::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let mut quit = signal(SignalKind::quit()).map_err(RunError::Signals)?;
    limits::raise_open_files();
    let freebind = if settings.freebind { Freebind::Always } else { Freebind::Never };
    let relay = RelayConfig { freebind, ..relay_config(&settings.relay_limits) };
    let nft_table = plane::nft_table("lb-director", &options.config, None);
    let plane = plane::open(settings.data_plane, &loaded.config.table(), &nft_table, relay).await?;
    plane::remove_leftovers(Some(&*plane.plane), &nft_table).await;
    let socket = ControlSocket::bind(&settings.socket)
        .map_err(|source| RunError::Socket { path: settings.socket.clone(), source })?;
    for warning in &loaded.warnings {
        log.line(&warning.line());
    }
    log.line(&format!("Data plane {} ({})", plane.plane.name(), plane.why));
    let (store, found) = match settings.state {
        Some(folder) => Store::open(folder, &log, clock),
        None => (Store::default(), Found::default()),
    };
    let (call_sender, mut calls) = mpsc::channel(16);
    let (order_sender, mut orders) = mpsc::channel(4);
    let history = History::new(clock, store.clone());
    let (journal, kept) = (Journal::new(log, history), (store.clone(), found));
    let mut director = Director::start(options, loaded.config, plane, clock, journal, kept).await;
    ready(director.refused());
    systemd::ready();
    let server = tokio::spawn(socket.serve(call_sender));
    let signals = async {
        tokio::pin!(end);
        loop {
            let order = tokio::select! {
                _ = hangup.recv() => Order::Reload,
                _ = terminate.recv() => Order::Stop,
                _ = interrupt.recv() => Order::Stop,
                _ = quit.recv() => Order::Stop,
                () = &mut end => Order::Stop,
            };
            if order_sender.send(order).await.is_err() || order == Order::Stop {
                break;
            }
        }
    };
    tokio::join!(director.run(&mut orders, &mut calls), signals);
    drop(calls);
    // Removes the socket's file.
    let _ = server.await;
    store.stopped();
    store.flush(FLUSH_TIMEOUT);
    Ok(())
}
