//! lb-director as resource scripts call it, with ldirectord's commands and exit statuses.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Output},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, getsid},
};
use support::{Lab, lines, run, text, wait};

const GOOD: &str = "virtual=192.0.2.80:80\n\treal=192.0.2.1:80 masq\n\tchecktype=on\n\tprotocol=tcp\n";
const DIRECTOR: &str = env!("CARGO_BIN_EXE_lb-director");

/// A daemon in the background; stopped whatever happens.
struct Resource(Lab);

impl Resource {
    fn new() -> Self {
        let lab = Lab::new("");
        lab.configure(&format!("logfile=\"{}\"\n{GOOD}", lab.path("log").display()));
        Self(lab)
    }

    fn perform(&self, word: &str) -> Output {
        let mut command = self.0.director("memory");
        command.arg(self.0.config()).arg(word);
        run(command)
    }

    /// The exit status of a command that has nothing to say.
    fn code(&self, word: &str) -> i32 {
        let output = self.perform(word);
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{word}: {output:?}");
        output.status.code().unwrap()
    }

    fn pid(&self) -> Option<i32> {
        lines(&self.0.pid_file()).first().map(|pid| pid.parse().unwrap())
    }

    fn log(&self) -> String {
        lines(&self.0.path("log")).join("\n")
    }
}

impl Drop for Resource {
    fn drop(&mut self) {
        self.perform("stop");
    }
}

#[test]
fn a_resource_lives_and_dies_with_the_exit_statuses_of_ldirectord() {
    let resource = Resource::new();
    assert_eq!(resource.code("status"), 3);
    assert_eq!(resource.code("stop"), 0);
    assert_eq!(resource.code("reload"), 1);
    assert_eq!(resource.code("try-restart"), 0);
    assert_eq!(resource.code("status"), 3, "try-restart starts nothing");

    assert_eq!(resource.code("start"), 0);
    // Everything is in place as soon as `start` returns.
    let listing = resource.0.lbctl(&["list", "-n"]);
    assert!(text(&listing.stdout).contains("TCP  192.0.2.80:80"), "{listing:?}");
    assert_eq!(resource.code("status"), 0);
    let first = resource.pid().unwrap();
    assert_eq!(resource.code("start"), 0);
    assert_eq!(resource.pid(), Some(first), "started once");

    assert_eq!(resource.code("reload"), 0);
    wait("the reload", || resource.log().contains("In force: ").then_some(()));
    assert_eq!(resource.code("force-reload"), 0);
    assert_eq!(resource.pid(), Some(first));

    assert_eq!(resource.code("restart"), 0);
    let second = resource.pid().unwrap();
    assert_ne!(first, second);
    assert_eq!(resource.code("try-restart"), 0);
    let third = resource.pid().unwrap();
    assert_ne!(second, third);

    assert_eq!(resource.code("stop"), 0);
    assert!(!Path::new(&format!("/proc/{third}/exe")).exists(), "`stop` waits for the end");
    assert_eq!(resource.code("status"), 3);
    assert_eq!(resource.code("restart"), 0);
    assert_eq!(resource.code("status"), 0);
}

#[test]
fn the_daemon_is_detached_and_writes_to_its_logfile() {
    let resource = Resource::new();
    // With pipes as standard output and error: a daemon that held them would keep this waiting.
    assert_eq!(resource.code("start"), 0);
    let pid = resource.pid().unwrap();
    let descriptor = |number| fs::read_link(format!("/proc/{pid}/fd/{number}")).unwrap();
    for number in 0..3 {
        assert_eq!(descriptor(number), Path::new("/dev/null"));
    }
    assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), Path::new("/"));
    assert_eq!(getsid(Some(Pid::from_raw(pid))).unwrap().as_raw(), pid, "a session of its own");
    let added = format!("|web.cf|{pid}] Added virtual server: 192.0.2.80:80");
    wait("the log line", || resource.log().contains(&added).then_some(()));
}

#[test]
fn a_pid_file_without_a_daemon_is_stale() {
    let resource = Resource::new();
    assert_eq!(resource.code("start"), 0);
    let pid = resource.pid().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    wait("its death", || (!Path::new(&format!("/proc/{pid}/exe")).exists()).then_some(()));
    assert_eq!(resource.code("status"), 1);
    assert_eq!(resource.code("reload"), 1);
    assert_eq!(resource.code("stop"), 0);
    assert_eq!(resource.code("start"), 0);
    assert_ne!(resource.pid(), Some(pid));
    assert_eq!(resource.code("status"), 0);

    // A number that belongs to somebody else now is not ours.
    resource.code("stop");
    fs::write(resource.0.pid_file(), "1\n").unwrap();
    assert_eq!(resource.code("status"), 1);
}

