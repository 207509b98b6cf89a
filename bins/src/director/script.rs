//! ldirectord's commands, as resource scripts and init systems call them.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    str::FromStr,
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::runtime::{
    detach,
    pidfile::{Running, running, signal},
};

/// The configuration when none is named.
pub const DEFAULT_CONFIG: &str = "ldirectord.cf";
/// Exit status for a configuration with errors.
pub const BAD_CONFIG: u8 = 2;
/// How long a daemon may take to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a resource script may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Start in the background; 0 also when it runs already.
    Start,
    /// Stop and wait; 0 also when it does not run.
    Stop,
    /// Stop, then start.
    Restart,
    /// Restart if it runs.
    TryRestart,
    /// Read the configuration again; 1 when it does not run.
    Reload,
    /// 0 running, 3 not running, 1 dead but with a pid file.
    Status,
}

impl FromStr for Command {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Ok(match word {
            "start" => Self::Start,
            "stop" => Self::Stop,
            "restart" => Self::Restart,
            "try-restart" => Self::TryRestart,
            "reload" | "force-reload" => Self::Reload,
            "status" => Self::Status,
            _ => {
                let known = "start, stop, restart, try-restart, reload, force-reload or status";
                return Err(format!("`{word}` is no command: {known}"));
            }
        })
    }
}

/// Where ldirectord looks for a configuration: /etc/ha.d, /etc/ha.d/conf, then the name as it stands.
pub fn find(name: &str) -> Option<PathBuf> {
    ["/etc/ha.d", "/etc/ha.d/conf", ""]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
}

/// Does it. `options` are handed on to a daemon that is started.
///
/// # Errors
/// When a process can not be started or signalled.
pub fn perform(command: Command, config: &Path, pid_file: &Path, options: &[OsString]) -> io::Result<u8> {
    let state = running(pid_file);
    match (command, state) {
        (Command::Status, Running::Yes(_)) => Ok(0),
        (Command::Status, Running::No) => Ok(3),
        (Command::Status, Running::Stale) => Ok(1),
        (Command::Start, Running::Yes(_))
        | (Command::Stop | Command::TryRestart, Running::No | Running::Stale) => Ok(0),
        (Command::Stop, Running::Yes(pid)) => stop(pid, pid_file).map(|()| 0),
        (Command::Restart | Command::TryRestart, Running::Yes(pid)) => {
            stop(pid, pid_file)?;
            start(config, pid_file, options)
        }
        (Command::Start | Command::Restart, Running::No | Running::Stale) => start(config, pid_file, options),
        (Command::Reload, Running::Yes(_)) => Ok(u8::from(!signal(pid_file, Signal::SIGHUP)?)),
        (Command::Reload, Running::No | Running::Stale) => Ok(1),
    }
}

fn stop(pid: i32, pid_file: &Path) -> io::Result<()> {
    signal(pid_file, Signal::SIGTERM)?;
    let until = Instant::now() + PATIENCE;
    while running(pid_file) == Running::Yes(pid) {
        if Instant::now() > until {
            return Err(io::Error::other(format!(
                "process {pid} did not stop within {} s",
                PATIENCE.as_secs()
            )));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Starts the daemon as a process of its own and waits until its first decisions are in the data plane.
fn start(config: &Path, pid_file: &Path, options: &[OsString]) -> io::Result<u8> {
    let mut arguments: Vec<OsString> = vec!["--detached".into(), "--pid-file".into(), pid_file.into()];
    arguments.extend_from_slice(options);
    arguments.extend([config.into(), "start".into()]);
    Ok(detach::start(arguments)?.unwrap_or(0))
}
