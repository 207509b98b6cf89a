//! A thousand instances, of which a reload changes three.

use std::{collections::BTreeMap, fmt::Write as _, process::Command};

use lb_lab::Host;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    node::{Kind::Ours, Node, lab},
    support::wait,
};

const EACH: usize = 250;
const LINKS: usize = 4;

/// The instances of these numbers, with adverts ten times a second.
fn instances(numbers: impl Iterator<Item = usize>, priority: impl Fn(usize) -> u8) -> String {
    let mut text = String::new();
    for number in numbers {
        let (link, id) = (number / EACH, number % EACH + 1);
        let priority = priority(number);
        let _ = write!(
            text,
            "vrrp_instance V{number} {{\n  interface v{link}\n  virtual_router_id {id}\n  priority {priority}\n  version 3\n  \
             advert_int 0.1\n  virtual_ipaddress {{\n    10.{link}.0.{id}/32\n  }}\n}}\n"
        );
    }
    text
}

/// What each instance is: its state and how often that changed, and the priority of its MASTER when that is another node.
fn seen(node: &Node) -> BTreeMap<String, (String, u64, Option<u64>)> {
    let status = node.status();
    let of = |one: &Value| {
        let state = one["state"].as_str().unwrap().to_owned();
        let changes = one["counters"]["became_active"].as_u64().unwrap();
        (one["name"].as_str().unwrap().to_owned(), (state, changes, one["master"]["priority"].as_u64()))
    };
    status["instances"].as_array().unwrap().iter().map(of).collect()
}

fn all_are(node: &Node, state: &str, count: usize) {
    let count_of = || seen(node).values().filter(|(is, ..)| is == state).count();
    wait(&format!("{count} instances to be {state}"), || (count_of() == count).then_some(()));
}

#[test]
fn a_reload_touches_only_what_is_changed_of_a_thousand() {
    let Some(lab) = lab("a_reload_touches_only_what_is_changed_of_a_thousand", &[]) else { return };
    let [a, b]: [Host; 2] = ["a", "b"].map(|name| lab.host(name).unwrap());
    for link in 0..LINKS {
        let net = |host: u8| [format!("172.16.{link}.{host}/24").parse().unwrap()];
        lab.join([(&a, &net(1)), (&b, &net(2))], &format!("v{link}")).unwrap();
    }
    let [mut a, mut b] = [a, b].map(|host| Node::new(host, Ours));
    let all = LINKS * EACH;
    a.configure(&instances(0..all, |_| 150));
    b.configure(&instances(0..all, |_| 100));
    a.start();
    b.start();
    [&a, &b].iter().for_each(|node| node.wait_for_line("(V999) Entering"));
    all_are(&a, "MASTER", all);
    all_are(&b, "BACKUP", all);
    let [mut before_a, mut before_b] = [&a, &b].map(seen);
    let entered = |node: &Node| node.said(" Entering ");
    let entries = [&a, &b].map(entered);
    let changes = a.host.spawn(Command::new("ip").args(["-oneline", "monitor", "address"])).unwrap();

    // V17 is gone, V500 has another priority, V1000 is new; it shares its link with the last ones.
    let kept = (0..all).filter(|number| *number != 17);
    let new = instances(all..=all, |_| 150).replace("v4", "v3").replace("_id 1\n", "_id 251\n");
    a.configure(&(instances(kept, |number| if number == 500 { 151 } else { 150 }) + &new));
    a.signal(Signal::SIGHUP);
    a.wait_for_line("Reload complete: 1 instances new, 1 changed, 1 gone");
    wait("the new priority to be heard", || (seen(&b)["V500"].2 == Some(151)).then_some(()));
    wait("the new one to be MASTER", || (seen(&a)["V1000"].0 == "MASTER").then_some(()));
    wait("the other to take what is gone", || (seen(&b)["V17"].0 == "MASTER").then_some(()));
    b.wait_for_line("(V17) Entering MASTER STATE");

    let [mut after_a, mut after_b] = [&a, &b].map(seen);
    assert_eq!(after_a.get("V17"), None);
    assert_eq!(after_b["V500"], ("BACKUP".to_owned(), before_b["V500"].1, Some(151)));
    for map in [&mut before_a, &mut after_a, &mut before_b, &mut after_b] {
        map.retain(|name, _| !["V17", "V500", "V1000"].contains(&name.as_str()));
    }
    assert_eq!(before_a.len(), all - 2);
    assert!(before_a == after_a && before_b == after_b, "another instance has changed its state");
    let new_entries = [&a, &b].map(entered);
    assert_eq!(new_entries[0] - entries[0], a.said("(V1000) Entering"), "{}", a.log());
    assert_eq!(new_entries[1] - entries[1], 1, "only V17: {}", b.log());
    let changes = changes.log();
    let touched = |line: &&str| !line.contains(" 10.0.0.18/") && !line.contains(" 10.4.0.1/");
    let others: Vec<&str> = changes.lines().filter(touched).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(changes.contains(" 10.0.0.18/"), "{changes}");
}
