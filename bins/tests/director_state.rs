//! What of lb-director outlives its process: it is stopped, killed and started again, with disks that do not help.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use nix::sys::signal::Signal;
use serde_json::Value;
use support::{Daemon, Lab, Web, free, lines, text, wait};

/// A service with two servers that are checked.
fn config(servers: &[&Web]) -> String {
    let reals: String = servers.iter().map(|web| format!("\treal={} masq\n", web.address)).collect();
    format!("checkinterval=1\nvirtual={}\n{reals}\tservice=http\n\trequest=\"/\"\n\tscheduler=rr\n", free())
}

fn end(mut daemon: Daemon, signal: Signal) {
    daemon.signal(signal);
    daemon.ended();
}

#[test]
fn orders_outlive_a_kill_and_a_restart() {
    let (one, two) = (Web::start("one"), Web::start("two"));
    let lab = Lab::new(&config(&[&one, &two]));
    let (first, second) = (one.address.to_string(), two.address.to_string());
    let daemon = lab.start("memory");
    daemon.wait_for_state(&first, "active");
    daemon.wait_for_state(&second, "active");
    let answer = daemon.told(&["drain", &first, "--reason", "new disk", "--for", "2h"]);
    assert!(!answer.contains("not on disk"), "{answer}");
    daemon.told(&["maintenance", &second, "--reason", "kernel"]);
    let user = daemon.status()["orders"][0]["by"].as_str().unwrap().to_owned();
    daemon.wait_for_line(&format!("new disk (by {user})"));
    end(daemon, Signal::SIGKILL);

    let daemon = lab.start("memory");
    // Not for a moment is it anything else.
    assert_eq!(daemon.state_of(&first).as_deref(), Some("draining"));
    assert_eq!(daemon.state_of(&second).as_deref(), Some("maintenance"));
    daemon.assert_logged("Still in force from before the restart: drain of", 1);
    let shown = daemon.told(&["status"]);
    let order = shown.lines().find(|line| line.trim_start().starts_with("drain ")).unwrap();
    for part in [&*first, "1h59m", &user, "new disk"] {
        assert!(order.contains(part), "{part}: {shown}");
    }
    assert!(shown.contains(&format!("operator: new disk (by {user})")), "its cause is known: {shown}");
    daemon.told(&["resume", &first]);
    end(daemon, Signal::SIGTERM);

    let daemon = lab.start("memory");
    daemon.wait_for_state(&first, "active");
    assert_eq!(daemon.state_of(&second).as_deref(), Some("maintenance"));
    assert!(!daemon.told(&["status"]).contains("PROBLEM"));
}

#[test]
fn an_order_that_ran_out_meanwhile_is_dropped() {
    let one = Web::start("one");
    let lab = Lab::new(&config(&[&one]));
    let server = one.address.to_string();
    let daemon = lab.start("memory");
    daemon.told(&["drain", &server, "--reason", "short", "--for", "1h"]);
    end(daemon, Signal::SIGKILL);
    let path = lab.path("state/orders.json");
    let kept = fs::read_to_string(&path).unwrap();
    let until = kept.find("\"until\": \"").unwrap() + "\"until\": \"".len();
    fs::write(&path, kept.replace(&kept[until..until + 4], "2001")).unwrap();
    let daemon = lab.start("memory");
    daemon.wait_for_state(&server, "active");
    daemon.wait_for_line("Ran out at 2001-");
}

#[test]
fn the_order_about_a_server_that_is_no_longer_configured_can_be_ended() {
    let (one, two) = (Web::start("one"), Web::start("two"));
    let lab = Lab::new(&config(&[&one, &two]));
    let daemon = lab.start("memory");
    daemon.told(&["drain", &one.address.to_string()]);
    lab.configure(&config(&[&two]));
    daemon.told(&["reload"]);
    daemon.told(&["resume", &one.address.to_string()]);
    assert_eq!(daemon.status()["orders"].as_array().map_or(0, Vec::len), 0);
    let output = daemon.lbctl(&["resume", &one.address.to_string()]);
    assert!(text(&output.stderr).contains("no service of the configuration has"), "{output:?}");
}

#[test]
fn a_folder_that_cannot_be_used_is_a_problem_and_stops_nothing() {
    let one = Web::start("one");
    let lab = Lab::new(&config(&[&one]));
    let server = one.address.to_string();
    fs::write(lab.path("state"), "a file is in the way").unwrap();
    let daemon = lab.start("memory");
    daemon.wait_for_state(&server, "active");
    let answer = daemon.told(&["drain", &server]);
    assert!(answer.contains("not on disk, and a restart of the daemon ends it"), "{answer}");
    daemon.wait_for_state(&server, "draining");
    daemon.assert_logged("orders are not kept over a restart", 1);
    let status = daemon.told(&["status"]);
    assert!(status.contains("PROBLEM: orders are not kept over a restart"), "{status}");
}

