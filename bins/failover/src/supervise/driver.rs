//! Drives the [`Supervisor`]: the daemon as a process, signals, time, and what is sent and removed.

use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt as _},
    process::{ExitStatus, Stdio},
    thread,
    time::Duration,
};

use lb_runtime::{log::Log, namespace};
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
    process::Child,
    time::timeout,
};

use super::{
    executable::Executable,
    machine::{Exit, Input, Output, Stop, Supervisor},
    message::{Message, Request},
    signals::Signals,
};
use crate::inventory::{Inventory, remove_in};

/// How long the last messages of a daemon that has ended are waited for. They are there already, unless a program that it
/// was just starting has the line open, too.
const LAST_MESSAGES: Duration = Duration::from_millis(100);
/// What a daemon that reads nothing may leave unread before dumps are not asked for any more, in bytes.
const UNREAD: usize = 64 << 10;
/// Nothing takes longer to be removed, or it is left.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(60);

/// What is to be supervised.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Arguments of the daemon.
    pub arguments: Vec<OsString>,
    /// Whether it is started again when it dies.
    pub respawn: bool,
}

/// Why nothing can be supervised.
#[derive(Debug, Error)]
pub enum Failed {
    /// The program of this process is not known.
    #[error("the program of this process cannot be found: {0}; mount /proc, or start it by its whole path")]
    Program(#[source] io::Error),
}

/// Keeps a daemon running until it ends by itself, or a signal stops it. Returns the exit status. `ready` is called when a
/// daemon runs for the first time.
///
/// # Errors
/// When there is nothing to start.
pub async fn supervise(
    plan: Plan,
    log: Log,
    mut signals: Signals,
    ready: impl FnOnce(),
) -> Result<u8, Failed> {
    let executable = Executable::of_this_process().map_err(Failed::Program)?;
    let mut machine = Supervisor::new(plan.respawn);
    let mut effects = Effects { log, resigner: Resigner::new().ok(), namespace: None };
    let mut daemon: Option<Daemon> = None;
    let mut ready = Some(ready);
    loop {
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Start => {
                    let input = match Daemon::start(&executable, &plan.arguments) {
                        Ok(started) => {
                            let pid = started.pid;
                            daemon = Some(started);
                            Input::Started { pid }
                        }
                        Err(error) => Input::StartFailed(error.to_string()),
                    };
                    machine.handle_input(boot_time(), input);
                }
                Output::Stop(stop) => signal(&daemon, stop_signal(stop)),
                Output::Reload => signal(&daemon, Signal::SIGHUP),
                Output::Send(request) => {
                    if let Some(daemon) = &mut daemon {
                        daemon.send(&request);
                    }
                }
                Output::Resign(resignations) => effects.resign(&resignations),
                Output::Remove(inventory) => effects.remove(inventory).await,
                Output::Namespace(name) => effects.enter(name),
                Output::Ready => {
                    if let Some(ready) = ready.take() {
                        ready();
                    }
                }
                Output::Log(line) => effects.log.line(&line),
                Output::Exit(code) => return Ok(code),
            }
        }
        // Also while there is always something else.
        if machine.poll_timeout().is_some_and(|due| due <= boot_time()) {
            machine.handle_timeout(boot_time());
            continue;
        }
        let due = machine.poll_timeout();
        let input = tokio::select! {
            biased;
            input = signals.next() => input,
            input = next(&mut daemon) => input,
            () = until(due) => continue,
        };
        if matches!(input, Input::Exited(_)) {
            daemon = None;
        }
        machine.handle_input(boot_time(), input);
    }
}

async fn next(daemon: &mut Option<Daemon>) -> Input {
    match daemon {
        Some(daemon) => daemon.next().await,
        None => std::future::pending().await,
    }
}

async fn until(time: Option<lb_vrrp::Time>) {
    match time {
        Some(time) => tokio::time::sleep(time.since(boot_time())).await,
        None => std::future::pending().await,
    }
}

fn stop_signal(stop: Stop) -> Signal {
    match stop {
        Stop::Terminate => Signal::SIGTERM,
        Stop::Interrupt => Signal::SIGINT,
    }
}

fn signal(daemon: &Option<Daemon>, signal: Signal) {
    // Without an id it was waited for, and its end is the next input.
    let id = daemon.as_ref().and_then(|daemon| i32::try_from(daemon.child.id()?).ok());
    if let Some(id) = id {
        let _ = nix::sys::signal::kill(Pid::from_raw(id), signal);
    }
}

/// What is done to the machine.
struct Effects {
    log: Log,
    /// `None` where there is no privilege; there is no daemon then either.
    resigner: Option<Resigner>,
    /// Where the daemon works, if that is not where this process is.
    namespace: Option<String>,
}

