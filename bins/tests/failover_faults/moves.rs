//! What makes the addresses move, and what keeps them where they are.

use std::{fs, thread, time::Duration};

use crate::{
    node::{Kind::Ours, Node, instance, lab, nodes, settle, settled},
    support::wait,
};

const VIP: &str = "10.0.0.100";
const OTHER: &str = "10.1.0.100";

#[test]
fn a_sync_group_moves_as_one() {
    let Some(lab) = lab("a_sync_group_moves_as_one", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    lab.switch("outside").unwrap();
    for (node, number) in [(&a, 1), (&b, 2)] {
        lab.link(&node.host, "outside", "eth1", &[format!("10.1.0.{number}/24").parse().unwrap()]).unwrap();
    }
    let text = |priority| {
        let outer = instance("outer", 52, priority, &format!("{OTHER}/24"), "").replace("eth0", "eth1");
        let group = "vrrp_sync_group both {\n  group {\n    inner\n    outer\n  }\n}\n";
        instance("inner", 51, priority, &format!("{VIP}/24"), "") + &outer + group
    };
    a.configure(&text(150));
    b.configure(&text(100));
    a.start();
    b.start();
    let all_on = |with: &Node, without: &Node| [VIP, OTHER].iter().for_each(|vip| settle(with, without, vip));
    all_on(&a, &b);
    for interface in ["eth0", "eth1"] {
        a.host.set_link(interface, false).unwrap();
        all_on(&b, &a);
        a.host.set_link(interface, true).unwrap();
        all_on(&a, &b);
    }
    // A group that has just given way leaves the other one alone for one and a half down intervals.
    thread::sleep(Duration::from_secs(2));
    a.lbctl(&["failover", "inner"]);
    all_on(&b, &a);
}

#[test]
fn a_weight_decides_who_is_master() {
    let Some(lab) = lab("a_weight_decides_who_is_master", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    let file = "track_file number {\n  file /etc/number\n  weight 1\n}\n";
    a.host.write("/etc/number", "0\n").unwrap();
    let tracked = instance("web", 51, 150, &format!("{VIP}/24"), "track_file {\n    number\n  }");
    a.configure(&format!("{file}{tracked}"));
    b.configure(&instance("web", 51, 100, &format!("{VIP}/24"), ""));
    a.start();
    b.start();
    settle(&a, &b, VIP);
    a.host.write("/etc/number", "-30\n").unwrap();
    a.wait_for_line("Changing effective priority from 150 to 120");
    assert!(a.has(VIP) && !b.has(VIP), "120 is still more");
    a.host.write("/etc/number", "-60\n").unwrap();
    settle(&b, &a, VIP);
    a.host.write("/etc/number", "0\n").unwrap();
    settle(&a, &b, VIP);
}

#[test]
fn nopreempt_leaves_them_and_a_delay_waits() {
    let Some(lab) = lab("nopreempt_leaves_them_and_a_delay_waits", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    let first = |more: &str| instance("web", 51, 150, &format!("{VIP}/24"), more);
    a.configure(&first("nopreempt"));
    b.configure(&instance("web", 51, 100, &format!("{VIP}/24"), ""));
    b.start();
    b.wait_for(VIP, true);
    a.start();
    a.wait_for_line("Entering BACKUP STATE");
    // Many times as long as a takeover is.
    thread::sleep(Duration::from_secs(3));
    assert!(!a.has(VIP) && b.has(VIP), "{}", a.log());
    // With a delay it comes, and not before.
    a.configure(&first("preempt_delay 4"));
    let start = std::time::Instant::now();
    assert!(a.daemon().stop().unwrap().success());
    a.start();
    settle(&a, &b, VIP);
    assert!(start.elapsed() >= Duration::from_secs(4), "{}", a.log());
    // One that fails is not waited for.
    assert!(a.daemon().stop().unwrap().success());
    settle(&b, &a, VIP);
}

#[test]
fn nobody_takes_part_before_the_startup_delay_is_over() {
    let Some(lab) = lab("nobody_takes_part_before_the_startup_delay_is_over", &[]) else { return };
    let [mut a, _b] = nodes(&lab, [Ours, Ours]);
    let globals = "global_defs {\n  vrrp_startup_delay 4\n}\n";
    a.configure(&(globals.to_owned() + &instance("web", 51, 150, &format!("{VIP}/24"), "")));
    let start = std::time::Instant::now();
    a.start();
    wait("it to answer", || fs::exists(a.host.path("/run")).ok().filter(|_| a.said("") > 0));
    a.wait_for(VIP, true);
    assert!(start.elapsed() >= Duration::from_secs(4), "{}", a.log());
}

#[test]
fn maintenance_ends_by_itself() {
    let Some(lab) = lab("maintenance_ends_by_itself", &[]) else { return };
    let [a, b] = settled(&lab, VIP);
    a.lbctl(&["maintenance", "on", "--reason", "new disks", "--for", "6s"]);
    b.wait_for(VIP, true);
    let status = a.lbctl(&["status"]);
    assert!(status.contains("new disks"), "{status}");
    settle(&a, &b, VIP);
    assert!(!a.lbctl(&["status"]).contains("new disks"));
}

#[test]
fn what_was_handed_over_comes_back_when_the_peer_is_gone() {
    let Some(lab) = lab("what_was_handed_over_comes_back_when_the_peer_is_gone", &[]) else { return };
    let [a, mut b] = settled(&lab, VIP);
    a.lbctl(&["failover", "web", "--reason", "a test"]);
    settle(&b, &a, VIP);
    thread::sleep(Duration::from_secs(2));
    assert!(b.has(VIP) && !a.has(VIP), "it does not take back what it was told to give");
    b.daemon().kill_family().unwrap();
    a.wait_for(VIP, true);
    // Its addresses are still there: what died could not remove them.
    b.start();
    settle(&a, &b, VIP);
}
