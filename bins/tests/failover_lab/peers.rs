//! Beside keepalived, and beside one of our own, in both roles.

use lb_lab::Right;
use nix::sys::signal::Signal;

use crate::{
    node::{
        KEEPALIVED,
        Kind::{self, Keepalived, Ours},
        instance, lab, nodes, settle,
    },
    support::{has_programs, skip, wait},
};

const VIP: &str = "10.0.0.100";

#[test]
fn we_lead_and_keepalived_follows() {
    go_through_everything("we_lead_and_keepalived_follows", [Ours, Keepalived]);
}

#[test]
fn keepalived_leads_and_we_follow() {
    go_through_everything("keepalived_leads_and_we_follow", [Keepalived, Ours]);
}

#[test]
fn we_lead_and_follow() {
    go_through_everything("we_lead_and_follow", [Ours, Ours]);
}

/// The first node has the higher priority, and tracks a file of which it dislikes the presence.
fn go_through_everything(test: &str, kinds: [Kind; 2]) {
    let needs: &[_] = if kinds.contains(&Keepalived) { &[KEEPALIVED] } else { &[] };
    let Some(lab) = lab(test, needs) else { return };
    if kinds[0] == Keepalived && lab.right() != Right::Root {
        return skip(
            test,
            "root, since keepalived sets the groups of its scripts, which a user namespace forbids",
        );
    }
    let [mut a, mut b] = nodes(&lab, kinds);
    let script = "global_defs {\n  script_user root\n}\nvrrp_script good {\n  \
                  script \"/usr/bin/test ! -e /etc/bad\"\n  interval 1\n}\n";
    let tracked = instance("web", 51, 150, &format!("{VIP}/24"), "track_script {\n    good\n  }");
    a.configure(&format!("{script}{tracked}"));
    b.configure(&instance("web", 51, 100, &format!("{VIP}/24"), ""));
    a.start();
    b.start();
    settle(&a, &b, VIP);

    // The cable, at the switch.
    lab.cut(&a.host, "eth0").unwrap();
    settle(&b, &a, VIP);
    lab.mend(&a.host, "eth0").unwrap();
    settle(&a, &b, VIP);

    // The interface.
    a.host.set_link("eth0", false).unwrap();
    settle(&b, &a, VIP);
    a.host.set_link("eth0", true).unwrap();
    settle(&a, &b, VIP);

    // What is tracked.
    a.host.write("/etc/bad", "").unwrap();
    settle(&b, &a, VIP);
    std::fs::remove_file(a.host.path("/etc/bad")).unwrap();
    settle(&a, &b, VIP);

    // A stop, on either side.
    assert!(a.daemon().stop().unwrap().success());
    settle(&b, &a, VIP);
    a.start();
    settle(&a, &b, VIP);
    assert!(b.daemon().stop().unwrap().success());
    assert!(a.has(VIP));
    b.start();
    b.wait_for_line("Entering BACKUP STATE");

    // A crash of everything, which leaves the addresses where they are, and a start after it.
    a.daemon().kill_family().unwrap();
    b.wait_for(VIP, true);
    a.start();
    settle(&a, &b, VIP);

    // Nothing gets through from the leader, and both have the addresses, until it does again.
    if has_programs(test, &["nft"]) {
        lab.partition(&a.host, &b.host).unwrap();
        b.wait_for(VIP, true);
        assert!(a.has(VIP), "a MASTER that hears no higher priority stays");
        lab.heal().unwrap();
        settle(&a, &b, VIP);
    }

    // It stands still, and goes on.
    a.daemon().pause().unwrap();
    b.wait_for(VIP, true);
    a.daemon().resume().unwrap();
    settle(&a, &b, VIP);
    a.signal(Signal::SIGHUP);
    wait("nothing to happen", || (a.has(VIP) && !b.has(VIP)).then_some(()));
}
