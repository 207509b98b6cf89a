//! Real servers that are taken out of service: their connections are counted until they have ended.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use support::{Connection, Lab, Web, free, text, wait};

fn config(front: SocketAddr, servers: &[&Web]) -> String {
    let mut text = format!(
        "quiescent=no\ncheckinterval=1\nvirtual={front}\n\tscheduler=rr\n\tservice=http\n\trequest=\"/\"\n\tprotocol=tcp\n"
    );
    for server in servers {
        text += &format!("\treal={} masq\n", server.address);
    }
    text
}

/// `lbctl` in the background, until its end is waited for.
fn begin(lab: &Lab, words: &[&str]) -> Child {
    let mut lbctl = Command::new(env!("CARGO_BIN_EXE_lbctl"));
    lbctl.arg("--socket").arg(lab.socket()).args(words);
    lbctl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn drain_waits_for_the_end_of_connections_or_of_its_time() {
    let (front, web) = (free(), Web::start("one"));
    let lab = Lab::new(&config(front, &[&web]));
    let daemon = lab.start("relay");
    let target = web.address.to_string();
    daemon.wait_for_state(&target, "active");
    let mut held: Vec<Connection> = (0..2).map(|_| Connection::open(front).unwrap()).collect();
    for connection in &mut held {
        assert_eq!(connection.ask("").unwrap(), "one");
    }

    let output = daemon.lbctl(&["drain", &target, "--wait", "--for", "1s"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error = text(&output.stderr);
    assert!(error.contains(&format!("{target}: 2 connections are left after 1.0s")), "{error}");
    daemon.wait_for_state(&target, "active");

    let mut waiting = begin(&lab, &["drain", &target, "--wait"]);
    daemon.wait_for_state(&target, "draining");
    assert_eq!(held[0].ask("").unwrap(), "one", "what was begun goes on");
    held.truncate(1);
    assert_eq!(held[0].ask("").unwrap(), "one");
    assert!(waiting.try_wait().unwrap().is_none(), "it waits for the other connection");
    drop(held);
    wait("the end of lbctl", || waiting.try_wait().unwrap());
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).ends_with(&format!("{target}: no connection is left\n")), "{output:?}");

    // It is said when somebody else ends the order.
    let _held = Connection::open(front);
    daemon.told(&["resume", &target]);
    daemon.wait_for_state(&target, "active");
    let mut held = Connection::open(front).unwrap();
    assert_eq!(held.ask("").unwrap(), "one");
    let mut waiting = begin(&lab, &["drain", &target, "--wait"]);
    daemon.wait_for_state(&target, "draining");
    daemon.told(&["resume", &target]);
    wait("the end of lbctl", || waiting.try_wait().unwrap());
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("is no longer drained"), "{output:?}");
}

#[test]
fn a_server_that_has_left_shows_the_connections_that_it_still_has() {
    let (front, web, other) = (free(), Web::start("one"), Web::start("two"));
    let lab = Lab::new(&config(front, &[&web, &other]));
    let daemon = lab.start("relay");
    let target = web.address.to_string();
    daemon.wait_for_state(&target, "active");
    daemon.wait_for_state(other.address, "active");
    let mut held: Vec<Connection> = (0..2).map(|_| Connection::open(front).unwrap()).collect();
    let names: Vec<String> = held.iter_mut().map(|held| held.ask("").unwrap()).collect();
    daemon.told(&["maintenance", &target]);
    assert_eq!(daemon.listed(&target), None, "it is not in the data plane");
    let active = || -> Vec<u64> {
        let status = daemon.status();
        let servers = status["services"][0]["servers"].as_array().unwrap();
        let of = |address: SocketAddr| {
            let found = servers.iter().find(|server| server["server"] == *address.to_string()).unwrap();
            found["counters"]["active"].as_u64().unwrap()
        };
        vec![of(web.address), of(other.address)]
    };
    assert_eq!(active(), [1, 1]);
    let row = daemon.told(&["status"]);
    let row = row.lines().find(|line| line.contains(&target)).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!((words[1], words[4]), ("maintenance", "1"), "{row}");
    drop(held.remove(names.iter().position(|name| name == "one").unwrap()));
    wait("its end", || (active() == [0, 1]).then_some(()));
}
