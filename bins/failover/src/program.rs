//! Programs that the configuration names: how they are started, as whom, and how they are ended.
//!
//! A program runs in a process group of its own, with our environment but for `LD_*`, `IFS` and `NOTIFY_SOCKET`, without
//! input and output, and with none of our open files. One that runs as another user gets a clean environment, and the limit
//! of open files that this process was started with. Nothing here blocks: starting one waits for file systems and for
//! the database of users, and is done on a thread for such things.
//!
//! Programs are started by `posix_spawn`, which costs the same however large this process is, unless the user has to be
//! changed: that takes a `fork`.

mod identity;
mod safety;
#[cfg(test)]
mod tests;

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use identity::Identity;
use lb_config::keepalived::model::{Globals, ScriptCommand, User};
use lb_runtime::{group::Group, limits};
use nix::sys::signal::Signal;
use thiserror::Error;
use tokio::{
    process::{Child, Command},
    task,
    time::timeout,
};

/// The numbers of a user and group, for the owner of something. Asks the database of users, which may take its time.
///
/// # Errors
/// There is no such user or group.
pub fn numbers(user: &User, purpose: &str) -> Result<(nix::unistd::Uid, nix::unistd::Gid), NotRun> {
    identity::numbers(user, purpose)
}

/// From the request to end (SIGTERM) to the end (SIGKILL).
pub const GRACE: Duration = Duration::from_secs(2);

/// How all programs are run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `enable_script_security`: what others than root could change is not run as root.
    pub security: bool,
    /// `script_user`.
    pub user: Option<User>,
}

impl Policy {
    /// What a configuration says.
    pub fn of(globals: &Globals) -> Self {
        Self { security: globals.script_security, user: globals.script_user.clone() }
    }
}

/// A program that is ready to be run, as often as wanted.
#[derive(Clone, Debug)]
pub struct Program(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    argv: Vec<String>,
    security: bool,
    identity: Identity,
}

/// Why a program can not be run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NotRun {
    /// It is not there.
    #[error("{0}: No such file; install it, or correct its path")]
    Missing(String),
    /// It may not be executed.
    #[error("{0}: not executable by {1}; chmod +x it, and let that user into its directories")]
    NotExecutable(PathBuf, String),
    /// Others than root can change what root would run.
    #[error(
        "{program} is not run as root, since others than root can change {place}: chown root and chmod go-w that, \
         or set script_user"
    )]
    Unsafe {
        /// What would be run.
        program: PathBuf,
        /// The file, or a directory on the way to it.
        place: PathBuf,
    },
    /// There is no such user or group.
    #[error("there is no {kind} `{name}` {purpose}; create it, or correct its name")]
    Nobody {
        /// `user` or `group`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What for: `to run /etc/check as`.
        purpose: String,
    },
    /// Only root can become somebody else.
    #[error("{program} can not be run as {name}, since this process is not run by root")]
    NotRoot {
        /// What would be run.
        program: String,
        /// As whom.
        name: String,
    },
    /// The system refused for another reason.
    #[error("{program} can not be run: {source}")]
    Failed {
        /// What would be run.
        program: String,
        /// Why not.
        source: io::Error,
    },
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this exit status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

impl Program {
    /// A command of the configuration, with further arguments.
    pub fn new(command: &ScriptCommand, policy: &Policy, further: &[&str]) -> Self {
        let mut argv = command.argv.clone();
        argv.extend(further.iter().map(|argument| (*argument).to_owned()));
        let user = command.user.clone().or_else(|| policy.user.clone());
        Self(Arc::new(Inner { argv, security: policy.security, identity: Identity::new(user) }))
    }

    /// What is run, for the log: without its arguments, in which secrets may stand.
    pub fn name(&self) -> &str {
        self.0.argv.first().map_or("", String::as_str)
    }

    /// Looks whether it could be started, without doing so: the file or directory that others than root can change, if it
    /// is to be run as root and security is not enabled.
    ///
    /// # Errors
    /// It could not, as far as can be said without trying.
    pub fn examine(&self) -> Result<Option<PathBuf>, NotRun> {
        let (path, who, unsafe_place) = self.0.prepare()?;
        let executable = path.metadata().is_ok_and(|file| file.permissions().mode() & 0o111 != 0);
        if executable { Ok(unsafe_place) } else { Err(NotRun::NotExecutable(path, who.to_string())) }
    }

    /// Starts it.
    ///
    /// # Errors
    /// It can not be run.
    pub async fn start(&self) -> Result<Running, NotRun> {
        let inner = Arc::clone(&self.0);
        match task::spawn_blocking(move || inner.start()).await {
            Ok(started) => started,
            Err(error) => Err(NotRun::Failed { program: self.name().to_owned(), source: error.into() }),
        }
    }
}

