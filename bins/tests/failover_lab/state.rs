//! What of lb-failover outlives its processes, and the host.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    node::{Node, instance, lab, settle, settled},
    support::{lines, skip, wait},
};

const VIP: &str = "10.0.0.100";

fn maintenance(node: &Node) -> Value {
    node.status()["maintenance"].clone()
}

/// Waits until the daemon answers.
fn answers(node: &Node) {
    let lbctl = || {
        let mut lbctl = std::process::Command::new(env!("CARGO_BIN_EXE_lbctl"));
        lbctl.arg("status");
        lbctl
    };
    wait("the daemon's socket", || node.host.output(&lbctl()).unwrap().status.success().then_some(()));
}

#[test]
fn a_node_in_maintenance_does_not_come_back_as_master() {
    let Some(lab) = lab("a_node_in_maintenance_does_not_come_back_as_master", &[]) else { return };
    let [mut a, b] = settled(&lab, VIP);
    a.lbctl(&["maintenance", "on", "--reason", "new kernel", "--for", "2h"]);
    settle(&b, &a, VIP);
    let moves = b.said("(web) Entering BACKUP STATE");
    let state = a.host.path("/var/lib/lb/lb-failover@etc-keepalived-keepalived.conf/orders.json");
    let kept = lines(&state).join("\n");
    assert!(kept.contains("new kernel") && kept.contains("\"by\": \"root\""), "{kept}");

    // The daemon dies alone: its successor is told nothing of orders by the supervisor.
    for daemon in a.daemon().descendants() {
        if std::fs::read_to_string(format!("/proc/{daemon}/cmdline"))
            .is_ok_and(|line| line.contains("--supervised"))
        {
            nix::sys::signal::kill(daemon, Signal::SIGKILL).unwrap();
        }
    }
    a.wait_for_line("Still in force from before the restart: maintenance: new kernel (by root)");
    answers(&a);
    assert_eq!(maintenance(&a)["reason"], "new kernel");
    let events = a.lbctl(&["events", "--subject", "daemon"]);
    assert!(events.contains("did not stop by itself: process ") && events.contains("signal: 9"), "{events}");

    // All of it dies, as in a reboot.
    a.daemon().kill_family().unwrap();
    a.start();
    answers(&a);
    let shown = a.lbctl(&["status"]);
    assert!(
        shown.contains("MAINTENANCE until 20") && shown.contains("1h59m left: new kernel (by root)"),
        "{shown}"
    );
    assert!(!shown.contains("PROBLEM"), "{shown}");
    a.wait_for_line("(web) Entering FAULT STATE (operator: new kernel (by root))");
    assert_eq!(b.said("(web) Entering BACKUP STATE"), moves, "it never left");
    assert!(b.has(VIP) && !a.has(VIP));

    a.lbctl(&["maintenance", "off"]);
    settle(&a, &b, VIP);
    a.daemon().kill_family().unwrap();
    a.start();
    // The address of the dead one is still there.
    answers(&a);
    settle(&a, &b, VIP);
    assert_eq!(maintenance(&a), Value::Null);
}

#[test]
fn a_drained_server_stays_so_and_the_peer_is_named() {
    let Some(lab) = lab("a_drained_server_stays_so_and_the_peer_is_named", &[]) else { return };
    let [mut a, _] = settled(&lab, VIP);
    let servers = "virtual_server 10.0.0.100 80 {\n  protocol TCP\n  lvs_method NAT\n  delay_loop 1\n  \
                   real_server 10.0.0.50 80 {\n  }\n}\n";
    a.daemon().stop().unwrap();
    a.configure(&(instance("web", 51, 150, "10.0.0.100/24", "") + servers));
    a.start_with(&["--data-plane", "memory"]);
    answers(&a);
    let answer = a.lbctl(&["drain", "10.0.0.50:80", "--reason", "disk"]);
    assert!(answer.contains("the peers of this node do not know this order"), "{answer}");
    a.wait_for_line("Ordered drain of real server: 10.0.0.50:80 (10.0.0.100:80) (operator: disk (by root))");
    a.daemon().kill_family().unwrap();
    a.start_with(&["--data-plane", "memory"]);
    answers(&a);
    let status = a.status();
    assert_eq!(status["services"][0]["servers"][0]["state"], "draining", "{status}");
    assert_eq!(status["orders"][0]["by"], "root", "{status}");
    a.lbctl(&["resume", "10.0.0.50:80"]);
    wait("the end of the order", || {
        (a.status()["services"][0]["servers"][0]["state"] == "active").then_some(())
    });
}

