//! `lbctl plan` of lb-failover: which addresses a reload would move, and from whom.

use std::process::Command;

use crate::node::{Node, instance, lab, settled};

const FILE: &str = "/etc/keepalived/new.conf";

fn plan(node: &Node, text: &str) -> String {
    node.host.write(FILE, text).unwrap();
    node.lbctl(&["plan", FILE])
}

fn refused(node: &Node, text: &str) -> String {
    node.host.write(FILE, text).unwrap();
    let mut lbctl = Command::new(env!("CARGO_BIN_EXE_lbctl"));
    node.host.run(lbctl.args(["plan", FILE])).unwrap_err().to_string()
}

#[test]
fn a_plan_says_which_addresses_move_and_from_whom() {
    let Some(lab) = lab("a_plan_says_which_addresses_move_and_from_whom", &[]) else { return };
    let [a, b] = settled(&lab, "10.0.0.100");
    let with = |priority, address: &str| instance("web", 51, priority, address, "");
    let (lead, follow) = (with(150, "10.0.0.100/24"), with(100, "10.0.0.100/24"));
    assert_eq!(plan(&a, &lead), format!("{FILE} changes nothing\n"));
    let planned = plan(&b, &with(200, "10.0.0.100/24"));
    assert!(
        planned.contains(
            "change instance web (eth0, VRID 51, BACKUP): priority 100 -> 200; \
             10.0.0.100/24 move here from 10.0.0.1 (priority 150)"
        ),
        "{planned}"
    );
    let planned = plan(&a, &with(50, "10.0.0.100/24"));
    assert!(
        planned
            .contains("priority 150 -> 50; 10.0.0.100/24 stay here, unless a router has a priority above 50"),
        "{planned}"
    );
    let planned = plan(&a, &with(150, "10.0.0.100/24\n    10.0.0.101/24"));
    assert!(planned.contains("add address 10.0.0.101/24; no address moves"), "{planned}");
    let other = instance("other", 52, 100, "10.0.0.102/24", "");
    let planned = plan(&a, &other);
    assert!(planned.contains("add instance other (eth0, VRID 52); 10.0.0.102/24 come here"), "{planned}");
    assert!(
        planned.contains("remove instance web (eth0, VRID 51, MASTER); 10.0.0.100/24 leave this node"),
        "{planned}"
    );

    // What a file includes is read by lbctl, too.
    b.host.write("/etc/keepalived/more/other.conf", &other).unwrap();
    let planned = plan(&b, &(follow + "include more/*.conf\n"));
    assert!(planned.contains("add instance other") && !planned.contains("web"), "{planned}");
    assert!(refused(&a, "global_defs {\n}\n").contains("has neither an instance nor a virtual server"));
    let error = refused(&a, &lead.replace("10.0.0.100/24", "10.0.0.300/24"));
    assert!(error.contains("new.conf:10:") && error.contains('^'), "{error}");

    // Nothing was done.
    assert!(a.has("10.0.0.100") && !b.has("10.0.0.100") && !a.has("10.0.0.101"));
    assert_eq!(a.said("Reload"), 0);
}