impl Effects {
    fn resign(&mut self, resignations: &[Resignation]) {
        if let Some(resigner) = &mut self.resigner
            && let Err(error) = resigner.send(resignations)
        {
            self.log.line(&format!("resignations cannot be sent: {error}"));
        }
    }

    async fn remove(&self, inventory: Inventory) {
        let count = inventory.len();
        let removed = timeout(REMOVAL_TIMEOUT, remove_in(self.namespace.clone(), inventory)).await;
        match removed {
            Ok(Ok(failed)) => {
                let done = count - failed.len();
                self.log.line(&format!("{done} objects that the daemon had left in the kernel are removed"));
                for (entry, said) in failed {
                    self.log.line(&format!("{entry} cannot be removed: {said}"));
                }
            }
            Ok(Err(error)) => self.log.line(&format!(
                "{count} objects that the daemon has left in the kernel cannot be removed: {error}"
            )),
            Err(_) => self.log.line(&format!(
                "removing {count} objects that the daemon has left in the kernel takes too long, and is given up"
            )),
        }
    }

    /// Sockets stay where they were made, wherever their process is.
    fn enter(&mut self, name: String) {
        let there = name.clone();
        let make = move || {
            namespace::enter(&there).ok()?;
            Resigner::new().ok()
        };
        self.resigner =
            thread::Builder::new().spawn(make).ok().and_then(|thread| thread.join().ok()).flatten();
        self.namespace = Some(name);
    }
}

/// A daemon that runs.
struct Daemon {
    child: Child,
    pid: u32,
    messages: Lines<BufReader<OwnedReadHalf>>,
    /// Whether it has closed its end of the line.
    silent: bool,
    /// How it ended, while its last messages are read.
    exit: Option<Exit>,
    writer: OwnedWriteHalf,
    /// What is to be written.
    unwritten: Vec<u8>,
}

impl Daemon {
    fn start(executable: &Executable, arguments: &[OsString]) -> io::Result<Self> {
        let mut missing = io::Error::from(io::ErrorKind::NotFound);
        for mut command in executable.commands() {
            let (ours, theirs) = UnixStream::pair()?;
            let theirs = theirs.into_std()?;
            theirs.set_nonblocking(false)?;
            let child = match command.args(arguments).stdin(Stdio::from(OwnedFd::from(theirs))).spawn() {
                Ok(child) => child,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    missing = error;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let (reader, writer) = ours.into_split();
            return Ok(Self {
                pid: child.id().unwrap_or_default(),
                child,
                messages: BufReader::new(reader).lines(),
                silent: false,
                exit: None,
                writer,
                unwritten: Vec::new(),
            });
        }
        Err(missing)
    }

    /// The next message, or its end. Cancel safe.
    async fn next(&mut self) -> Input {
        loop {
            if let Some(exit) = &self.exit {
                let last = match self.silent {
                    true => None,
                    false => timeout(LAST_MESSAGES, self.messages.next_line()).await.ok(),
                };
                match last {
                    Some(Ok(Some(line))) => {
                        if let Some(input) = message(&line) {
                            return input;
                        }
                    }
                    _ => return Input::Exited(exit.clone()),
                }
                continue;
            }
            tokio::select! {
                biased;
                line = self.messages.next_line(), if !self.silent => match line {
                    Ok(Some(line)) => {
                        if let Some(input) = message(&line) {
                            return input;
                        }
                    }
                    Ok(None) | Err(_) => self.silent = true,
                },
                status = self.child.wait() => self.exit = Some(exit(status)),
                written = self.writer.write(&self.unwritten), if !self.unwritten.is_empty() => match written {
                    Ok(written) => drop(self.unwritten.drain(..written)),
                    // Its end is what counts.
                    Err(_) => self.unwritten.clear(),
                },
            }
        }
    }

    /// Sends it this, when it reads.
    fn send(&mut self, request: &Request) {
        if self.unwritten.len() > UNREAD && matches!(request, Request::Dump(_)) {
            return;
        }
        if let Ok(line) = serde_json::to_vec(request) {
            self.unwritten.extend(line);
            self.unwritten.push(b'\n');
        }
    }
}

fn message(line: &str) -> Option<Input> {
    serde_json::from_str::<Message>(line).ok().map(Input::Message)
}

fn exit(status: io::Result<ExitStatus>) -> Exit {
    let status = match status {
        Ok(status) => status,
        Err(error) => return Exit { killed: true, code: 1, text: error.to_string() },
    };
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    Exit {
        killed: status.code().is_none(),
        code: code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
        text: status.to_string(),
    }
}