#[test]
fn an_explanation_outlives_a_crash_and_leads_back_in_time() {
    let Some(lab) = lab("an_explanation_outlives_a_crash_and_leads_back_in_time", &[]) else { return };
    let [mut a, b] = settled(&lab, VIP);
    a.lbctl(&["failover", "web", "--reason", "first move"]);
    settle(&b, &a, VIP);
    b.lbctl(&["failover", "web", "--reason", "second move"]);
    settle(&a, &b, VIP);
    let before = a.lbctl(&["events", "--json", "-n", "1"]);
    let then = serde_json::from_str::<Value>(&before).unwrap()["time"].as_str().unwrap().to_owned();
    a.daemon().kill_family().unwrap();
    // Nobody is left to remove the address of the dead one.
    b.wait_for(VIP, true);
    a.start();
    answers(&a);
    settle(&a, &b, VIP);

    let events = a.lbctl(&["events", "--subject", "web"]);
    assert!(events.contains("first move"), "{events}");
    let daemon = a.lbctl(&["events", "--subject", "daemon"]);
    assert!(daemon.contains("crashed or was killed"), "{daemon}");
    let now = a.lbctl(&["explain", "web"]);
    assert!(now.contains("web is MASTER for "), "{now}");
    let (_, earlier) = now.split_once("Before that:").unwrap();
    assert!(earlier.matches("-> MASTER").count() >= 2, "it knows what was before the crash: {now}");
    let past = a.lbctl(&["explain", "web", "--at", &then]);
    assert!(past.starts_with("web was MASTER at ") && !past.contains("is MASTER for"), "{past}");
    let unknown = a.lbctl(&["explain", "web", "--at", "2001-01-01T00:00:00Z"]);
    assert!(unknown.contains("Nothing is known of web at 2001-01-01T"), "{unknown}");
}

#[test]
fn a_full_disk_moves_no_address() {
    let Some(lab) = lab("a_full_disk_moves_no_address", &[]) else { return };
    let [mut a, b] = settled(&lab, VIP);
    a.daemon().stop().unwrap();
    let mount = "mkdir -p /var/lib/lb; mount -t tmpfs -o size=256k tmpfs /var/lib/lb";
    if a.host.sh(mount).is_err() {
        return skip("a_full_disk_moves_no_address", "mount -t tmpfs");
    }
    a.start();
    settle(&a, &b, VIP);
    let moves = b.said("(web) Entering MASTER STATE");
    // It fails when the disk is full.
    let _ = a.host.sh("dd if=/dev/zero of=/var/lib/lb/full bs=4k");
    // What has room in the last page of the file is still written.
    wait("the problem to be seen", || {
        a.lbctl(&["reload"]);
        a.lbctl(&["status"]).contains("PROBLEM: the journal is not kept").then_some(())
    });
    a.wait_for_line("the journal is not kept over a restart");
    assert_eq!(b.said("(web) Entering MASTER STATE"), moves, "adverts went on");
    assert!(a.lbctl(&["events"]).contains("Reload complete"), "memory knows");
    a.host.sh("rm /var/lib/lb/full").unwrap();
    a.lbctl(&["reload"]);
    wait("the end of the problem", || (!a.lbctl(&["status"]).contains("PROBLEM")).then_some(()));
    a.daemon().kill_family().unwrap();
    a.start();
    answers(&a);
    assert!(a.lbctl(&["events"]).contains("records are missing here"));
}
