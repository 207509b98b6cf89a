//! The supervisor as a process.

use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt as _},
    process::{ExitStatus, Stdio},
    thread,
    time::Duration,
};

use lb_vrrp::driver::{
    Resignation,
    linux::{Resigner, boot_time},
};
use nix::{sys::signal::Signal, unistd::Pid};
use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{
    charge::Charge,
    line::{Asked, Said},
};
use crate::{
    control::protocol::DumpKind,
    runtime::{log::Log, namespace},
};

/// What is to be supervised.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Arguments of the daemon.
    pub arguments: Vec<OsString>,
    /// Whether it is started again when it dies.
    pub respawn: bool,
}

/// Why there is nothing to supervise any more.
#[derive(Debug, Error)]
pub enum Failed {
    /// The daemon could not be started.
    #[error("the daemon can not be started: {0}")]
    Start(#[source] io::Error),
    /// Signals can not be received.
    #[error("signals can not be received: {0}")]
    Signals(#[source] io::Error),
}

/// Keeps a daemon running until it ends by itself, which is by SIGTERM or SIGINT, or since it can not run. Returns its exit
/// status. Signals that are for the daemon are handed on. `ready` is called when it runs for the first time.
///
/// # Errors
/// When it can not be started.
pub async fn supervise(plan: Plan, log: Log, ready: impl FnOnce()) -> Result<u8, Failed> {
    let mut signals = forwarded().map_err(Failed::Signals)?;
    let mut supervisor = Supervisor { charge: Charge::default(), log, resigner: Resigner::new().ok() };
    let mut ready = Some(ready);
    let mut daemon = Daemon::start(&plan).map_err(Failed::Start)?;
    loop {
        let status = supervisor.attend(&mut daemon, &mut signals, &mut ready).await;
        let died = boot_time();
        if ready.is_some() || !plan.respawn || !is_death(status) {
            if !status.success() {
                supervisor.resign_all(died);
            }
            return Ok(code(status));
        }
        let pause = supervisor.charge.died(died);
        supervisor.log.line(&format!("VRRP child process({}) died: Respawning ({status})", daemon.id));
        supervisor.wait(pause).await;
        daemon = Daemon::start(&plan).map_err(Failed::Start)?;
    }
}

struct Supervisor {
    charge: Charge,
    log: Log,
    /// `None` where there is no privilege; there is no daemon then either.
    resigner: Option<Resigner>,
}

impl Supervisor {
    /// Listens to a daemon until it ends.
    async fn attend(
        &mut self,
        daemon: &mut Daemon,
        signals: &mut mpsc::Receiver<Forwarded>,
        ready: &mut Option<impl FnOnce()>,
    ) -> ExitStatus {
        let mut silent = false;
        loop {
            let deadline = self.charge.deadline();
            tokio::select! {
                biased;
                status = daemon.child.wait() => return status.unwrap_or_else(|_| ExitStatus::from_raw(1 << 8)),
                said = daemon.said.next_line(), if !silent => match said {
                    Ok(Some(line)) => {
                        let Ok(said) = serde_json::from_str::<Said>(&line) else { continue };
                        match &said {
                            Said::Resume => {
                                daemon.tell(&Asked::Resume(self.charge.resume())).await;
                            }
                            Said::Namespace(name) => self.resigner = resigner_in(name.clone()),
                            Said::Ready => {
                                if let Some(ready) = ready.take() {
                                    ready();
                                }
                            }
                            _ => {}
                        }
                        self.charge.hear(said);
                    }
                    // It is about to end.
                    Ok(None) | Err(_) => silent = true,
                },
                Some(signal) = signals.recv() => daemon.hand_on(signal).await,
                () = until(deadline) => self.resign_due(),
            }
        }
    }

    /// Waits, and resigns meanwhile what is due.
    async fn wait(&mut self, pause: Duration) {
        let end = tokio::time::Instant::now() + pause;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(end) => return,
                () = until(self.charge.deadline()) => self.resign_due(),
            }
        }
    }

