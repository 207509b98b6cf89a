//! Namespaces with a process in each that holds them, and how other processes get in.
//!
//! ```text
//! this process ── pipe ──▶ keeper   first process of a process namespace; ends when the pipe is closed, by whatever,
//!                            │      and then the kernel ends everything inside
//!                            ├─ host a   first process of a process namespace inside, with its own interfaces, mounts, name
//!                            └─ host b
//! ```

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

/// What makes each kind of namespace: by `unshare` when it is made, by `nsenter` when it is entered.
const KINDS: [&str; 5] = ["--net", "--mount", "--uts", "--ipc", "--pid"];
/// Where administrators' programs are, for users who have them not in their path.
const PATHS: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

/// By what right namespaces are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// This process is root. Programs in the lab may change to other users and take real-time priorities.
    Root,
    /// A user namespace: no privileges are needed, and root in the lab is this user outside.
    User,
}

impl Right {
    /// The right that this process has.
    ///
    /// # Errors
    /// When it may not make namespaces, with what to do about it, or programs for it are missing.
    pub fn find() -> Result<Self> {
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let (first, others) = match (geteuid().is_root(), maps_all_users(&map)) {
            (true, true) => (Self::Root, Some(Self::User)),
            // Root of a user namespace only, where files of most users can not be changed.
            (true, false) => (Self::User, Some(Self::Root)),
            (false, _) => (Self::User, None),
        };
        let refused = match first.check() {
            Ok(()) => return Ok(first),
            Err(error) => error,
        };
        // Root without capabilities may still make a user namespace.
        others.filter(|other| other.check().is_ok()).ok_or(refused)
    }

    /// Whether namespaces can be made by this right.
    ///
    /// # Errors
    /// As for [`Self::find`].
    pub fn check(self) -> Result<()> {
        for (program, package) in [("unshare", "util-linux"), ("nsenter", "util-linux"), ("ip", "iproute2")] {
            find(program).ok_or(Error::Missing { program, package })?;
        }
        let mut trial = self.unshare();
        trial.arg("true").stdin(Stdio::null());
        let output = trial.output().map_err(|source| starting(&trial, source))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::Denied { said, remedy: remedy(|path| fs::read_to_string(path).ok()) })
    }

    /// For the scripts of the namespaces.
    const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::User => "user",
        }
    }

    /// A command that runs what is appended to it as the first process of new namespaces.
    fn unshare(self) -> Command {
        let mut command = tool("unshare");
        if self == Self::User {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(KINDS).args(["--fork", "--kill-child", "--mount-proc"]);
        command
    }

    /// A command that runs what is appended to it in the namespaces that an anchor holds.
    pub fn enter(self, pid: Pid) -> Command {
        let mut command = self.nsenter(pid, &KINDS);
        // The temporary folder out here is none in there.
        command.env_remove("TMPDIR");
        command
    }

    /// A command that runs what is appended to it in some namespaces of this process.
    fn nsenter(self, pid: Pid, kinds: &[&str]) -> Command {
        let mut command = tool("nsenter");
        command.args(["--target", &pid.to_string()]);
        if self == Self::User {
            // Groups cannot be changed there; the user is root already, by the namespace's map.
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args(kinds).arg("--");
        command
    }
}

/// Whether a `/proc/self/uid_map` is that of the machine, or of a container with all users.
fn maps_all_users(map: &str) -> bool {
    map.split_ascii_whitespace().nth(2).is_some_and(|count| count.parse() == Ok(u32::MAX))
}

/// What has to be changed for namespaces to be allowed, as far as the system tells.
fn remedy(read: impl Fn(&str) -> Option<String>) -> String {
    let set = |name: &str, value: &str| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        read(&path).is_some_and(|text| text.trim() == value)
    };
    let wanted = [
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("user.max_user_namespaces", "0", "10000"),
    ];
    let commands: Vec<String> = wanted
        .iter()
        .filter(|(name, value, _)| set(name, value))
        .map(|(name, _, better)| format!("`sysctl -w {name}={better}`"))
        .collect();
    if commands.is_empty() {
        return "run it as root, or, in a container, with the capability SYS_ADMIN and without its seccomp filter"
            .to_owned();
    }
    format!("allow them with {}, or run this as root", commands.join(" and "))
}

/// A process that holds namespaces, and ends when this is dropped.
#[derive(Debug)]
pub(super) struct Anchor {
    right: Right,
    /// What was started here: `unshare`, or `nsenter` with `unshare` below.
    child: Child,
    /// The first process inside, as it is called out here.
    pid: Pid,
    /// While it is open the keeper lives.
    _open: Option<ChildStdin>,
}

impl Anchor {
    /// The keeper of a lab. Everything that will ever run in the lab ends with it, and it ends with this process,
    /// whatever that dies of; then it removes the folder.
    pub(super) fn keeper(right: Right, folder: &Path) -> Result<Self> {
        let mut command = right.unshare();
        command.env("LB_LAB_KEEPER", include_str!("keeper.sh"));
        command.args(["sh", "-c", "eval \"$LB_LAB_KEEPER\"", "keeper"]).arg(folder).arg(right.name());
        command.stdin(Stdio::piped());
        Self::start(right, command, 1)
    }