#[test]
fn a_second_daemon_with_the_same_folder_runs_without_it() {
    let one = Web::start("one");
    let (lab, other) = (Lab::new(&config(&[&one])), Lab::new(&config(&[&one])));
    let server = one.address.to_string();
    let first = lab.start("memory");
    first.told(&["drain", &server]);
    std::os::unix::fs::symlink(lab.path("state"), other.path("state")).unwrap();
    let second = other.start("memory");
    second.wait_for_line("in use by another daemon");
    second.wait_for_state(&server, "active");
    assert!(second.told(&["status"]).contains("PROBLEM"));
    assert_eq!(first.state_of(&server).as_deref(), Some("draining"));
}

#[test]
fn orders_of_a_newer_version_are_kept_aside() {
    let one = Web::start("one");
    let lab = Lab::new(&config(&[&one]));
    fs::create_dir(lab.path("state")).unwrap();
    let newer = "{\"format\":99,\"orders\":\"?\"}";
    fs::write(lab.path("state/orders.json"), newer).unwrap();
    let daemon = lab.start("memory");
    daemon.wait_for_line("cannot be used, and are kept in");
    daemon.told(&["drain", &one.address.to_string()]);
    assert_eq!(lines(&lab.path("state/orders.json.aside.1")), [newer]);
    drop(daemon);
    let daemon = lab.start("memory");
    daemon.wait_for_state(one.address, "draining");
}

#[test]
fn events_outlive_a_kill_which_is_one_itself() {
    let one = Web::start("one");
    let lab = Lab::new(&config(&[&one]));
    let server = one.address.to_string();
    let daemon = lab.start("memory");
    daemon.wait_for_state(&server, "active");
    daemon.told(&["drain", &server, "--reason", "before the kill"]);
    let pid = daemon.pid();
    end(daemon, Signal::SIGKILL);
    // It died in the middle of a line.
    let journal = fs::OpenOptions::new().append(true).open(lab.path("state/journal.jsonl"));
    journal.unwrap().write_all(b"{\"time\":\"2026-12-").unwrap();

    let daemon = lab.start("memory");
    let events = daemon.told(&["events"]);
    let at = |text: &str| events.find(text).unwrap_or_else(|| panic!("{text}: {events}"));
    let crash = format!("did not stop by itself: process {pid}, which was started at ");
    let order = ["Added real server", "before the kill (by ", &*crash, "crashed or was killed"];
    assert!(order.map(at).is_sorted(), "{events}");
    assert_eq!(events.matches("Starting lb-director").count(), 2, "{events}");
    daemon.assert_logged(&crash, 1);

    let about = daemon.told(&["events", "--subject", &server]);
    assert!(about.contains("before the kill") && !about.contains("Starting"), "{about}");
    for line in daemon.told(&["events", "--json"]).lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let time = record["time"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.contains('T') && time.contains('.'), "{line}");
    }
    for line in events.lines() {
        let stamp = line.split_once("  ").unwrap().0;
        assert!(stamp.len() == 29 && stamp.as_bytes()[19] == b'.' && stamp.as_bytes()[26] == b':', "{line}");
    }
    assert_eq!(daemon.told(&["events", "--until", "2001-01-01T00:00:00Z"]), "");
    assert_eq!(daemon.told(&["events", "--since", "1h"]), events);
    let output = daemon.lbctl(&["events", "--since", "yesterday"]);
    assert!(text(&output.stderr).contains("10m"), "{output:?}");
    end(daemon, Signal::SIGTERM);

    // One that stops as it is asked to is not a crash.
    let daemon = lab.start("memory");
    let events = daemon.told(&["events"]);
    assert_eq!(events.matches("did not stop by itself").count(), 1, "{events}");
    assert!(events.contains("Stopped lb-director"), "{events}");
}

#[test]
fn events_can_be_followed_over_a_restart() {
    let one = Web::start("one");
    let lab = Lab::new(&config(&[&one]));
    let server = one.address.to_string();
    let daemon = lab.start("memory");
    daemon.told(&["drain", &server, "--reason", "the past"]);
    let output = lab.path("followed");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbctl"));
    command.arg("--socket").arg(lab.socket()).args(["events", "--follow"]);
    command.stdin(Stdio::null()).stdout(fs::File::create(&output).unwrap()).stderr(Stdio::null());
    let mut follower = command.spawn().unwrap();
    let shows = |text: &str| lines(&output).iter().any(|line| line.contains(text)).then_some(());
    wait("what was before", || shows("the past"));
    daemon.told(&["resume", &server, "--reason", "the present"]);
    wait("what happens", || shows("the present"));
    end(daemon, Signal::SIGKILL);
    let daemon = lab.start("memory");
    daemon.told(&["drain", &server, "--reason", "the future"]);
    wait("what happens after the restart", || shows("the future"));
    follower.kill().unwrap();
    follower.wait().unwrap();
    for text in ["the past", "the present", "the future", "did not stop by itself"] {
        let ordered = |line: &&String| {
            line.contains(text) && (line.contains("Ordered") || line.contains("The daemon before"))
        };
        assert_eq!(lines(&output).iter().filter(ordered).count(), 1, "{text}: {:#?}", lines(&output));
    }
}
