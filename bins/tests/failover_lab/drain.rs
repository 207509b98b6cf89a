//! `lbctl drain --wait` where the kernel forwards: it remembers connections for minutes that both ends have closed.

use std::{path::Path, process::Command};

use lb_lab::{Host, Process};

use crate::{
    node::lab,
    support::{skip, wait},
};

const TRACKED: &str = "/proc/net/nf_conntrack";

#[test]
fn drain_does_not_wait_for_what_both_ends_have_closed() {
    let test = "drain_does_not_wait_for_what_both_ends_have_closed";
    if !Path::new(TRACKED).exists() {
        return skip(test, &format!("{TRACKED} (CONFIG_NF_CONNTRACK_PROCFS)"));
    }
    let Some(lab) = lab(test, &["perl", "nft"]) else { return };
    for switch in ["lan", "inside"] {
        lab.switch(switch).unwrap();
    }
    let [client, director, server] = ["client", "director", "server"].map(|name| lab.host(name).unwrap());
    for (host, switch, interface, net) in [
        (&client, "lan", "eth0", "10.0.0.10/24"),
        (&director, "lan", "eth0", "10.0.0.1/24"),
        (&director, "inside", "eth1", "192.168.1.1/24"),
        (&server, "inside", "eth0", "192.168.1.2/24"),
    ] {
        lab.link(host, switch, interface, &[net.parse().unwrap()]).unwrap();
    }
    server.sh("ip route add default via 192.168.1.1").unwrap();
    director.sh("echo 1 > /proc/sys/net/ipv4/ip_forward").unwrap();
    let listen = "my $l = IO::Socket::INET->new(LocalAddr => '192.168.1.2:80', Listen => 5) or die $!; \
                  print STDERR \"open\\n\"; while (my $c = $l->accept) { <$c>; close $c }";
    let _program = perl(&server, listen);
    let text =
        "virtual=10.0.0.1:80\n\tprotocol=tcp\n\treal=192.168.1.2:80 masq\n\tchecktype=on\n\tscheduler=rr\n";
    director.write("/etc/web.cf", text).unwrap();
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb-director"));
        director.spawn(command.args(["--data-plane", "nft", "/etc/web.cf"])).unwrap()
    };
    let mut first = start();
    let lbctl =
        |words: &[&str]| director.output(Command::new(env!("CARGO_BIN_EXE_lbctl")).args(words)).unwrap();
    let shown = || {
        let status: serde_json::Value = serde_json::from_slice(&lbctl(&["status", "--json"]).stdout).ok()?;
        Some(status["services"][0]["servers"][0].clone()).filter(|server| server["check"]["age"].is_number())
    };
    let counted = || shown()?["counters"]["active"].as_u64();
    wait(&format!("the director: {}", first.log()), || (counted() == Some(0)).then_some(()));

    // The next one finds the server in use, and then checks it.
    first.kill().unwrap();
    let _daemon = start();
    let cause = wait("the next director", shown)["cause"].clone();
    assert_eq!(cause, "check: passed");

    let connect = "my $s = IO::Socket::INET->new(PeerAddr => '10.0.0.1:80') or die $!; print STDERR \"open\\n\"; sleep 600";
    let mut connected = perl(&client, connect);
    wait("the connection", || (counted() == Some(1)).then_some(()));

    let output = lbctl(&["drain", "192.168.1.2:80", "--wait", "--for", "1s"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("1 connection is left after 1.0s"), "{output:?}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbctl"));
    let mut waiting = director.spawn(command.args(["drain", "192.168.1.2:80", "--wait"])).unwrap();
    wait("the order", || waiting.log().contains("in the data plane").then_some(()));
    assert!(waiting.ended().is_none());
    connected.kill().unwrap();
    let ended = wait("the end of the connection", || waiting.ended());
    assert!(ended.success() && waiting.log().contains("no connection is left"), "{}", waiting.log());
    let left = director.sh(&format!("cat {TRACKED}")).unwrap();
    assert!(left.contains("TIME_WAIT"), "this would have been waited for: {left}");
}

/// A program that says when it is ready.
fn perl(host: &Host, text: &str) -> Process {
    let process = host.spawn(Command::new("perl").args(["-MIO::Socket::INET", "-e", text])).unwrap();
    wait(&format!("{} to be ready", host.name()), || process.log().contains("open").then_some(()));
    process
}
