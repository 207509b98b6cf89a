//! A server as a child process with a directory of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lb_health::{Failure, FailureKind, HealthCheck, Outcome, Passed, Target};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, Uid, User};
use tempfile::TempDir;

/// How long a server may take to start on a busy machine.
const START: Duration = Duration::from_secs(120);

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(20);

pub(super) fn is_root() -> bool {
    Uid::effective().is_root()
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

pub(super) fn target(port: u16) -> Target {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()
}

/// A directory that other users may enter.
pub(super) fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// Runs as this user if we are root; servers that refuse to run as root need that.
pub(super) fn as_user(command: &mut Command, user: &str) {
    if is_root() {
        let user = User::from_name(user).unwrap().expect("the package makes this user");
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
}

/// Gives a path to this user if we are root.
pub(super) fn give(path: &Path, user: &str) {
    if is_root() {
        let user = User::from_name(user).unwrap().expect("the package makes this user");
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    }
}

/// Runs to its end, which has to be good.
pub(super) fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
}

/// A server. Ends when dropped, with all its children.
pub(super) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts it; what it says goes to a file in this directory.
    pub(super) fn start(command: &mut Command, directory: &Path) -> Self {
        let log = directory.join("output");
        let file = fs::File::create(&log).unwrap();
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// Looks until the server is up.
    pub(super) async fn until_up(&mut self, check: &dyn HealthCheck, target: &Target) -> Passed {
        let start = Instant::now();
        loop {
            let failure = match look(check, target).await {
                Ok(passed) => return passed,
                Err(failure) => failure,
            };
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < START,
                "{failure}; ended: {ended:?}; it says:\n{}",
                fs::read_to_string(&self.log).unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Its own group, which we made.
        let group = Pid::from_raw(self.child.id() as i32);
        let _ = killpg(group, Signal::SIGTERM);
        let start = Instant::now();
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if start.elapsed() > Duration::from_secs(10) {
                let _ = killpg(group, Signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // What the server has left behind.
        let _ = killpg(group, Signal::SIGKILL);
    }
}

/// Looks once, with a deadline as the runner has one.
pub(super) async fn look(check: &dyn HealthCheck, target: &Target) -> Outcome {
    let late = |_| Failure::new(FailureKind::Timeout, "the look takes too long");
    tokio::time::timeout(LOOK, check.check(target)).await.map_err(late)?
}

/// The kind of the failure of a look; panics if it passes.
pub(super) async fn kind_of_failure(check: &dyn HealthCheck, target: &Target) -> FailureKind {
    let failure = look(check, target).await.expect_err("passes");
    // For who wants to read what operators will: cargo test -- --nocapture
    println!("{}: {failure}", check.kind());
    failure.kind
}

/// A certificate for 127.0.0.1 and its key in this directory, as `cert.pem` and `key.pem`; settings that trust it.
pub(super) fn certificate(directory: &Path, user: &str) -> lb_health::tls::TlsSettings {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    give(&key, user);
    lb_health::tls::TlsSettings { roots: Some(cert), ..Default::default() }
}
