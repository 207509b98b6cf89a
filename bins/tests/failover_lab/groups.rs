//! Instances that are MASTER together, or not at all.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    node::{
        KEEPALIVED,
        Kind::{Keepalived, Ours},
        Node, instance, lab, nodes, settle,
    },
    support::wait,
};

const INSIDE: &str = "10.0.0.100";
const OUTSIDE: &str = "10.0.0.101";
/// Some times as long as a node waits for another one.
const LONG: Duration = Duration::from_secs(5);

#[test]
fn a_group_that_was_just_taken_back_can_be_handed_over_and_stays_there() {
    let test = "a_group_that_was_just_taken_back_can_be_handed_over_and_stays_there";
    let Some(lab) = lab(test, &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    a.configure(&group(150));
    b.configure(&group(100));
    a.start();
    b.start();
    settle_both(&a, &b);
    a.lbctl(&["maintenance", "on", "--reason", "test"]);
    settle_both(&b, &a);

    // It comes back by itself, and is given away at once.
    a.lbctl(&["maintenance", "off"]);
    wait("the group to come back", || (states(&a) == ["MASTER"; 2]).then_some(()));
    let turns = a.said("(inside) Entering MASTER STATE");
    a.lbctl(&["failover", "both"]);
    settle_both(&b, &a);
    let handed_over = Instant::now();
    while handed_over.elapsed() < LONG {
        let all = (states(&a), states(&b));
        assert!(all.0 == ["BACKUP"; 2] && all.1 == ["MASTER"; 2], "{all:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(a.said("(inside) Entering MASTER STATE"), turns);

    // Until it is taken back.
    b.lbctl(&["failover", "--all"]);
    settle_both(&a, &b);
}

#[test]
fn what_was_handed_over_comes_back_when_the_other_node_weakens() {
    let test = "what_was_handed_over_comes_back_when_the_other_node_weakens";
    for other in [Ours, Keepalived] {
        let Some(lab) = lab(test, &[KEEPALIVED]) else { return };
        let [mut a, mut b] = nodes(&lab, [Ours, other]);
        a.configure(&instance("inside", 51, 150, &format!("{INSIDE}/24"), ""));
        let weighed = "track_file {\n    load weight 1\n  }";
        let file = "vrrp_track_file load {\n  file /etc/load\n}\n";
        b.host.write("/etc/load", "0\n").unwrap();
        b.configure(&(file.to_owned() + &instance("inside", 51, 100, &format!("{INSIDE}/24"), weighed)));
        a.start();
        b.start();
        settle(&a, &b, INSIDE);
        a.lbctl(&["failover", "inside"]);
        settle(&b, &a, INSIDE);
        b.host.write("/etc/load", "-50\n").unwrap();
        settle(&a, &b, INSIDE);
    }
}

fn group(priority: u8) -> String {
    let [inside, outside] = [("inside", 51, INSIDE), ("outside", 52, OUTSIDE)]
        .map(|(name, id, address)| instance(name, id, priority, &format!("{address}/24"), ""));
    format!("vrrp_sync_group both {{\n  group {{\n    inside\n    outside\n  }}\n}}\n{inside}{outside}")
        .replace("advert_int 0.2", "advert_int 0.5")
}

fn settle_both(with: &Node, without: &Node) {
    settle(with, without, INSIDE);
    settle(with, without, OUTSIDE);
    // The addresses may be there before it has been written down why.
    wait("the states", || (states(with) == ["MASTER"; 2] && states(without) != ["MASTER"; 2]).then_some(()));
}

fn states(node: &Node) -> Vec<String> {
    let status = node.status();
    let state = |instance: &Value| instance["state"].as_str().map(str::to_owned);
    status["instances"].as_array().into_iter().flatten().filter_map(state).collect()
}
