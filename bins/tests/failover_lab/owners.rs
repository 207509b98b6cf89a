//! What would otherwise end with two owners of an address, or with one that nobody hears of.

use lb_lab::Lab;

use crate::{
    node::{
        KEEPALIVED,
        Kind::{self, Keepalived, Ours},
        Node, instance, lab, nodes, settle,
    },
    support::wait,
};

const VIP: &str = "10.0.0.100";

fn with(priority: u8, more: &str) -> String {
    instance("web", 51, priority, &format!("{VIP}/24"), more)
}

/// Two nodes with the same addresses, of which the first one has the higher priority.
fn pair(lab: &Lab, kinds: [Kind; 2], addresses: &str) -> [Node; 2] {
    let mut both = nodes(lab, kinds);
    for (node, priority) in both.iter_mut().zip([150, 100]) {
        node.configure(&instance("web", 51, priority, addresses, ""));
        node.start();
    }
    both
}

/// keepalived drops what lists fewer or more addresses than its own file, and both would be MASTER.
#[test]
fn addresses_are_advertised_as_keepalived_does() {
    let twice = "10.0.0.100/24\n    10.0.0.101/24\n    10.0.0.100/24".to_owned();
    let many: Vec<String> = (0..100).map(|n| format!("2001:db8::{n:x}/128")).collect();
    for (addresses, first, count) in [(twice, VIP, 2), (many.join("\n    "), "2001:db8::", 100)] {
        for kinds in [[Ours, Keepalived], [Keepalived, Ours]] {
            let Some(lab) = lab("addresses_are_advertised_as_keepalived_does", &[KEEPALIVED]) else { return };
            let first = if first == VIP { VIP } else { "2001:db8::1" };
            let [a, b] = pair(&lab, kinds, &addresses);
            a.wait_for(first, true);
            b.wait_for_line("Entering BACKUP STATE");
            // All of them are installed, each once.
            let installed = || {
                a.host
                    .addresses()
                    .unwrap()
                    .iter()
                    .filter(|one| {
                        let address = one.net.addr().to_string();
                        address.starts_with("10.0.0.10") || address.starts_with("2001:db8:")
                    })
                    .count()
            };
            wait(&format!("{count} addresses"), || (installed() == count).then_some(()));
            let heard = || match kinds {
                [_, Ours] => b.status()["instances"][0]["counters"]["received"].as_u64().unwrap() > 10,
                _ => a.status()["instances"][0]["counters"]["sent"].as_u64().unwrap() > 10,
            };
            wait("more adverts", || heard().then_some(()));
            settle(&a, &b, first);
            b.assert_said("unexpected ip number count", 0);
            if kinds[1] == Ours {
                let errors = &b.status()["instances"][0]["counters"]["address_list_errors"];
                assert_eq!(errors.as_u64(), Some(0), "{kinds:?}");
            }
        }
    }
}

/// It yields with one more advert, which is no second MASTER's.
#[test]
fn a_router_that_was_preempted_is_not_reported_as_a_second_master() {
    let Some(lab) = lab("a_router_that_was_preempted_is_not_reported_as_a_second_master", &[]) else {
        return;
    };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    b.configure(&with(100, ""));
    b.start();
    b.wait_for(VIP, true);
    a.configure(&with(150, ""));
    a.start();
    settle(&a, &b, VIP);
    a.assert_said("with lower priority", 0);
}

#[test]
fn a_master_whose_adverts_do_not_leave_steps_down() {
    let Some(lab) = lab("a_master_whose_adverts_do_not_leave_steps_down", &["nft"]) else { return };
    let [a, b] = pair(&lab, [Ours, Ours], &format!("{VIP}/24"));
    settle(&a, &b, VIP);
    let nft = |words: &str| a.host.sh(&format!("nft '{words}'")).unwrap();
    nft("add table ip mute");
    nft("add chain ip mute out { type filter hook output priority 0 ; }");
    nft("add rule ip mute out ip protocol 112 drop");
    settle(&b, &a, VIP);
    a.wait_for_line("Entering BACKUP STATE (none of its adverts could be sent)");
    let sent = || a.status()["instances"][0]["counters"]["sent"].as_u64().unwrap();
    let (counted, unsent) = (sent(), || a.status()["instances"][0]["counters"]["unsent"].as_u64().unwrap());
    let before = unsent();
    wait("another attempt", || (unsent() > before).then_some(()));
    assert_eq!(sent(), counted, "nothing has left");
    assert!(!a.has(VIP) && b.has(VIP));
    let status = a.lbctl(&["status"]);
    assert!(status.contains("PROBLEM: (web) its adverts can not be sent: "), "{status}");
    a.assert_said("Entering MASTER STATE", 1);
    nft("delete table ip mute");
    settle(&a, &b, VIP);
    wait("no problem", || (!a.lbctl(&["status"]).contains("can not be sent")).then_some(()));
}