impl Inner {
    /// What is run, as whom, and where others than root could change it.
    fn prepare(&self) -> Result<(PathBuf, identity::Who, Option<PathBuf>), NotRun> {
        let Some(program) = self.argv.first() else { return Err(NotRun::Missing(String::new())) };
        let path = find(program).ok_or_else(|| NotRun::Missing(program.clone()))?;
        let who = self.identity.find(program)?;
        let unsafe_place = if who.is_root() { safety::changeable_by_others(&path) } else { None };
        if let Some(place) = &unsafe_place
            && self.security
        {
            return Err(NotRun::Unsafe { program: path, place: place.clone() });
        }
        Ok((path, who, unsafe_place))
    }

    fn start(&self) -> Result<Running, NotRun> {
        let (path, who, unsafe_place) = self.prepare()?;
        let (program, arguments) = self.argv.split_first().ok_or_else(|| NotRun::Missing(String::new()))?;
        let mut command = Command::new(&path);
        command.args(arguments);
        let environment = self.identity.environment(who);
        let spawned = match spawn(&mut command, who, environment) {
            // A text without `#!`, which is for the shell to read, as execvp(3) has it.
            Err(error) if error.raw_os_error() == Some(nix::libc::ENOEXEC) => {
                let mut command = Command::new("/bin/sh");
                command.arg(&path).args(arguments);
                spawn(&mut command, who, environment)
            }
            spawned => spawned,
        };
        let child = spawned.map_err(|error| match error.kind() {
            // The file is there: it is the interpreter in its first line that is not.
            io::ErrorKind::NotFound if path.exists() => {
                NotRun::Missing(format!("the interpreter that the first line of {} names", path.display()))
            }
            io::ErrorKind::NotFound => NotRun::Missing(program.clone()),
            io::ErrorKind::PermissionDenied => NotRun::NotExecutable(path, who.to_string()),
            _ => NotRun::Failed { program: program.clone(), source: error },
        })?;
        if let Some(id) = child.id().filter(|_| environment.is_some()) {
            limits::restore_open_files(id);
        }
        let group = Group::of(child.id());
        Ok(Running { child, group, unsafe_place })
    }
}

/// Where programs are looked for if the environment does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The file that a command names; a name without a slash is looked for as a shell does.
fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.exists() || path.is_symlink());
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| PATH.into());
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn spawn(
    command: &mut Command,
    who: identity::Who,
    environment: Option<&[(String, OsString)]>,
) -> io::Result<Child> {
    match environment {
        Some(environment) => {
            command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
        }
        None => {
            for (name, _) in std::env::vars_os().filter(|(name, _)| harms(name)) {
                command.env_remove(name);
            }
        }
    }
    who.apply(command);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn()
}

/// What decides what a program loads or how it reads its input, and what is ours alone.
fn harms(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"LD_") || name == "IFS" || name == "NOTIFY_SOCKET"
}

/// A program that runs. Dropping it kills its process group.
#[derive(Debug)]
pub struct Running {
    child: Child,
    group: Group,
    unsafe_place: Option<PathBuf>,
}

impl Running {
    /// It runs as root, and this file or directory could be changed by others; it was run since security is not enabled.
    pub fn unsafe_place(&self) -> Option<&Path> {
        self.unsafe_place.as_deref()
    }

    /// Waits until it ends. May be dropped and called again.
    ///
    /// # Errors
    /// Those of waitpid(2).
    pub async fn wait(&mut self) -> io::Result<Ended> {
        self.child.wait().await.map(Ended::from)
    }

    /// It has ended; what it has started may run on.
    pub fn leave(self) {
        self.group.leave();
    }

    /// Asks its process group to end, kills it [`GRACE`] later, and waits until the program has ended.
    pub async fn end(mut self) {
        self.group.signal(Signal::SIGTERM);
        if timeout(GRACE, self.child.wait()).await.is_err() {
            self.group.signal(Signal::SIGKILL);
            let _ = self.child.wait().await;
        }
        // Whoever of the group is left, is killed now.
    }

    /// Asks its process group to end, and lets it have the time that it takes.
    pub fn part(self) {
        self.group.signal(Signal::SIGTERM);
        self.group.leave();
    }
}

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Self {
        status.code().map_or_else(|| Self::Killed(status.signal().unwrap_or_default()), Self::Exited)
    }
}

impl std::fmt::Display for Ended {
    /// `exited with status 1`, `killed by SIGSEGV`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exited with status {status}"),
            Self::Killed(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "killed by {signal}"),
                Err(_) => write!(f, "killed by signal {number}"),
            },
        }
    }
}
