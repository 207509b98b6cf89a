//! What lb-director does beside balancing: programs, files, other instances, its own life as a process.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{fs, os::unix::net::UnixDatagram, path::PathBuf, process::Command};

use nix::sys::signal::Signal;
use support::{Lab, PATIENCE, Web, lines, wait};

const FRONT: &str = "192.0.2.80:80";

fn config(globals: &str, service: &str, servers: &[&Web]) -> String {
    let mut text = format!(
        "{globals}checkinterval=1\nvirtual={FRONT}\n\tservice=http\n\trequest=\"/\"\n\tprotocol=tcp\n{service}"
    );
    for server in servers {
        text += &format!("\treal={} masq\n", server.address);
    }
    text
}

#[test]
fn decisions_are_made_without_traffic_and_taken_back_at_the_end() {
    let one = Web::start("one");
    let lab = Lab::new(&config("", "\tcleanstop=yes\n", &[&one]));
    let mut daemon = lab.start("memory");
    daemon.wait_for_state(one.address, "active");
    assert_eq!(daemon.status()["data_plane"]["name"], "memory");
    assert_eq!(lines(&lab.pid_file()), [daemon.child.id().to_string()]);
    assert!(lab.socket().exists());

    let status = daemon.stop();
    assert_eq!(status.code(), Some(0), "{}", daemon.log());
    daemon.wait_for_line(&format!("Purged virtual server (stop): {FRONT}"));
    assert!(!lab.socket().exists(), "the socket is gone");
    assert!(!lab.pid_file().exists(), "the pid file is gone");
}

#[test]
fn without_cleanstop_the_service_stays() {
    let one = Web::start("one");
    let lab = Lab::new(&config("", "\tcleanstop=no\n", &[&one]));
    let mut daemon = lab.start("memory");
    daemon.wait_for_state(one.address, "active");
    daemon.signal(Signal::SIGINT);
    assert_eq!(daemon.ended().code(), Some(0));
    assert_eq!(daemon.logged("Purged"), 0, "{}", daemon.log());
    assert!(!lab.socket().exists() && !lab.pid_file().exists());

    let mut daemon = lab.start("memory");
    daemon.signal(Signal::SIGQUIT);
    assert_eq!(daemon.ended().code(), Some(0));
    assert!(!lab.socket().exists() && !lab.pid_file().exists());
}

#[test]
fn a_second_daemon_leaves_the_first_one_alone() {
    let one = Web::start("one");
    let lab = Lab::new(&config("", "", &[&one]));
    let first = lab.start("memory");
    let refused = |command: Command| {
        let output = support::run(command);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        support::text(&output.stderr)
    };
    let mut second = lab.director("memory");
    second.arg(lab.config());
    let error = refused(second);
    assert!(error.contains(&format!("process {}, which runs", first.child.id())), "{error}");

    let mut third = Command::new(env!("CARGO_BIN_EXE_lb-director"));
    third.args(["--data-plane", "memory", "--socket"]).arg(lab.socket()).arg(lab.config());
    let error = refused(third);
    let answers =
        format!("another daemon answers on it, process {}; name another one with --socket", first.child.id());
    assert!(error.contains(&answers), "{error}");

    assert_eq!(lines(&lab.pid_file()), [first.child.id().to_string()]);
    first.wait_for_state(one.address, "active");
}

#[test]
fn what_a_dead_daemon_left_is_replaced() {
    let one = Web::start("one");
    let lab = Lab::new(&config("", "", &[&one]));
    let mut first = lab.start("memory");
    first.signal(Signal::SIGKILL);
    first.ended();
    assert!(lab.socket().exists() && lab.pid_file().exists());
    let second = lab.start("memory");
    assert_eq!(lines(&lab.pid_file()), [second.child.id().to_string()]);
}

#[test]
fn the_fallbackcommand_is_run_with_and_without_a_fallback() {
    for fallback in ["\tfallback=127.0.0.1:9 gate\n", ""] {
        let mut one = Web::start("one");
        let lab = Lab::new("");
        let told = lab.path("told");
        let program = lab.script("command", &format!("echo \"$@\" >>{}", told.display()));
        let service = format!("{fallback}\tfallbackcommand=\"{}\"\n", program.display());
        lab.configure(&config("", &service, &[&one]));
        let mut expected = Vec::new();
        let mut expect = |word: &str| {
            expected.push(format!("{word} {FRONT} tcp"));
            wait(&format!("`{word}` after {told:?}"), || (lines(&told) == expected).then_some(()));
        };
        // ldirectord says so of the first server that is up after its start.
        let mut daemon = lab.start("memory");
        expect("stop");
        one.die();
        expect("start");
        one.live();
        expect("stop");
        one.die();
        expect("start");
        assert_eq!(daemon.stop().code(), Some(0));
        let _started_in_an_outage = lab.start("memory");
        expect("start");
        one.live();
        expect("stop");
    }
}

#[test]
fn a_program_that_hangs_does_not_keep_the_daemon_alive() {
    let mut one = Web::start("one");
    let lab = Lab::new("");
    let started = lab.path("started");
    let program = lab.script("command", &format!("echo $$ >{}\nsleep 1000", started.display()));
    let service = format!("\tfallback=127.0.0.1:9 gate\n\tfallbackcommand=\"{}\"\n", program.display());
    one.die();
    lab.configure(&config("", &service, &[&one]));
    let mut daemon = lab.start("memory");
    let pid = wait("the program", || lines(&started).first().cloned());
    assert_eq!(daemon.stop().code(), Some(0));
    daemon.assert_logged("Programs that do not end within 10 s are left behind", 1);
    let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    wait("its end", || (stat().is_empty() || stat().contains(") Z ")).then_some(()));
}

