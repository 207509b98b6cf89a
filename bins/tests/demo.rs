//! `lbctl demo`: what it shows, and that nothing is left of it.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use support::{run, text, wait};

fn demo(seconds: &str, temporary: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbctl"));
    command.args(["demo", "--json", "--for", seconds]).env("TMPDIR", temporary);
    command
}

#[test]
fn a_server_dies_and_nobody_notices() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(demo("6", folder.path()));
    assert!(output.status.success(), "{output:?}");
    let printed = text(&output.stdout);
    let report: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    let number = |key: &str| report[key].as_f64().unwrap();
    assert_eq!(number("failed_after_detection"), 0.0, "{report}");
    assert!(number("detect_ms") > 0.0 && number("longest_gap_ms") > 0.0, "{report}");
    // None where there are no namespaces.
    for failover in report["failovers"].as_array().unwrap() {
        let cause = failover["cause"].as_str().unwrap();
        assert!(failover["outage_ms"].as_f64().unwrap() >= 0.0, "{report}");
        assert!(!cause.is_empty() && failover["failed"].is_u64(), "{report}");
    }
    let alone = report["alone"].is_string();
    assert_eq!(report["failovers"].as_array().unwrap().is_empty(), alone, "{report}");
    let servers = report["servers"].as_array().unwrap();
    let names: Vec<&str> = servers.iter().map(|server| server["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["web1", "web2", "web3"]);
    let shares: Vec<u64> = servers.iter().map(|server| server["requests"].as_u64().unwrap()).collect();
    assert!(shares.iter().all(|share| *share > 0), "{report}");
    let answered = number("requests") - number("failed");
    assert_eq!(shares.iter().sum::<u64>() as f64, answered, "{report}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "no file is left");
}

#[test]
fn nothing_is_left_of_a_demo_that_is_killed() {
    let mut demo = Running::start();
    demo.child.kill().unwrap();
    demo.child.wait().unwrap();
    demo.nothing_is_left();
}

#[test]
fn nothing_is_left_of_a_demo_that_is_interrupted() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut demo = Running::start();
        kill(Pid::from_raw(demo.child.id().cast_signed()), signal).unwrap();
        wait("its end", || demo.child.try_wait().unwrap());
        demo.nothing_is_left();
    }
}

/// A demo in the middle of its life.
struct Running {
    child: Child,
    family: Vec<Process>,
    folder: tempfile::TempDir,
}

impl Running {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = demo("60", folder.path()).stdout(Stdio::piped()).spawn().unwrap();
        // It says something as soon as its servers, balancer and clients are there.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let before: Vec<String> =
            lines.by_ref().take_while(|line| !line.contains("three web servers behind")).collect();
        let alone = before.iter().any(|line| line.contains("on loopback, with one balancer"));
        // Its output is taken until its end.
        std::thread::spawn(move || lines.count());
        let family = children(child.id());
        assert!(family.len() >= 4, "three servers and a balancer at least");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count() > 0, !alone, "only a lab has a folder");
        Self { child, family, folder }
    }

    fn nothing_is_left(&self) {
        wait("the end of its processes", || self.family.iter().all(|process| !process.lives()).then_some(()));
        let left = || fs::read_dir(self.folder.path()).unwrap().count();
        wait("the end of its files", || (left() == 0).then_some(()));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process, told from a later one with the same number by the time of its start.
struct Process {
    folder: PathBuf,
    started: String,
}

impl Process {
    fn lives(&self) -> bool {
        // A zombie is dead, and only waits to be buried by whoever inherits orphans here.
        stat(&self.folder).is_some_and(|(state, _, started)| state != "Z" && started == self.started)
    }
}

fn children(parent: u32) -> Vec<Process> {
    let folders = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let child = |folder: PathBuf| {
        let (_, of, started) = stat(&folder)?;
        (of == parent.to_string()).then_some(Process { folder, started })
    };
    folders.filter_map(child).collect()
}

/// State, parent and start of a process, as proc_pid_stat(5) has them behind the name in parentheses.
fn stat(folder: &Path) -> Option<(String, String, String)> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let field = |index: usize| fields.split_whitespace().nth(index).map(str::to_owned);
    Some((field(0)?, field(1)?, field(19)?))
}
