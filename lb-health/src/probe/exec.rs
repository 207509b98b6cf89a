//! An external program.

#[cfg(test)]
mod tests;

use std::{
    io,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
};

use async_trait::async_trait;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    process::{Child, Command},
};

use crate::{
    Failure, FailureKind, HealthCheck, Outcome, Passed, Target,
    connect::{is_shortage, local},
};

/// Up if a program ends with exit status 0.
///
/// It is run as it is, not by a shell; with nothing but these arguments and this environment, no standard input and
/// none of the files that this process has opened, in a process group of its own. If it has not ended by the deadline, the whole group is
/// killed (SIGKILL). The first line of what it prints, on either output, tells why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// The program. A name without a slash is looked for in [`Exec::PATH`].
    pub program: PathBuf,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Its environment, besides `PATH`.
    #[serde(default)]
    pub environment: Vec<(String, String)>,
    /// User to run as; `None` = ours. Without supplementary groups, if we are root.
    #[serde(default)]
    pub user: Option<u32>,
    /// Group to run as; `None` = ours.
    #[serde(default)]
    pub group: Option<u32>,
}

/// Most bytes of output that are kept.
const KEPT: usize = 4096;

impl Exec {
    /// The programs' `PATH`.
    pub const PATH: &'static str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// This program with these arguments.
    pub fn new(program: impl Into<PathBuf>, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            user: None,
            group: None,
        }
    }

    /// Starts it; both its outputs come out of the pipe.
    fn start(&self) -> Result<(Group, pipe::Receiver), Failure> {
        let (reader, writer) = io::pipe().map_err(local("opening a pipe"))?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .env("PATH", Self::PATH)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(writer.try_clone().map_err(local("opening a pipe"))?)
            .stderr(writer)
            .process_group(0)
            .kill_on_drop(true);
        if let Some(group) = self.group {
            command.gid(group);
        }
        if let Some(user) = self.user {
            command.uid(user);
        }
        let child = command.spawn().map_err(|error| {
            // A program that is being replaced can be run in a moment.
            let is_passing = is_shortage(&error) || error.kind() == io::ErrorKind::ExecutableFileBusy;
            let kind = if is_passing { FailureKind::Local } else { FailureKind::Misconfigured };
            Failure::new(kind, format_args!("running {}: {error}", self.program.display()))
        })?;
        let output = pipe::Receiver::from_owned_fd(reader.into()).map_err(local("reading a pipe"))?;
        Ok((Group(child), output))
    }
}

#[async_trait]
impl HealthCheck for Exec {
    fn kind(&self) -> &'static str {
        "exec"
    }

    async fn check(&self, _: &Target) -> Outcome {
        let (mut group, mut output) = self.start()?;
        let mut kept = Vec::new();
        let mut chunk = [0; 1024];
        let mut open = true;
        // Until it has ended, and not until the pipe has: something it leaves behind may hold that for ever.
        let status = loop {
            tokio::select! {
                status = group.0.wait() => break status.map_err(local("waiting for the program"))?,
                got = output.read(&mut chunk), if open => match got {
                    Ok(got @ 1..) => keep(&mut kept, &chunk[..got]),
                    Ok(0) | Err(_) => open = false,
                },
            }
        };
        while open
            && kept.len() < KEPT
            && let Ok(got @ 1..) = output.try_read(&mut chunk)
        {
            keep(&mut kept, &chunk[..got]);
        }
        judge(status, &String::from_utf8_lossy(&kept))
    }
}

/// The program and all that it has started.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // There is an id until it has been waited for: until then nobody else can bear it.
        if let Some(id) = self.0.id().and_then(|id| i32::try_from(id).ok()) {
            // It fails if all of them have just ended, and then there is nothing to do.
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
    }
}

fn keep(kept: &mut Vec<u8>, chunk: &[u8]) {
    let room = KEPT - kept.len();
    kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
}

fn judge(status: ExitStatus, output: &str) -> Outcome {
    let line = output.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let how = match (status.code(), status.signal()) {
        (Some(0), _) => return Ok(Passed::with(line)),
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => match Signal::try_from(signal) {
            Ok(signal) => format!("killed by {signal}"),
            Err(_) => format!("killed by signal {signal}"),
        },
        (None, None) => status.to_string(),
    };
    let colon = if line.is_empty() { "" } else { ": " };
    Err(Failure::new(FailureKind::WrongAnswer, format_args!("{how}{colon}{line}")))
}
