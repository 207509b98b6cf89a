//! Instances without addresses.

use crate::{
    node::{
        KEEPALIVED,
        Kind::{Keepalived, Ours},
        Node, lab, nodes,
    },
    support::wait,
};

/// Some are there for their notification scripts only.
#[test]
fn an_instance_without_addresses_is_elected_beside_keepalived() {
    let test = "an_instance_without_addresses_is_elected_beside_keepalived";
    for other in [Ours, Keepalived] {
        let Some(lab) = lab(test, &[KEEPALIVED]) else { return };
        let [mut a, mut b] = nodes(&lab, [Ours, other]);
        let text = |priority: u8| {
            format!(
                "vrrp_instance none {{\nstate BACKUP\ninterface eth0\nvirtual_router_id 61\npriority {priority}\n\
                 notify_master /etc/tell\nvirtual_routes {{\n10.5.0.0/16 via 10.0.0.2 dev eth0\n}}\n\
                 virtual_ipaddress_excluded {{\n10.0.0.100/24\n}}\n}}\n\
                 vrrp_instance bare {{\nstate BACKUP\ninterface eth0\nvirtual_router_id 62\npriority {priority}\n}}\n"
            )
        };
        for (node, priority) in [(&a, 150), (&b, 100)] {
            node.configure(&text(priority));
            node.host.script("/etc/tell", "touch /etc/told").unwrap();
        }
        let entered = |node: &Node, state: &str| {
            ["none", "bare"].map(|name| node.said(&format!("({name}) Entering {state} STATE")))
        };
        b.start();
        wait("the first to lead", || (entered(&b, "MASTER") == [1, 1]).then_some(()));
        a.start();
        wait("the stronger one to lead", || (entered(&a, "MASTER") == [1, 1]).then_some(()));
        wait("the other one to follow", || (entered(&b, "BACKUP") == [2, 2]).then_some(()));
        a.wait_for("10.0.0.100", true);
        b.wait_for("10.0.0.100", false);
        assert!(a.host.path("/etc/told").exists());
        let routes = |node: &Node| node.host.sh("ip route").unwrap();
        wait("the route", || routes(&a).contains("10.5.0.0/16").then_some(()));
        assert!(a.daemon().stop().unwrap().success());
        wait("the other one to lead", || (entered(&b, "MASTER") == [2, 2]).then_some(()));
        b.wait_for("10.0.0.100", true);
        assert!(!routes(&a).contains("10.5.0.0/16"));
    }
}
