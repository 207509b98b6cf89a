//! How long `lbctl demo` keeps a user waiting: until something is on the screen, and until the network plays.
//!
//! Beside it `ip netns add` and `ip netns delete`, as often as the demo has hosts: what the namespaces alone take here.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and fails by panicking")]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const RUNS: usize = 9;
/// A client, two directors and three servers.
const HOSTS: usize = 6;

fn main() {
    let (mut baseline, mut screen, mut line, mut playing) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS {
        baseline.extend(namespaces(run));
        screen.push(first_byte_on_a_terminal());
        let (first, network) = lines();
        line.push(first);
        playing.push(network);
    }
    let unit = median(&mut baseline);
    println!("median (slowest) of {RUNS} runs, in milliseconds");
    report("ip netns add and delete, six times", unit, &mut baseline);
    report("lbctl demo: first bytes on a terminal", unit, &mut screen);
    report("lbctl demo: first line", unit, &mut line);
    report("lbctl demo: the network plays", unit, &mut playing);
}

fn report(what: &str, unit: Option<Duration>, times: &mut [Duration]) {
    let Some(middle) = median(times) else { return println!("{what:<40} not possible here") };
    let ratio = unit
        .map_or_else(String::new, |unit| format!("  {:6.2} x", middle.as_secs_f64() / unit.as_secs_f64()));
    let slowest = times.last().copied().unwrap_or_default();
    println!("{what:<40} {:8.1} ({:.1}){ratio}", millis(middle), millis(slowest));
}

fn median(times: &mut [Duration]) -> Option<Duration> {
    times.sort();
    times.get(times.len() / 2).copied()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// `None` where this user may not.
fn namespaces(run: usize) -> Option<Duration> {
    let start = Instant::now();
    for host in 0..HOSTS {
        let name = format!("lb-bench-{}-{run}-{host}", std::process::id());
        for action in ["add", "delete"] {
            let output = Command::new("ip").args(["netns", action, &name]).output().ok()?;
            if !output.status.success() {
                return None;
            }
        }
    }
    Some(start.elapsed())
}

fn first_byte_on_a_terminal() -> Duration {
    let line =
        format!("stty rows 24 cols 80; TERM=xterm exec {} demo --for 600", env!("CARGO_BIN_EXE_lbctl"));
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let start = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut keys = child.stdin.take().unwrap();
    let mut screen = child.stdout.take().unwrap();
    // The title; what comes before it prepares the terminal.
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains("lbctl") {
        let mut some = [0; 1024];
        let count = screen.read(&mut some).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&shown));
        shown.extend(&some[..count]);
    }
    let elapsed = start.elapsed();
    std::io::Write::write_all(&mut keys, b"q").unwrap();
    screen.read_to_end(&mut shown).unwrap();
    child.wait().unwrap();
    elapsed
}

/// Until the first line, and until the clients ask.
fn lines() -> (Duration, Duration) {
    let start = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbctl"));
    let mut child = command.args(["demo", "--plain", "--for", "4"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.next().unwrap();
    let first = start.elapsed();
    assert!(lines.any(|line| line.contains("three web servers behind")), "the demo has ended early");
    let playing = start.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    (first, playing)
}
