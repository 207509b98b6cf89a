//! `auth_hmac`: beside a router that was written from the draft, and while keys change.

use std::process::Command;

use lb_lab::{Assigned, Lab, Process};
use nix::sys::signal::Signal;

use crate::{
    node::{Kind::Ours, Node, instance, lab, nodes, settle},
    support::wait,
};

const PYTHON: &str = "/usr/bin/python3";
const VIP: &str = "10.0.0.100";
const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const NEW: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff101112131415161718191a1b1c1d1e1f";

fn keys(lines: &str) -> String {
    format!("auth_hmac {{\n{lines}\n  }}")
}

#[test]
fn a_router_written_from_the_draft_leads_and_hears_us() {
    let Some(lab) = lab("a_router_written_from_the_draft_leads_and_hears_us", &[PYTHON]) else { return };
    beside_the_draft(&lab, '4', VIP);
}

#[test]
fn a_router_written_from_the_draft_leads_and_hears_us_over_ipv6() {
    let Some(lab) = lab("a_router_written_from_the_draft_leads_and_hears_us_over_ipv6", &[PYTHON]) else {
        return;
    };
    beside_the_draft(&lab, '6', "fe80::100");
}

fn beside_the_draft(lab: &Lab, family: char, vip: &str) {
    let [mut a, b] = nodes(lab, [Ours; 2]);
    let source = match family {
        '4' => "10.0.0.2".to_owned(),
        _ => wait("a link-local address", || {
            let addresses = b.host.addresses().unwrap();
            let usable = |one: &&Assigned| one.net.addr().to_string().starts_with("fe80::");
            addresses.iter().find(usable).map(|one| one.net.addr().to_string())
        }),
    };
    b.host.write("/etc/peer.py", include_str!("hmac/peer.py")).unwrap();
    let peer = |priority: Option<&str>| -> Process {
        let family = family.to_string();
        let mut command = Command::new(PYTHON);
        command.args(["-u", "/etc/peer.py", &family, "eth0", &source, vip, "7", OLD]).args(priority);
        let peer = b.host.spawn(&command).unwrap();
        wait("the peer", || peer.log().contains("ready").then_some(()));
        peer
    };
    let length = if family == '4' { 24 } else { 128 };
    a.configure(&instance("web", 51, 100, &format!("{vip}/{length}"), &keys(&format!("key 7 hex:{OLD}"))));

    // The peer has the higher priority: whoever is there first, it leads.
    let mut leader = peer(Some("200"));
    a.start();
    a.wait_for_line("Entering BACKUP STATE");
    wait("the MASTER to be known", || a.lbctl(&["status"]).contains("200 over 100").then_some(()));
    assert!(!a.has(vip), "the peer leads");
    leader.kill().unwrap();
    a.wait_for(vip, true);

    // And it understands what we send.
    let listener = peer(None);
    wait("a valid advert", || listener.log().contains("valid 100").then_some(()));
    let wrong: Vec<String> = listener
        .log()
        .lines()
        .filter(|line| !line.contains("valid") && *line != "ready")
        .map(str::to_owned)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let _leader = peer(Some("200"));
    a.wait_for(vip, false);
}

#[test]
fn keys_change_without_a_second_owner() {
    let Some(lab) = lab("keys_change_without_a_second_owner", &[]) else { return };
    let mut both = nodes(&lab, [Ours; 2]);
    let text = |priority, lines: &str| instance("web", 51, priority, &format!("{VIP}/24"), &keys(lines));
    let old = format!("key 1 hex:{OLD}");
    for (node, priority) in both.iter_mut().zip([150, 100]) {
        node.configure(&text(priority, &old));
        node.start();
    }
    let one_owner = |[a, b]: &[Node; 2]| a.has(VIP) && !b.has(VIP);
    settle(&both[0], &both[1], VIP);

    // The new key is known everywhere, then it seals, then the old one goes.
    let known = format!("{old}\n  key 2 hex:{NEW}");
    let steps = [known.clone(), format!("{known}\n  active_key 2"), format!("key 2 hex:{NEW}")];
    for (step, lines) in steps.iter().enumerate() {
        for (node, priority) in [(0, 150), (1, 100)] {
            both[node].configure(&text(priority, lines));
            both[node].signal(Signal::SIGHUP);
            wait("a reload", || (both[node].said("Reload complete") == step + 1).then_some(()));
            // Long enough for a takeover, if one did not understand the other.
            let sent = || both[0].status()["instances"][0]["counters"]["sent"].as_u64().unwrap();
            let before = sent();
            wait("more adverts", || (sent() > before + 8).then_some(()));
            assert!(one_owner(&both), "after step {step} on node {node}");
        }
    }
    let [a, b] = &both;
    b.assert_said("Entering MASTER STATE", 0);
    a.assert_said("Entering MASTER STATE", 1);
}
