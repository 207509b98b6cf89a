//! What befalls the daemon itself.

use std::process::Command;

use crate::{
    node::{Kind::Ours, Node, instance, lab, nodes, settle, settled},
    support::wait,
};

const VIP: &str = "10.0.0.100";

#[test]
fn a_daemon_that_dies_is_started_again_and_the_addresses_are_somewhere() {
    let test = "a_daemon_that_dies_is_started_again_and_the_addresses_are_somewhere";
    let Some(lab) = lab(test, &[]) else { return };
    let [a, b] = settled(&lab, VIP);
    let moves = |what: &str| b.said(&format!("Entering MASTER STATE{what}"));
    let by_itself = moves("") - moves(" (10.0.0.1 resigned)");
    for _ in 0..3 {
        kill_daemon(&a);
        settle(&a, &b, VIP);
    }
    // Either its successor went on in time, or it was resigned: nobody had to wait for the silence to be long enough.
    assert_eq!(moves("") - moves(" (10.0.0.1 resigned)"), by_itself);
}

#[test]
fn a_successor_in_time_goes_on_as_if_nothing_had_happened() {
    let Some(lab) = lab("a_successor_in_time_goes_on_as_if_nothing_had_happened", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    // A tenth of the interval is time enough, and an owner need not wait for three of them at first.
    let slow = |priority| {
        instance("web", 51, priority, &format!("{VIP}/24"), "").replace("advert_int 0.2", "advert_int 20")
    };
    a.configure(&slow(255));
    b.configure(&slow(100));
    a.start();
    settle(&a, &b, VIP);
    b.start();
    b.wait_for_line("Entering BACKUP STATE");
    for _ in 0..2 {
        kill_daemon(&a);
        let master = || (a.status()["instances"][0]["state"] == "MASTER").then_some(());
        wait("the successor to be MASTER", master);
        assert!(a.has(VIP) && !b.has(VIP));
    }
    assert_eq!((a.said("removing VIPs"), b.said("Entering MASTER STATE")), (0, 0));
}

/// Kills the daemon, not its supervisor, and waits for its successor.
fn kill_daemon(node: &Node) {
    let before = node.status()["pid"].as_u64().unwrap();
    // As the host calls it: processes have numbers of their own there.
    node.host.run(Command::new("kill").args(["-KILL", &before.to_string()])).unwrap();
    let status = || {
        let output =
            node.host.output(Command::new(env!("CARGO_BIN_EXE_lbctl")).args(["status", "--json"])).ok()?;
        serde_json::from_slice::<serde_json::Value>(&output.stdout).ok()
    };
    wait("another process", || (status()?["pid"].as_u64()? != before).then_some(()));
}

#[test]
fn a_script_that_hangs_is_a_failure_and_delays_nothing() {
    let Some(lab) = lab("a_script_that_hangs_is_a_failure_and_delays_nothing", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    a.host.script("/etc/check", "[ -e /etc/hang ] && exec sleep 1000; exit 0").unwrap();
    let script = "global_defs {\n  script_user root\n}\nvrrp_script check {\n  script /etc/check\n  interval 1\n  timeout 1\n}\n";
    a.configure(&format!(
        "{script}{}{}",
        instance("web", 51, 150, &format!("{VIP}/24"), "track_script {\n    check\n  }"),
        // Another one that is not concerned.
        instance("free", 52, 150, "10.0.0.101/24", "")
    ));
    b.configure(&format!(
        "{}{}",
        instance("web", 51, 100, &format!("{VIP}/24"), ""),
        instance("free", 52, 100, "10.0.0.101/24", "")
    ));
    a.start();
    b.start();
    settle(&a, &b, VIP);
    settle(&a, &b, "10.0.0.101");
    let moves = b.said("(free) Entering MASTER STATE");
    a.host.write("/etc/hang", "").unwrap();
    settle(&b, &a, VIP);
    a.wait_for_line("VRRP_Script(check) timed_out");
    assert!(a.has("10.0.0.101"));
    std::fs::remove_file(a.host.path("/etc/hang")).unwrap();
    settle(&a, &b, VIP);
    assert_eq!(b.said("(free) Entering MASTER STATE"), moves, "nobody waited for the script");
}

#[test]
fn the_operator_hands_over_and_learns_why() {
    let Some(lab) = lab("the_operator_hands_over_and_learns_why", &[]) else { return };
    let [a, b] = settled(&lab, VIP);
    a.lbctl(&["failover", "web"]);
    // Although its priority is higher, it does not take back what it was told to give.
    settle(&b, &a, VIP);
    let told = b.lbctl(&["explain", "web"]);
    assert!(told.contains("web") && told.contains("MASTER"), "{told}");
    b.lbctl(&["failover", "web"]);
    settle(&a, &b, VIP);
    a.lbctl(&["maintenance", "on", "--reason", "new disks"]);
    settle(&b, &a, VIP);
    a.lbctl(&["maintenance", "off"]);
    settle(&a, &b, VIP);
}
