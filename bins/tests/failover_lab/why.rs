//! What is said of an instance: why it is what it is, and what an order would end.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::{
    node::{Node, lab, settle, settled},
    support::wait,
};

const VIP: &str = "10.0.0.100";

/// The row of the instance in `lbctl status`.
fn row(node: &Node) -> String {
    let status = node.lbctl(&["status"]);
    status.lines().find(|line| line.trim_start().starts_with("web ")).unwrap().to_owned()
}

#[test]
fn a_master_says_since_when_it_is_that_and_because_of_what() {
    let Some(lab) = lab("a_master_says_since_when_it_is_that_and_because_of_what", &[]) else { return };
    let [mut a, b] = settled(&lab, VIP);
    let says = |node: &Node, text: &str| {
        wait(&format!("`{text}` instead of `{}`", row(node)), || row(node).contains(text).then_some(()));
    };
    says(&a, "  this node, since ");
    says(&b, "10.0.0.1 has a higher priority (150 over 100)");

    a.signal(Signal::SIGTERM);
    settle(&b, &a, VIP);
    says(&b, ", because the MASTER 10.0.0.1 resigned");
    wait("the end of a daemon", || (a.said("Stopped lb-failover") > 0).then_some(()));
    a.start();
    settle(&a, &b, VIP);
    says(&a, ", because higher priority (150 over 100 of 10.0.0.2)");

    a.host.set_link("eth0", false).unwrap();
    b.wait_for(VIP, true);
    says(&b, ", because nothing heard from 10.0.0.1 for ");
    says(&a, "interface eth0 ");
}

#[test]
fn an_order_says_how_many_connections_end_before_it_is_given() {
    let Some(lab) = lab("an_order_says_how_many_connections_end_before_it_is_given", &["perl"]) else {
        return;
    };
    let [a, b] = settled(&lab, VIP);
    let none = "no connection ends\n";
    assert_eq!(a.lbctl(&["failover", "web", "--dry-run"]), none);
    let run = |node: &Node, text: &str| {
        let text = format!("use IO::Socket::INET; my $s; {text}; print STDERR \"open\\n\"; sleep 120");
        let process = node.host.spawn(Command::new("perl").args(["-e", &text])).unwrap();
        wait("perl", || process.log().contains("open").then_some(()));
        process
    };
    let listen = "$s = IO::Socket::INET->new(LocalAddr => '10.0.0.100:7', Listen => 5) or die $!";
    let connect = "$s = IO::Socket::INET->new(PeerAddr => '10.0.0.100:7') or die $!";
    let _program = run(&a, listen);
    let _client = run(&b, connect);
    let one = "1 connection ends: 1 to programs on this node\n";
    wait("the connection", || (a.lbctl(&["failover", "--all", "--dry-run"]) == one).then_some(()));
    assert_eq!(a.lbctl(&["maintenance", "on", "--dry-run"]), one);
    assert!(b.lbctl(&["failover", "web", "--dry-run"]).contains("no connection ends"));
    assert!(a.has(VIP) && !b.has(VIP), "nothing was done");
    let mut order = Command::new(env!("CARGO_BIN_EXE_lbctl"));
    let output = a.host.output(order.args(["failover", "web"])).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), one);
    settle(&b, &a, VIP);
}