/// Nobody answers for the peer's address: that is no fault of what is sent.
#[test]
fn a_master_whose_only_peer_is_dead_stays() {
    let Some(lab) = lab("a_master_whose_only_peer_is_dead_stays", &[]) else { return };
    let [mut a, b] = nodes(&lab, [Ours, Ours]);
    a.configure(&with(150, "unicast_src_ip 10.0.0.1\n  unicast_peer {\n    10.0.0.2\n  }"));
    lab.cut(&b.host, "eth0").unwrap();
    a.start();
    a.wait_for(VIP, true);
    let counters = || a.status()["instances"][0]["counters"].clone();
    // Longer than the kernel asks for a neighbour.
    wait("many adverts", || (counters()["sent"].as_u64() > Some(30)).then_some(()));
    assert!(a.has(VIP));
    assert_eq!(counters()["unsent"].as_u64(), Some(0));
    a.assert_said("Entering BACKUP STATE", 1);
}

/// Both are MASTER, since neither understands the other; both say why.
#[test]
fn adverts_that_are_dropped_are_named() {
    let Some(lab) = lab("adverts_that_are_dropped_are_named", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    let hmac = |digit: &str| format!("auth_hmac {{\n    key 1 hex:{}\n  }}", digit.repeat(64));
    a.configure(&with(150, &hmac("1")));
    b.configure(&with(100, &hmac("2")));
    a.start();
    a.wait_for(VIP, true);
    b.start();
    b.wait_for(VIP, true);
    let dropped = "adverts of 10.0.0.1 (priority 150) were dropped: the HMAC is wrong";
    b.wait_for_line("Entering MASTER STATE (no MASTER was heard; ");
    assert!(b.log().contains(dropped), "{}", b.log());
    let why = b.lbctl(&["status"]);
    let row = why.lines().find(|line| line.contains(" web ")).unwrap();
    assert!(row.contains(dropped), "{why}");
    assert!(why.contains("PROBLEM: (web) ") && why.contains(", the latest "), "{why}");
    let explained = b.lbctl(&["explain", "web"]);
    assert!(explained.contains("until then, ") && explained.contains(dropped), "{explained}");
    let metrics = b.lbctl(&["metrics"]);
    let line = "lb_instance_adverts_dropped_lately{instance=\"web\",source=\"10.0.0.1\",reason=\"the HMAC is wrong\"}";
    assert!(metrics.contains(line), "{metrics}");
}

/// One that hears nothing of us: the log and the status say so.
#[test]
fn a_peer_that_stays_master_is_named() {
    let Some(lab) = lab("a_peer_that_stays_master_is_named", &["nft"]) else { return };
    let [a, b] = pair(&lab, [Ours, Ours], &format!("{VIP}/24"));
    settle(&a, &b, VIP);
    let nft = |words: &str| b.host.sh(&format!("nft '{words}'")).unwrap();
    nft("add table netdev deaf");
    nft("add chain netdev deaf in { type filter hook ingress device eth0 priority 0 ; }");
    nft("add rule netdev deaf in ip protocol 112 drop");
    b.wait_for(VIP, true);
    let stays = "10.0.0.2 (priority 100) stays MASTER although this node is, for ";
    a.wait_for_line(stays);
    assert!(a.lbctl(&["status"]).contains(&format!("PROBLEM: (web) {stays}")), "{}", a.lbctl(&["status"]));
    nft("delete table netdev deaf");
    settle(&a, &b, VIP);
    wait("no problem", || (!a.lbctl(&["status"]).contains("stays MASTER")).then_some(()));
    a.assert_said(stays, 1);
}
