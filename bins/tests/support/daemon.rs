//! The programs under guard: whatever a test starts is ended with it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

use super::wait;

/// A folder with a configuration, and names for everything that a daemon wants to have.
pub(crate) struct Lab {
    folder: TempDir,
}

impl Lab {
    pub(crate) fn new(config: &str) -> Self {
        let lab = Self { folder: tempfile::tempdir().unwrap() };
        lab.configure(config);
        lab
    }

    /// Replaces the configuration, as editors do: whoever reads sees the old or the new one.
    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.path("new"), text).unwrap();
        fs::rename(self.path("new"), self.config()).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("web.cf")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    pub(crate) fn pid_file(&self) -> PathBuf {
        self.path("pid")
    }

    /// A program for the daemon to run.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub(crate) fn director(&self, data_plane: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb-director"));
        command.args(["--data-plane", data_plane, "--socket"]).arg(self.socket());
        command.arg("--pid-file").arg(self.pid_file()).arg("--state-dir").arg(self.path("state"));
        command.stdin(Stdio::null());
        command
    }

    /// A daemon in the foreground that answers.
    pub(crate) fn start(&self, data_plane: &str) -> Daemon {
        let mut command = self.director(data_plane);
        command.arg(self.config());
        let mut daemon = self.spawn(command);
        wait("the daemon's socket", || {
            let ended = daemon.child.try_wait().unwrap();
            assert_eq!(ended, None, "{}", daemon.log());
            daemon.lbctl(&["status"]).status.success().then_some(())
        });
        daemon
    }

    /// This command as a daemon, whatever comes of it.
    pub(crate) fn spawn(&self, mut command: Command) -> Daemon {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::<Mutex<Vec<String>>>::default();
        let (stderr, sink) = (BufReader::new(child.stderr.take().unwrap()), log.clone());
        let reader = thread::spawn(move || {
            for line in stderr.lines() {
                sink.lock().unwrap().push(line.unwrap());
            }
        });
        Daemon { child, socket: self.socket(), log, reader }
    }

    pub(crate) fn lbctl(&self, arguments: &[&str]) -> Output {
        lbctl(&self.socket(), arguments)
    }
}

/// A daemon in the foreground; killed when this is dropped.
pub(crate) struct Daemon {
    pub(crate) child: Child,
    socket: PathBuf,
    log: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
}

impl Daemon {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// What it has logged; while it lives the last lines may still be on their way.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Lines of the log with this in them.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }

    /// Asserts that the log gets as many lines with this in them, and has no more of them then.
    pub(crate) fn assert_logged(&self, text: &str, times: usize) {
        wait(&format!("{times} log lines with `{text}`"), || (self.logged(text) >= times).then_some(()));
        assert_eq!(self.logged(text), times, "`{text}` in {}", self.log());
    }

    /// Waits for a line of the log with this in it.
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        let find = || self.log.lock().unwrap().iter().find(|line| line.contains(text)).cloned();
        wait(&format!("the log line `{text}`"), find)
    }

    pub(crate) fn lbctl(&self, arguments: &[&str]) -> Output {
        lbctl(&self.socket, arguments)
    }

    /// What `lbctl` prints, if it ends well.
    pub(crate) fn told(&self, arguments: &[&str]) -> String {
        let output = self.lbctl(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        text(&output.stdout)
    }

    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.told(&["status", "--json"])).unwrap()
    }

    /// The state of a real server in the first service that has it.
    pub(crate) fn state_of(&self, server: impl ToString) -> Option<String> {
        let server = server.to_string();
        let status = self.status();
        let services = status["services"].as_array().unwrap();
        let mut servers = services.iter().flat_map(|service| service["servers"].as_array().unwrap());
        let found = servers.find(|entry| entry["server"] == *server)?;
        Some(found["state"].as_str().unwrap().to_owned())
    }

    pub(crate) fn wait_for_state(&self, server: impl ToString, state: &str) {
        let server = server.to_string();
        wait(&format!("{server} to be {state}"), || (self.state_of(&server)? == state).then_some(()));
    }

    /// The listing's line of a real server, as words; `None` = it is not in the data plane.
    pub(crate) fn listed(&self, server: impl ToString) -> Option<Vec<String>> {
        let listing = self.told(&["list", "-n"]);
        let server = server.to_string();
        let line =
            listing.lines().map(str::split_whitespace).find(|words| words.clone().nth(1) == Some(&server));
        line.map(|words| words.map(str::to_owned).collect())
    }

    /// Waits until it has ended by itself, and its whole log is there.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let status = wait("the end of the daemon", || self.child.try_wait().unwrap());
        wait("the end of its log", || self.reader.is_finished().then_some(()));
        status
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.ended()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- log of the daemon\n{}", self.log());
        }
    }
}

fn lbctl(socket: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbctl"));
    command.arg("--socket").arg(socket).args(arguments);
    run(command)
}

pub(crate) fn run(mut command: Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The lines of a file; none while there is no such file.
pub(crate) fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}
