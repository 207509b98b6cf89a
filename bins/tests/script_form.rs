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
use support::{Lab, lines, require_program, run, text, unshare_command, wait};

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

    /// Asserts the answer of `status`: text, stream and exit status are those of ldirectord.
    fn assert_status(&self, expected: i32) {
        let (config, pid_file) = (self.0.config(), self.0.pid_file());
        let (config, pid_file) = (config.display(), pid_file.display());
        let stopped = format!("ldirectord is stopped for {config}\n");
        let (stdout, stderr) = match expected {
            0 => {
                let pid = self.pid().unwrap();
                (String::new(), format!("ldirectord for {config} is running with pid: {pid}\n"))
            }
            1 => (stopped, format!("ldirectord stale pid file {pid_file} for {config}\n")),
            _ => (stopped, String::new()),
        };
        let output = self.perform("status");
        let found = (output.status.code(), text(&output.stdout), text(&output.stderr));
        assert_eq!(found, (Some(expected), stdout, stderr));
    }

    /// The exit status of a command that prints nothing.
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
    resource.assert_status(3);
    assert_eq!(resource.code("stop"), 0);
    assert_eq!(resource.code("reload"), 1);
    assert_eq!(resource.code("try-restart"), 0);
    resource.assert_status(3);

    assert_eq!(resource.code("start"), 0);
    // Everything is in place as soon as `start` returns.
    let listing = resource.0.lbctl(&["list", "-n"]);
    assert!(text(&listing.stdout).contains("TCP  192.0.2.80:80"), "{listing:?}");
    resource.assert_status(0);
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
    resource.assert_status(3);
    assert_eq!(resource.code("restart"), 0);
    resource.assert_status(0);
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
    resource.assert_status(1);
    assert_eq!(resource.code("reload"), 1);
    assert_eq!(resource.code("stop"), 0);
    assert_eq!(resource.code("start"), 0);
    assert_ne!(resource.pid(), Some(pid));
    resource.assert_status(0);

    // A number that belongs to somebody else now is not ours.
    resource.code("stop");
    fs::write(resource.0.pid_file(), "1\n").unwrap();
    resource.assert_status(1);
}

