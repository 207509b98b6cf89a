use std::path::Path;

use lb_config::keepalived::{language, resolve};

use super::*;

fn config(instances: &[&str]) -> Config {
    let text = instances.concat();
    let settings = language::Settings::default();
    let (document, _, mut problems) =
        language::read_text(&text, Path::new("f"), &settings, &mut language::Memory::default());
    let config = resolve::resolve(&document, &mut problems);
    assert!(!problems.any_error(), "{:?}", problems.finish());
    config
}

fn instance(name: &str, vrid: u8, lines: &str) -> String {
    format!(
        "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\n{lines}\n\
         virtual_ipaddress {{\n10.0.0.{vrid}/24\n}}\n}}\n"
    )
}

fn priority(number: u8) -> Priority {
    Priority::new(number).unwrap()
}

fn plan(before: &str, after: &str, condition: Condition, master: Option<u8>, runs_with: u8) -> Plan {
    let before = config(&[before]);
    let running = Running {
        condition,
        priority: priority(runs_with),
        master: master.map(|theirs| ([10, 0, 0, 2].into(), priority(theirs))),
        handed_over: false,
    };
    let running = before.instances.iter().map(|one| (one.name.clone(), running)).collect();
    Planning { before: before.into(), running }.plan(&config(&[after]))
}

#[test]
fn a_priority_moves_addresses_only_over_that_of_the_master() {
    let with = |lines: &str| instance("web", 51, lines);
    let outcome = |lines: &str, condition, master, runs_with| {
        let plan = plan(&with("priority 100"), &with(lines), condition, master, runs_with);
        let [change] = &plan.instances[..] else { panic!("{plan:?}") };
        assert_eq!(change.change, Kind::Changed);
        (change.differences.join("; "), change.outcome)
    };
    let taken = |delay| Outcome::TakenFrom { master: [10, 0, 0, 2].into(), priority: priority(150), delay };
    let (backup, master) = (Condition::Backup, Condition::Master);
    assert_eq!(outcome("priority 200", backup, Some(150), 100), ("priority 100 -> 200".into(), taken(0.0)));
    assert_eq!(outcome("priority 140", backup, Some(150), 100).1, Outcome::Stays);
    // A tracker takes 60 off.
    assert_eq!(outcome("priority 200", backup, Some(150), 40).1, Outcome::Stays);
    assert_eq!(outcome("priority 200\nnopreempt", backup, Some(150), 100).1, Outcome::Stays);
    assert_eq!(outcome("priority 200\npreempt_delay 5", backup, Some(150), 100).1, taken(5.0));
    assert_eq!(outcome("priority 50", master, None, 100).1, Outcome::KeptUnlessAbove(priority(50)));
    assert_eq!(outcome("priority 200", master, None, 100).1, Outcome::Stays);
    assert_eq!(outcome("priority 200", Condition::Fault, None, 100).1, Outcome::Stays);
}

#[test]
fn instances_that_come_go_and_start_anew_are_told_apart() {
    let kept = instance("kept", 1, "");
    let before =
        kept.clone() + &instance("gone", 2, "") + &instance("moved", 3, "") + &instance("old", 4, "");
    let moved = instance("moved", 3, "").replace("eth0", "eth1");
    let after = kept + &moved + &instance("fresh", 4, "") + &instance("new", 5, "priority 7");
    let plan = plan(&before, &after, Condition::Master, None, 100);
    let found: Vec<_> = plan
        .instances
        .iter()
        .map(|change| {
            (change.instance.as_str(), change.change, change.differences.join("; "), change.outcome)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("moved", Kind::Restarted, "interface eth0 -> eth1".to_owned(), Outcome::Interrupted),
            ("fresh", Kind::Changed, "name old -> fresh".to_owned(), Outcome::Stays),
            ("new", Kind::Added, String::new(), Outcome::Elected(priority(7))),
            ("gone", Kind::Removed, String::new(), Outcome::GivenUp),
        ]
    );
    assert_eq!(plan.instances[3].addresses, ["10.0.0.2/24".parse().unwrap()]);
}

#[test]
fn addresses_that_come_and_go_are_named_and_so_is_what_else_differs() {
    let before = instance("web", 51, "");
    let after = before.replace("10.0.0.51/24", "10.0.0.52/24\n10.0.0.53/24 dev eth1");
    let found = plan(&before, &after, Condition::Master, None, 100);
    assert_eq!(
        found.instances[0].differences,
        ["add address 10.0.0.52/24", "add address 10.0.0.53/24", "remove address 10.0.0.51/24"]
    );
    let after = before.replace("10.0.0.51/24", "10.0.0.51/24 dev eth1");
    let found = plan(&before, &after, Condition::Master, None, 100);
    assert_eq!(found.instances[0].differences, ["address 10.0.0.51/24 is installed in another way"]);
    let found = plan(&before, &instance("web", 51, "garp_master_repeat 2"), Condition::Master, None, 100);
    assert_eq!(found.instances[0].differences, ["other settings"]);
    assert_eq!(plan(&before, &before, Condition::Master, None, 100), Plan::default());
}

#[test]
fn groups_are_compared_by_their_members() {
    let two = instance("a", 1, "") + &instance("b", 2, "");
    let group =
        |name: &str, members: &str| format!("vrrp_sync_group {name} {{\ngroup {{\n{members}\n}}\n}}\n");
    let found = plan(
        &(two.clone() + &group("G", "a\nb")),
        &(two + &group("H", "a\nb")),
        Condition::Backup,
        None,
        100,
    );
    let members = || vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(
        found.groups,
        [
            GroupChange { group: "H".into(), before: Vec::new(), after: members() },
            GroupChange { group: "G".into(), before: members(), after: Vec::new() },
        ]
    );
}
