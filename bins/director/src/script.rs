//! ldirectord's commands, as resource scripts and init systems call them.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::{Path, PathBuf},
    str::FromStr,
    thread,
    time::{Duration, Instant},
};

use lb_runtime::{
    detach,
    pidfile::{Running, running, signal},
};
use nix::sys::signal::Signal;

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

/// The daemon that a command is for.
#[derive(Clone, Copy, Debug)]
pub struct Instance<'a> {
    /// Its configuration file, as `status` names it.
    pub config: &'a Path,
    /// Its pid file.
    pub pid_file: &'a Path,
    /// Options that are handed on to a daemon that is started.
    pub options: &'a [OsString],
}

/// Does it.
///
/// # Errors
/// When a process can not be started or signalled.
pub fn perform(command: Command, instance: Instance<'_>) -> io::Result<u8> {
    let pid_file = instance.pid_file;
    let state = running(pid_file);
    match (command, state) {
        (Command::Status, _) => Ok(status(state, instance)),
        (Command::Start, Running::Yes(_))
        | (Command::Stop | Command::TryRestart, Running::No | Running::Stale) => Ok(0),
        (Command::Stop, Running::Yes(pid)) => stop(pid, pid_file).map(|()| 0),
        (Command::Restart | Command::TryRestart, Running::Yes(pid)) => {
            stop(pid, pid_file)?;
            start(instance)
        }
        (Command::Start | Command::Restart, Running::No | Running::Stale) => start(instance),
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

/// Prints whether the daemon runs; returns the exit status. Text, stream and status are those of ldirectord, by which the
/// resource agent of Pacemaker tells a daemon that has died from one that was stopped.
fn status(state: Running, Instance { config, pid_file, .. }: Instance<'_>) -> u8 {
    let (config, pid_file) = (config.display(), pid_file.display());
    let (mut stdout, mut stderr) = (io::stdout(), io::stderr());
    // A reader that is gone does not change the answer.
    let (_, status) = match state {
        Running::Yes(pid) => (writeln!(stderr, "ldirectord for {config} is running with pid: {pid}"), 0),
        Running::No => (writeln!(stdout, "ldirectord is stopped for {config}"), 3),
        Running::Stale => {
            let _ = writeln!(stderr, "ldirectord stale pid file {pid_file} for {config}");
            (writeln!(stdout, "ldirectord is stopped for {config}"), 1)
        }
    };
    status
}

/// Starts the daemon as a process of its own and waits until its first decisions are in the data plane.
fn start(Instance { config, pid_file, options }: Instance<'_>) -> io::Result<u8> {
    // First what ldirectord's command line has, by which scripts find the process: `pgrep -f "PROGRAM CONFIG start"`.
    let mut arguments: Vec<OsString> = vec![std::path::absolute(config)?.into(), "start".into()];
    arguments.extend(["--detached".into(), "--pid-file".into(), pid_file.into()]);
    arguments.extend_from_slice(options);
    Ok(detach::start(arguments)?.unwrap_or(0))
}