#[test]
fn a_bystander_with_the_name_of_the_program_is_left_alone() {
    let resource = Resource::new();
    let mut bystander = Command::new("sleep").arg0("lb-director").arg("1000").spawn().unwrap();
    for (word, expected) in [("reload", 1), ("stop", 0), ("try-restart", 0)] {
        fs::write(resource.0.pid_file(), format!("{}\n", bystander.id())).unwrap();
        resource.assert_status(1);
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
    for word in ["start", "reload", "restart", "try-restart"] {
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
fn a_daemon_is_found_and_stopped_while_its_file_is_broken_or_gone() {
    let resource = Resource::new();
    let good = fs::read_to_string(resource.0.config()).unwrap();
    let break_file = || resource.0.configure("virtual=nonsense\n");
    let remove_file = || fs::remove_file(resource.0.config()).unwrap();
    for damage in [&break_file as &dyn Fn(), &remove_file] {
        assert_eq!(resource.code("start"), 0);
        let pid = resource.pid().unwrap();
        damage();
        resource.assert_status(0);
        for word in ["reload", "restart", "try-restart"] {
            assert_ne!(resource.perform(word).status.code(), Some(0), "{word}");
            assert_eq!(resource.pid(), Some(pid), "{word} leaves the daemon alone");
        }
        assert_eq!(resource.code("stop"), 0);
        assert_eq!(resource.pid(), None);
        resource.0.configure(&good);
        resource.assert_status(3);
    }
    break_file();
    resource.assert_status(3);
    assert_eq!(resource.code("stop"), 0);
}

#[test]
fn the_daemon_has_the_command_line_that_scripts_look_for() {
    let resource = Resource::new();
    let link = resource.0.path("ldirectord");
    std::os::unix::fs::symlink(DIRECTOR, &link).unwrap();
    let mut start = Command::new(&link);
    start.args(["--data-plane", "memory", "--pid-file"]).arg(resource.0.pid_file()).arg("--socket");
    start.arg(resource.0.socket()).arg(resource.0.config()).arg("start");
    assert_eq!(run(start).status.code(), Some(0));
    let command_line = fs::read(format!("/proc/{}/cmdline", resource.pid().unwrap())).unwrap();
    let words: Vec<_> = command_line.split(|byte| *byte == 0).take(3).map(text).collect();
    let (link, config) = (link.display().to_string(), resource.0.config().display().to_string());
    assert_eq!(words, [link, config, "start".to_owned()]);
}

#[test]
fn a_link_to_the_file_is_followed_again_by_each_reload() {
    let resource = Resource::new();
    let (first, second) = (resource.0.path("first"), resource.0.path("second"));
    let good = fs::read_to_string(resource.0.config()).unwrap();
    fs::write(&first, &good).unwrap();
    fs::write(&second, good.replace("192.0.2.80", "192.0.2.81")).unwrap();
    let point_to = |file: &Path| {
        let _ = fs::remove_file(resource.0.config());
        std::os::unix::fs::symlink(file, resource.0.config()).unwrap();
    };
    point_to(&first);
    assert_eq!(resource.code("start"), 0);
    point_to(&second);
    assert_eq!(resource.code("reload"), 0);
    let listed = || text(&resource.0.lbctl(&["list", "-n"]).stdout).contains("TCP  192.0.2.81:80");
    wait("the service of the second file", || listed().then_some(()));
}

/// What both programs are asked, one after the other. Each answer is printed with its streams and its exit status, the
/// process id as N.
const QUESTIONS: &str = r#"
ask() {
    "$PROGRAM" "$CONFIG" "$1" >"$FOLDER/out" 2>"$FOLDER/err" && code=0 || code=$?
    echo "$1: $code"
    sed -e 's/pid: [0-9][0-9]*/pid: N/' -e 's/^/  stdout: /' "$FOLDER/out"
    sed -e '/^Use of uninitialized value/d' -e 's/pid: [0-9][0-9]*/pid: N/' -e 's/^/  stderr: /' "$FOLDER/err"
}
pid_file=/var/run/ldirectord.${CONFIG##*/}.pid
runs() { "$PROGRAM" "$CONFIG" status >/dev/null 2>&1; }
until_it_runs() { until runs; do sleep 0.1; done; }
until_it_ends() { while [ -e "/proc/$1/exe" ]; do sleep 0.1; done; }
for word in status stop reload force-reload try-restart status start; do ask $word; done
until_it_runs
for word in status start reload status; do ask $word; done
pid=$(cat $pid_file); kill -9 $pid; until_it_ends $pid
for word in status reload try-restart stop status start; do ask $word; done
until_it_runs
ask status
pid=$(cat $pid_file); ask restart; until_it_ends $pid; until_it_runs
ask status
pid=$(cat $pid_file); ask stop; until_it_ends $pid
ask status
echo junk >$pid_file
ask status
"#;

#[test]
fn each_command_answers_as_ldirectord_does() {
    const TEST: &str = "each_command_answers_as_ldirectord_does";
    let Some(ldirectord) = require_program(TEST, "ldirectord") else { return };
    let lab = Lab::new("");
    lab.configure(&format!("checkinterval=1\nlogfile=\"{}\"\n{GOOD}", lab.path("log").display()));
    // ldirectord runs ipvsadm, which this kernel may not support: a table that stays empty.
    let ipvsadm = lab.script("ipvsadm", "echo 'IP Virtual Server version 1.2.1 (size=4096)'");
    let ours = lab.script(
        "ours",
        &format!("exec {DIRECTOR} --data-plane=memory --state-dir={} \"$@\"", lab.path("state").display()),
    );
    let answers = |program: &Path| {
        // Both have their pid files in /run.
        let mut command = unshare_command(TEST, &[&["--mount", "--net"]])?;
        let setup = format!(
            "mount -t tmpfs tmpfs /run; mkdir /run/lock; mount --bind {} $(command -v ipvsadm)\n{QUESTIONS}",
            ipvsadm.display()
        );
        command.args(["sh", "-ec", &setup]).env("PROGRAM", program).env("CONFIG", lab.config());
        let output = run({
            command.env("FOLDER", lab.path(""));
            command
        });
        assert!(output.status.success(), "{output:?}");
        Some(text(&output.stdout))
    };
    let (Some(theirs), Some(ours)) = (answers(&ldirectord), answers(&ours)) else { return };
    assert_eq!(ours, theirs);
    assert!(ours.contains("is running with pid: N") && ours.contains("stale pid file"), "{ours}");
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
