//! Words of a keepalived.conf that are easily overlooked, by what they do.

use crate::{
    node::{
        KEEPALIVED,
        Kind::{Keepalived, Ours},
        Node, instance, lab, nodes, settle,
    },
    support::wait,
};

const VIP: &str = "10.0.0.100";

fn with(priority: u8, more: &str) -> String {
    instance("web", 51, priority, &format!("{VIP}/24"), more)
}

#[test]
fn who_does_not_track_its_interface_stays_master_without_it() {
    let test = "who_does_not_track_its_interface_stays_master_without_it";
    let Some(lab) = lab(test, &[]) else { return };
    let [mut a, _b] = nodes(&lab, [Ours, Ours]);
    let other = instance("other", 52, 100, "10.0.0.101/24", "");
    a.configure(&(with(150, "dont_track_primary") + &other));
    a.start();
    a.wait_for_line("(other) Entering MASTER STATE");
    a.wait_for_line("(web) Entering MASTER STATE");
    lab.cut(&a.host, "eth0").unwrap();
    a.wait_for_line("(other) Entering FAULT STATE");
    a.wait_for("10.0.0.101", false);
    // BACKUP at first, then MASTER.
    a.assert_said("(web) Entering", 2);
    assert!(a.has(VIP));
}

#[test]
fn who_tracks_its_source_takes_no_part_without_it() {
    let Some(lab) = lab("who_tracks_its_source_takes_no_part_without_it", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    a.host.sh("ip address add 10.0.0.7/24 dev eth0").unwrap();
    a.configure(&with(150, "mcast_src_ip 10.0.0.7\n  track_src_ip"));
    b.configure(&with(100, ""));
    a.start();
    b.start();
    settle(&a, &b, VIP);
    a.host.sh("ip address delete 10.0.0.7/24 dev eth0").unwrap();
    settle(&b, &a, VIP);
    a.host.sh("ip address add 10.0.0.7/24 dev eth0").unwrap();
    settle(&a, &b, VIP);
    b.wait_for_line("10.0.0.7");
}

#[test]
fn a_peer_from_too_far_away_is_not_heard() {
    let Some(lab) = lab("a_peer_from_too_far_away_is_not_heard", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    let peer = |number, ttl: &str| format!("unicast_peer {{\n    10.0.0.{number} {ttl}\n  }}");
    a.configure(&with(100, &peer(2, "min_ttl 255")));
    b.configure(&with(150, &format!("{}\n  unicast_ttl 254", peer(1, ""))));
    b.start();
    b.wait_for(VIP, true);
    a.start();
    a.wait_for(VIP, true);
    assert!(b.has(VIP), "nobody has heard of anybody");
    a.wait_for_line("TTL 254 where 255 to 255 is configured for this peer");
    a.configure(&with(100, &peer(2, "min_ttl 254 max_ttl 254")));
    a.lbctl(&["reload"]);
    settle(&b, &a, VIP);
}

#[test]
fn keys_in_files_are_read_and_read_again() {
    let Some(lab) = lab("keys_in_files_are_read_and_read_again", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    let key = |node: &Node, key: &str| node.host.write("/etc/keepalived/key", key).unwrap();
    for (node, priority) in [(&a, 150), (&b, 100)] {
        node.configure(&with(priority, "auth_hmac {\n    key 1 file:key\n  }"));
    }
    key(&a, "hex:6f70656e20736573616d65\n");
    key(&b, "open sesame\n");
    a.start();
    b.start();
    settle(&a, &b, VIP);
    // Another key on one side, and both lead.
    key(&b, "another one\n");
    b.lbctl(&["reload"]);
    b.wait_for(VIP, true);
    assert!(a.has(VIP));
    // What is no key is refused, and the old one stays.
    key(&b, "\n");
    let refused = b.host.sh(&format!("{} reload 2>&1 || true", env!("CARGO_BIN_EXE_lbctl"))).unwrap();
    assert!(refused.contains("auth_hmac of web: the key file"), "{refused}");
    key(&b, "open sesame");
    b.lbctl(&["reload"]);
    settle(&a, &b, VIP);
}

/// In the words of keepalived.
#[test]
fn virtual_routers_that_are_not_configured_are_logged() {
    let test = "virtual_routers_that_are_not_configured_are_logged";
    let Some(lab) = lab(test, &[KEEPALIVED]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Keepalived]);
    let globals = "global_defs {\n  log_unknown_vrids\n}\n";
    a.configure(&format!("{globals}{}", with(150, "")));
    b.configure(&format!("{globals}{}", instance("other", 9, 150, "10.0.0.101/24", "")));
    a.start();
    b.start();
    b.wait_for_line("Unknown VRID(51) received on interface(eth0). ignoring...");
    a.wait_for_line("Unknown VRID(9) received on interface(eth0). ignoring...");
    let often = b.said("Unknown VRID");
    wait("keepalived to say so again", || (b.said("Unknown VRID") > often + 2).then_some(()));
    a.assert_said("Unknown VRID", 1);
}