    fn resign_due(&mut self) {
        let due = self.charge.due(boot_time());
        self.send(&due);
    }

    /// Nobody will go on.
    fn resign_all(&mut self, died: lb_vrrp::Time) {
        let _ = self.charge.died(died);
        let due = self.charge.due(lb_vrrp::Time::MAX);
        self.send(&due);
    }

    fn send(&mut self, due: &[Resignation]) {
        let mut names: Vec<&str> = due.iter().map(|resignation| &*resignation.instance).collect();
        names.dedup();
        for name in names {
            self.log.line(&format!("({name}) sent 0 priority, since its daemon died"));
        }
        if let Some(resigner) = &mut self.resigner
            && let Err(error) = resigner.send(due)
        {
            self.log.line(&format!("resignations can not be sent: {error}"));
        }
    }
}

/// Sockets stay where they were made, wherever their process is.
fn resigner_in(namespace: String) -> Option<Resigner> {
    let make = move || {
        namespace::enter(&namespace).ok()?;
        Resigner::new().ok()
    };
    thread::spawn(make).join().ok().flatten()
}

/// A daemon that runs.
struct Daemon {
    child: Child,
    id: u32,
    said: Lines<BufReader<OwnedReadHalf>>,
    hears: OwnedWriteHalf,
}

impl Daemon {
    fn start(plan: &Plan) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let theirs = theirs.into_std()?;
        theirs.set_nonblocking(false)?;
        let child = Command::new(std::env::current_exe()?)
            .args(&plan.arguments)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()?;
        let (said, hears) = ours.into_split();
        let id = child.id().unwrap_or_default();
        Ok(Self { child, id, said: BufReader::new(said).lines(), hears })
    }

    async fn tell(&mut self, asked: &Asked) {
        let Ok(mut line) = serde_json::to_vec(asked) else { return };
        line.push(b'\n');
        // One that is gone is noticed by its end.
        let _ = self.hears.write_all(&line).await;
    }

    async fn hand_on(&mut self, signal: Forwarded) {
        let signal = match signal {
            Forwarded::Signal(signal) => signal,
            Forwarded::JsonDump => return self.tell(&Asked::Dump(DumpKind::Json)).await,
        };
        if let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = nix::sys::signal::kill(Pid::from_raw(id), signal);
        }
    }
}

/// Whether a daemon ended against its will. What it says by its exit status is its own decision.
fn is_death(status: ExitStatus) -> bool {
    status.code().is_none() || status.code() == Some(PANICKED)
}

/// Exit status of a program of ours that ended by a bug.
const PANICKED: i32 = 101;

fn code(status: ExitStatus) -> u8 {
    let killed = || status.signal().map(|signal| 128 + signal);
    status.code().or_else(killed).and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

async fn until(time: Option<lb_vrrp::Time>) {
    match time {
        Some(time) => tokio::time::sleep(time.since(boot_time())).await,
        None => std::future::pending().await,
    }
}

/// A signal that is for the daemon.
#[derive(Clone, Copy)]
enum Forwarded {
    Signal(Signal),
    /// SIGRTMIN + 2, which nix has no name for.
    JsonDump,
}

/// SIGRTMIN + 2 as the C library counts, which keeps two for itself.
const JSON_SIGNAL: i32 = 36;

fn forwarded() -> io::Result<mpsc::Receiver<Forwarded>> {
    let (sender, receiver) = mpsc::channel(16);
    let named = [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1, Signal::SIGUSR2];
    let named = named.into_iter().map(|signal| (signal as i32, Forwarded::Signal(signal)));
    for (number, forwarded) in named.chain([(JSON_SIGNAL, Forwarded::JsonDump)]) {
        let mut signals = signal(SignalKind::from_raw(number))?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() && sender.send(forwarded).await.is_ok() {}
        });
    }
    Ok(receiver)
}