#[test]
fn a_file_takes_a_server_down_and_back() {
    let one = Web::start("one");
    let lab = Lab::new("");
    let folder = lab.path("maintenance");
    lab.configure(&config(&format!("maintenancedir={}\n", folder.display()), "", &[&one]));
    fs::create_dir(&folder).unwrap();
    let daemon = lab.start("memory");
    daemon.wait_for_state(one.address, "active");
    let file = folder.join(one.address.to_string());
    fs::write(&file, "").unwrap();
    daemon.wait_for_state(one.address, "maintenance");
    let line = daemon.wait_for_line(&format!("Deleted real server: {}", one.address));
    assert!(line.ends_with("(operator: file in maintenancedir)"), "{line}");
    fs::remove_file(&file).unwrap();
    daemon.wait_for_state(one.address, "active");

    // What the operator has ordered meanwhile is not the file's to end.
    fs::write(&file, "").unwrap();
    daemon.wait_for_state(one.address, "maintenance");
    daemon.told(&["drain", &one.address.to_string()]);
    fs::remove_file(&file).unwrap();
    let looks = one.requests();
    wait("two more looks", || (one.requests() >= looks + 2).then_some(()));
    assert_eq!(daemon.state_of(one.address).unwrap(), "draining");
}

#[test]
fn every_look_is_written_to_the_monitorfile() {
    let mut one = Web::start("one");
    let lab = Lab::new("");
    let file = lab.path("monitor");
    lab.configure(&config("", &format!("\tmonitorfile=\"{}\"\n", file.display()), &[&one]));
    let daemon = lab.start("memory");
    let count = |word: &str| {
        let word = format!("{} ({FRONT}) [{word}] ", one.address);
        lines(&file).iter().filter(|line| line.contains(&word)).count()
    };
    wait("three good looks", || (count("up") >= 3).then_some(()));
    // [Sat Nov 21 21:01:51 2026] [172] 127.0.0.1:80 (192.0.2.80:80) [up] 200 OK
    let prefix = format!("] [{}] {}", daemon.child.id(), one.address);
    assert!(lines(&file).iter().all(|line| line.find(&prefix) == Some(25)), "{:?}", lines(&file));
    one.die();
    let count = |word: &str| lines(&file).iter().filter(|line| line.contains(word)).count();
    wait("two bad looks", || (count("[down] ") >= 2).then_some(()));
}

#[test]
fn other_instances_go_along() {
    let (one, two) = (Web::start("one"), Web::start("two"));
    // Default places of pid file and socket follow the name of the file, which has to be nobody else's.
    let other = Lab::new("");
    let log = other.path("log");
    let name = format!("{}.cf", other.path("").file_name().unwrap().to_string_lossy());
    let path = other.path(&name);
    fs::write(&path, config(&format!("logfile=\"{}\"\n", log.display()), "", &[&two])).unwrap();
    let lab = Lab::new(&config(&format!("execute=\"{}\"\n", path.display()), "", &[&one]));
    // The first one's own way of naming its socket must not become the other's.
    let mut command = lab.director("memory");
    command.arg(lab.config()).env("LB_SOCKET", lab.socket());
    let mut daemon = lab.spawn(command);
    let companion = Companion(path);
    let command = |word| companion.command(word);
    let logged = |text: &str| lines(&log).iter().any(|line| line.contains(text));
    wait("the other instance", || (command("status") == Some(0)).then_some(()));
    let added = format!("Added real server: {}", two.address);
    wait("its server", || logged(&added).then_some(()));
    wait("the same data plane", || logged("Data plane memory").then_some(()));

    daemon.signal(Signal::SIGHUP);
    wait("its reload", || logged("In force: ").then_some(()));
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(command("status"), Some(3), "it has ended with the first one");
    assert!(logged("Stopped lb-director"), "{:?}", lines(&log));
}

/// Another instance, in its default places; stopped whatever happens.
struct Companion(PathBuf);

impl Companion {
    fn command(&self, word: &str) -> Option<i32> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb-director"));
        command.arg(&self.0).arg(word);
        support::run(command).status.code()
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        self.command("stop");
    }
}

#[test]
fn systemd_is_kept_informed() {
    let one = Web::start("one");
    let lab = Lab::new(&config("", "", &[&one]));
    let path = lab.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let next = || {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).expect("a message in time");
        support::text(&buffer[..length])
    };
    let next_but = |but: &str| loop {
        let message = next();
        if message.trim_end() != but {
            return message;
        }
    };
    let mut command = lab.director("memory");
    command.env("NOTIFY_SOCKET", &path).arg(lab.config());
    let mut daemon = lab.spawn(command);
    assert_eq!(next().trim_end(), "READY=1");
    assert_eq!(next().trim_end(), "WATCHDOG=1");

    daemon.signal(Signal::SIGHUP);
    let message = next_but("WATCHDOG=1");
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines[0], "RELOADING=1");
    let at: u64 = lines[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
    assert!(at > 0);
    assert_eq!(next_but("WATCHDOG=1").trim_end(), "READY=1");

    // A configuration that is refused ends the reload too.
    lab.configure("virtual=nonsense\n");
    daemon.signal(Signal::SIGHUP);
    assert!(next_but("WATCHDOG=1").starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(next_but("WATCHDOG=1").trim_end(), "READY=1");

    daemon.signal(Signal::SIGTERM);
    assert_eq!(next_but("WATCHDOG=1").trim_end(), "STOPPING=1");
    assert_eq!(daemon.ended().code(), Some(0));
}
