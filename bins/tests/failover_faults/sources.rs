//! Addresses that advertisements are to come from, and that the host lacks.

use crate::{
    node::{
        KEEPALIVED,
        Kind::{Keepalived, Ours},
        Node, instance, lab, nodes, settle,
    },
    support::wait,
};

const VIP: &str = "10.0.0.100";
const VIP6: &str = "fd00::100";

/// An instance that sends by unicast from this address to that one.
fn unicast(vip: &str, priority: u8, source: &str, peer: &str) -> String {
    let length = if vip.contains(':') { 64 } else { 24 };
    let more = format!("unicast_src_ip {source}\n  unicast_peer {{\n    {peer}\n  }}");
    instance("web", 51, priority, &format!("{vip}/{length}"), &more)
}

#[test]
fn a_unicast_source_that_the_host_lacks_is_a_fault_as_with_keepalived() {
    let test = "a_unicast_source_that_the_host_lacks_is_a_fault_as_with_keepalived";
    for kind in [Keepalived, Ours] {
        for (vip, wrong, [ours, theirs]) in
            [(VIP, "10.0.0.9", ["10.0.0.1", "10.0.0.2"]), (VIP6, "fd00::9", ["fd00::1", "fd00::2"])]
        {
            let Some(lab) = lab(test, &[KEEPALIVED]) else { return };
            let [mut a, mut b] = nodes(&lab, [kind, Ours]);
            a.configure(&unicast(vip, 150, wrong, theirs));
            b.configure(&unicast(vip, 100, theirs, ours));
            a.start();
            b.start();
            a.wait_for_line("src address not configured");
            settle(&b, &a, vip);
            if kind == Ours {
                comes_and_goes(&a, &b, vip, wrong);
            }
        }
    }
}

/// Who lacks its source takes part when it comes, and does not when it goes.
fn comes_and_goes(a: &Node, b: &Node, vip: &str, source: &str) {
    let (status, explained) = (a.lbctl(&["status"]), a.lbctl(&["explain", "web"]));
    assert!(status.contains(source) && explained.contains(source), "{status}{explained}");
    let prefix = if vip.contains(':') { "64 nodad" } else { "32" };
    // On another interface than that of the instance: what counts is whether it can be a source at all.
    a.host.sh("ip link set lo up").unwrap();
    for interface in ["eth0", "lo"] {
        a.host.sh(&format!("ip addr add {source}/{prefix} dev {interface}")).unwrap();
        // Its advertisements are not taken by the peer, which knows another address.
        a.wait_for(vip, true);
        a.host.sh(&format!("ip addr del {source}/{} dev {interface}", prefix.replace(" nodad", ""))).unwrap();
        settle(b, a, vip);
    }
}

#[test]
fn multicast_leaves_from_an_address_that_the_host_lacks_as_with_keepalived() {
    let test = "multicast_leaves_from_an_address_that_the_host_lacks_as_with_keepalived";
    for kinds in [[Keepalived, Ours], [Ours, Keepalived], [Ours, Ours]] {
        let Some(lab) = lab(test, &[KEEPALIVED]) else { return };
        let [mut a, mut b] = nodes(&lab, kinds);
        a.configure(&instance("web", 51, 150, &format!("{VIP}/24"), "mcast_src_ip 10.0.0.9"));
        b.configure(&instance("web", 51, 100, &format!("{VIP}/24"), ""));
        a.start();
        a.wait_for(VIP, true);
        b.start();
        b.wait_for_line("Entering BACKUP STATE");
        let hears = |node: &Node| node.status()["instances"][0]["master"]["address"] == "10.0.0.9";
        if kinds[1] == Ours {
            wait("the advertisements of 10.0.0.9", || hears(&b).then_some(()));
        }
        // As long as three takeovers.
        std::thread::sleep(std::time::Duration::from_secs(2));
        assert!(a.has(VIP) && !b.has(VIP), "{}", b.log());
    }
}

#[test]
fn the_test_of_a_file_names_a_source_that_the_host_lacks() {
    let Some(lab) = lab("the_test_of_a_file_names_a_source_that_the_host_lacks", &[]) else { return };
    let [node, _] = nodes(&lab, [Ours, Ours]);
    let test = |text: &str| {
        node.configure(text);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lb-failover"));
        let output = node.host.output(command.args(["--config-test", "--live"])).unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for (vip, wrong, right, peer) in
        [(VIP, "10.0.0.9", "10.0.0.1", "10.0.0.2"), (VIP6, "fd00::9", "fd00::1", "fd00::2")]
    {
        let said = test(&unicast(vip, 150, wrong, peer));
        assert!(
            said.contains(&format!("(web) `unicast_src_ip {wrong}` is not an address of this host")),
            "{said}"
        );
        assert!(test(&unicast(vip, 150, right, peer)).contains("nothing is missing"));
    }
}