    /// Namespaces of a host in the lab with this folder. `kept` are the entries of /tmp that are seen inside.
    pub(super) fn host(keeper: &Self, name: &str, folder: &Path, kept: &[PathBuf]) -> Result<Self> {
        let right = keeper.right;
        let mut command = right.nsenter(keeper.pid, &KINDS);
        // Already in the user namespace.
        command.arg("unshare").args(KINDS).args(["--fork", "--kill-child", "--mount-proc"]);
        // By the environment, so that a list of processes can be read.
        command.env("LB_LAB_HOST", include_str!("host.sh"));
        command
            .args(["sh", "-c", "eval \"$LB_LAB_HOST\"", "host", name])
            .arg(folder)
            .arg(right.name())
            .args(kept);
        command.stdin(Stdio::null());
        Self::start(right, command, 2)
    }

    /// Waits until the process, so many generations below what is started, says that it is ready.
    fn start(right: Right, mut command: Command, generations: usize) -> Result<Self> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|source| starting(&command, source))?;
        let open = child.stdin.take();
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let mut anchor = Self { right, pid: pid_of(&child), child, _open: open };
        let mut said = String::new();
        if let Some(out) = out {
            let _ = BufReader::new(out).read_line(&mut said);
        }
        if said != "ready\n" {
            said.clear();
            if let Some(mut err) = err {
                let _ = err.read_to_string(&mut said);
            }
            let status = anchor.child.wait().map_err(|source| starting(&command, source))?;
            return Err(Error::Failed { command: wording(&command), status, said: said.trim().to_owned() });
        }
        for _ in 0..generations {
            anchor.pid = only_child(anchor.pid)
                .ok_or_else(|| Error::InVain("the first process of new namespaces".to_owned()))?;
        }
        Ok(anchor)
    }

    /// The first process inside, as it is called out here.
    pub(super) const fn pid(&self) -> Pid {
        self.pid
    }

    /// A command that runs what is appended to it inside. The process is a child of the one that is started here.
    pub(super) fn enter(&self) -> Command {
        self.right.enter(self.pid)
    }

    /// The same for a program that names processes out here, as `ip` does when it moves interfaces.
    pub(super) fn enter_network(&self) -> Command {
        self.right.nsenter(self.pid, &["--net"])
    }
}

impl Drop for Anchor {
    fn drop(&mut self) {
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = self.child.kill();
        // Returns when everything inside has ended, since the kernel ends it before the first process.
        let _ = self.child.wait();
    }
}

pub(super) fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// Children of a process, the oldest first.
pub(super) fn children(pid: Pid) -> Vec<Pid> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect()
}

/// Ends the children of a process at once.
pub fn kill_children(pid: Pid) {
    for child in children(pid) {
        let _ = kill(child, Signal::SIGKILL);
    }
}

fn only_child(pid: Pid) -> Option<Pid> {
    children(pid).first().copied()
}

/// A program of the system's.
fn tool(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", search_path());
    command
}

/// Where programs are looked for: in the user's path, then where administrators' programs are.
pub(super) fn search_path() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    if path.is_empty() { PATHS.to_owned() } else { format!("{path}:{PATHS}") }
}

/// Where a program is.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    search_path().split(':').map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}

/// A command as it would be typed, without what gets it into its namespaces.
pub(super) fn wording(command: &Command) -> String {
    let all = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = all.map(|word| word.to_string_lossy()).collect();
    let start = words.iter().position(|word| word == "--").map_or(0, |index| index + 1);
    words[start..].join(" ")
}

pub(super) fn starting(command: &Command, source: std::io::Error) -> Error {
    Error::Start { command: wording(command), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_names_the_setting_that_is_in_the_way() {
        let settings = [
            ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n", "userns=0`"),
            ("/proc/sys/kernel/unprivileged_userns_clone", "0\n", "userns_clone=1`"),
            ("/proc/sys/user/max_user_namespaces", "0\n", "max_user_namespaces=10000`"),
        ];
        for (path, value, expected) in settings {
            let told = remedy(|asked| (asked == path).then(|| value.to_owned()));
            assert!(told.contains(expected), "{told}");
            assert_eq!(told.matches("sysctl").count(), 1, "{told}");
        }
        let told = remedy(|_| Some("1".to_owned()));
        assert!(told.contains("apparmor_restrict_unprivileged_userns=0"), "{told}");
        assert!(remedy(|_| None).contains("SYS_ADMIN"));
    }

    #[test]
    fn root_of_a_user_namespace_is_recognized() {
        assert!(maps_all_users("         0          0 4294967295\n"));
        assert!(!maps_all_users("         0       1000          1\n") && !maps_all_users(""));
    }

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Right::User.nsenter(Pid::from_raw(1), &["--net"]);
        command.args(["ip", "link"]);
        assert_eq!(wording(&command), "ip link");
    }
}
