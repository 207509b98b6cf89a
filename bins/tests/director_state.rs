//! What of lb-director outlives its process: it is stopped, killed and started again, with disks that do not help.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use nix::sys::signal::Signal;
use support::{Daemon, Lab, Web, free, lines, text};

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
    assert_eq!(daemon.logged("Still in force from before the restart: drain of"), 1);
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
    assert_eq!(daemon.logged("orders are not kept over a restart"), 1);
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