#[test]
fn a_bystander_with_the_name_of_the_program_is_left_alone() {
    let resource = Resource::new();
    let mut bystander = Command::new("sleep").arg0("lb-director").arg("1000").spawn().unwrap();
    for word in ["status", "reload", "stop", "try-restart"] {
        fs::write(resource.0.pid_file(), format!("{}\n", bystander.id())).unwrap();
        let expected = if matches!(word, "status" | "reload") { 1 } else { 0 };
        assert_eq!(resource.code(word), expected, "{word}");
    }
    assert_eq!(resource.code("start"), 0);
    assert_ne!(resource.pid(), i32::try_from(bystander.id()).ok(), "a daemon was started");
    assert_eq!(resource.code("restart"), 0);
    assert_eq!(resource.code("stop"), 0);
    let ended = bystander.try_wait().unwrap();
    let _ = bystander.kill();
    let _ = bystander.wait();
    assert_eq!(ended, None, "the bystander lives");
}

#[test]
fn what_can_not_be_done_has_a_status_of_its_own() {
    let resource = Resource::new();
    let good = fs::read_to_string(resource.0.config()).unwrap();
    resource.0.configure("virtual=nonsense\n");
    for word in ["start", "status", "stop", "reload", "restart"] {
        let output = resource.perform(word);
        assert_eq!(output.status.code(), Some(2), "{word}");
        let place = format!("{}:1:", resource.0.config().display());
        assert!(text(&output.stderr).contains(&place), "{word}: {output:?}");
    }
    resource.0.configure(&good);

    let missing = run({
        let mut command = Command::new(DIRECTOR);
        command.arg(resource.0.path("missing.cf")).arg("status");
        command
    });
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("missing.cf does not exist"), "{missing:?}");

    for words in
        [&[][..], &["a.cf", "explode"], &["a.cf", "start", "stop"], &["--nonsense"], &["a.cf", "status", "b"]]
    {
        let output = run({
            let mut command = Command::new(DIRECTOR);
            command.args(words);
            command
        });
        assert_eq!(output.status.code(), Some(255), "{words:?}");
        assert!(text(&output.stderr).lines().any(|line| line.contains("--help")), "{output:?}");
    }
}

#[test]
fn a_daemon_that_can_not_start_says_why_before_start_returns() {
    let resource = Resource::new();
    let output = run({
        let mut command = Command::new(DIRECTOR);
        command.args(["--data-plane", "memory", "--pid-file"]).arg(resource.0.pid_file());
        // A file where a folder is wanted.
        command.arg("--socket").arg(resource.0.config().join("socket")).arg(resource.0.config()).arg("start");
        command
    });
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("the control socket "), "{output:?}");
    assert_eq!(resource.pid(), None, "nothing is left");
}

#[test]
fn names_are_relative_to_where_the_command_is_given() {
    let resource = Resource::new();
    let perform = |word: &str| {
        let mut command = Command::new(DIRECTOR);
        command.args(["--data-plane=memory", "--pid-file=pid", "--socket=socket", "web.cf", word]);
        command.current_dir(resource.0.path(""));
        run(command).status.code()
    };
    assert_eq!(perform("start"), Some(0));
    assert_eq!(perform("status"), Some(0));
    assert!(resource.pid().is_some());
    assert!(resource.0.lbctl(&["status"]).status.success());
    assert_eq!(perform("reload"), Some(0));
    wait("the reload", || resource.log().contains("In force: ").then_some(()));
    assert_eq!(perform("stop"), Some(0));
}

#[test]
fn debug_and_supervised_stay_in_the_foreground() {
    let resource = Resource::new();
    let mut command = resource.0.director("memory");
    command.arg("-d").arg(resource.0.config()).arg("start");
    let mut daemon = resource.0.spawn(command);
    daemon.wait_for_line("Added real server: ");
    assert_eq!(daemon.stop().code(), Some(0));

    let good = fs::read_to_string(resource.0.config()).unwrap();
    resource.0.configure(&format!("supervised=yes\n{good}"));
    let mut command = resource.0.director("memory");
    command.arg(resource.0.config()).arg("start");
    let mut daemon = resource.0.spawn(command);
    daemon.wait_for_line("Added real server: ");
    assert_eq!(daemon.stop().code(), Some(0));
}
