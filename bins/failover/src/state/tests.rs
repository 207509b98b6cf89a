use std::time::Duration;

use lb_config::keepalived::model::{Notify, Seldom, Tracked, Weight};
use lb_vrrp::State as Protocol;

use super::*;
use crate::view::sample;

const NOW: Time = Time::from_secs(1000);

fn instance(name: &str, tracks: Tracks) -> model::Instance {
    model::Instance { tracks: tracks.into(), ..sample::instance(name, 1, &[]) }
}

fn tracking(script: &str, weight: i16) -> Tracks {
    let weight = Weight { value: weight, reverse: false };
    Tracks { scripts: vec![Tracked { name: script.to_owned(), weight }], ..Tracks::default() }
}

fn script(name: &str) -> TrackerId {
    TrackerId::Script(name.to_owned())
}

fn report(name: &str, status: Status) -> Report {
    Report { id: script(name), status, detail: format!("{status:?}") }
}

/// A node with these instances whose start is over.
fn open(instances: Vec<model::Instance>) -> (State, Config) {
    let config = Config { instances, ..Config::default() };
    let mut state = State::default();
    assert_eq!(orders(&state.configure(&config, NOW)), [], "nobody takes part before the start is over");
    state.open(NOW);
    (state, config)
}

fn orders(steps: &[Step]) -> Vec<(&str, Order)> {
    let order = |step: &'_ Step| match step {
        Step::Order(name, order) => Some((name.to_string(), *order)),
        Step::Event(_) => None,
    };
    steps.iter().filter_map(order).map(|(name, order)| (&*name.leak(), order)).collect()
}

fn conditions(steps: &[Step]) -> Vec<(Condition, Condition, Why)> {
    let change = |step: &Step| match step {
        Step::Event(Event { what: What::State { from, to, why, .. }, .. }) => Some((*from, *to, why.clone())),
        _ => None,
    };
    steps.iter().filter_map(change).collect()
}

fn priority(number: u8) -> Priority {
    Priority::new(number).unwrap()
}

fn becomes(state: &mut State, name: &str, to: Protocol) -> Vec<Step> {
    state.changed(name, to, Cause::Startup, NOW)
}

#[test]
fn an_instance_takes_part_when_the_start_is_over_and_nothing_is_in_the_way() {
    let config = Config { instances: vec![instance("a", Tracks::default())], ..Config::default() };
    let mut state = State::default();
    assert_eq!(orders(&state.configure(&config, NOW)), []);
    assert_eq!(orders(&state.open(NOW)), [("a", Order::Recovered)]);
    let steps = becomes(&mut state, "a", Protocol::Backup);
    assert_eq!(conditions(&steps), [(Condition::Init, Condition::Backup, Why::Protocol(Cause::Startup))]);
}

#[test]
fn a_script_of_which_nothing_is_known_keeps_an_instance_out_and_is_no_fault_yet() {
    let (mut state, _) = open(vec![instance("a", tracking("chk", 0))]);
    assert_eq!(state.instance("a").unwrap().1.condition_since().0, Condition::Init);
    assert_eq!(orders(&state.tracked(report("chk", Status::Up), NOW)), [("a", Order::Recovered)]);
    becomes(&mut state, "a", Protocol::Active);

    let steps = state.tracked(report("chk", Status::Down), NOW);
    assert_eq!(orders(&steps), [("a", Order::Fault)]);
    assert_eq!(conditions(&steps), [], "it is MASTER until the protocol says otherwise");
    let steps = becomes(&mut state, "a", Protocol::Initialize);
    assert_eq!(conditions(&steps), [(Condition::Master, Condition::Fault, Why::Tracker(script("chk")))]);

    assert_eq!(orders(&state.tracked(report("chk", Status::Up), NOW)), [("a", Order::Recovered)]);
    let steps = becomes(&mut state, "a", Protocol::Backup);
    assert_eq!(conditions(&steps), [(Condition::Fault, Condition::Backup, Why::Recovered)]);
}

#[test]
fn a_script_that_fails_at_the_start_is_a_fault() {
    let (mut state, _) = open(vec![instance("a", tracking("chk", 0))]);
    let steps = state.tracked(report("chk", Status::Down), NOW);
    assert_eq!(orders(&steps), []);
    assert_eq!(conditions(&steps), [(Condition::Init, Condition::Fault, Why::Tracker(script("chk")))]);
}

#[test]
fn weights_move_the_priority_and_nothing_else() {
    let (mut state, _) = open(vec![instance("a", tracking("chk", -30)), instance("b", Tracks::default())]);
    let steps = state.tracked(report("chk", Status::Down), NOW);
    assert_eq!(orders(&steps), [("a", Order::Priority(priority(70)))]);
    assert_eq!(orders(&state.tracked(report("chk", Status::Down), NOW)), [], "it is known already");
    let steps = state.tracked(report("chk", Status::Up), NOW);
    assert_eq!(orders(&steps), [("a", Order::Priority(priority(100)))]);
}

#[test]
fn in_a_group_only_the_group_has_weights() {
    let mut config = Config {
        instances: vec![instance("a", tracking("own", -30)), instance("b", tracking("hard", 0))],
        ..Config::default()
    };
    config.groups.push(model::Group {
        name: "g".to_owned(),
        members: vec!["a".to_owned(), "b".to_owned()],
        missing: Vec::new(),
        tracks: tracking("shared", -20),
        notify: Notify::default(),
    });
    let mut state = State::default();
    state.configure(&config, NOW);
    state.open(NOW);
    assert!(state.tracker(&script("own")).is_none(), "nobody wants to know");
    let steps = state.tracked(report("shared", Status::Down), NOW);
    let lowered = Order::Priority(priority(80));
    assert_eq!(orders(&steps), [("a", lowered)], "who takes no part is told when it does");
    let steps = state.tracked(report("hard", Status::Up), NOW);
    assert_eq!(orders(&steps), [("b", lowered), ("b", Order::Recovered)]);
    let steps = state.tracked(report("shared", Status::Up), NOW);
    let raised = Order::Priority(Priority::DEFAULT);
    assert_eq!(orders(&steps), [("a", raised), ("b", raised)]);
}

#[test]
fn an_interface_that_is_down_is_a_fault_that_the_protocol_sees_by_itself() {
    let (mut state, _) = open(vec![instance("a", Tracks::default())]);
    becomes(&mut state, "a", Protocol::Active);
    state.link("a", LinkState::Down, NOW);
    let steps = becomes(&mut state, "a", Protocol::Initialize);
    let why = Why::Interface("eth0 is down or has no carrier".to_owned());
    assert_eq!(conditions(&steps), [(Condition::Master, Condition::Fault, why)]);
    assert_eq!(orders(&state.link("a", LinkState::Ready, NOW)), []);
}

#[test]
fn maintenance_is_a_fault_of_all_until_it_ends_by_itself() {
    let (mut state, _) = open(vec![instance("a", Tracks::default()), instance("b", Tracks::default())]);
    becomes(&mut state, "a", Protocol::Active);
    let order = Maintenance {
        reason: "new disk".to_owned(),
        by: None,
        since: NOW,
        until: Some(NOW + Duration::from_secs(60)),
    };
    let steps = state.maintain(Some(order), NOW);
    assert_eq!(orders(&steps), [("a", Order::Fault), ("b", Order::Fault)]);
    let steps = becomes(&mut state, "a", Protocol::Initialize);
    let why = Why::Operator("new disk".to_owned());
    assert_eq!(conditions(&steps), [(Condition::Master, Condition::Fault, why)]);
    assert_eq!(state.expire(NOW + Duration::from_secs(59), NOW + Duration::from_secs(59)), []);
    let steps = state.expire(NOW + Duration::from_secs(60), NOW + Duration::from_secs(60));
    assert_eq!(orders(&steps), [("a", Order::Recovered), ("b", Order::Recovered)]);
}

#[test]
fn a_group_under_maintenance_says_so() {
    let (mut state, mut config) = open(vec![instance("a", Tracks::default())]);
    config.groups = vec![model::Group { name: "g".into(), members: vec!["a".into()], ..Default::default() }];
    state.configure(&config, NOW);
    state.group_changed("g", Protocol::Active, NOW);
    state.maintain(
        Some(Maintenance { reason: "new disk".to_owned(), by: None, since: NOW, until: None }),
        NOW,
    );
    let steps = state.group_changed("g", Protocol::Initialize, NOW);
    let why = Why::Operator("new disk".to_owned());
    assert_eq!(conditions(&steps), [(Condition::Master, Condition::Fault, why)]);
}

#[test]
fn what_was_handed_over_comes_back_only_when_nobody_else_is_there() {
    let (mut state, _) = open(vec![instance("a", Tracks::default())]);
    becomes(&mut state, "a", Protocol::Backup);
    assert!(state.hand_over(Some("a"), "test", NOW).unwrap_err().contains("nothing to hand over"));
    assert!(state.hand_over(Some("x"), "test", NOW).unwrap_err().contains("no instance or group"));
    becomes(&mut state, "a", Protocol::Active);
    let steps = state.hand_over(Some("a"), "test", NOW).unwrap();
    assert_eq!(orders(&steps), [("a", Order::Priority(Priority::MIN)), ("a", Order::HandOver)]);
    becomes(&mut state, "a", Protocol::Backup);
    assert_eq!(state.instance("a").unwrap().1.handed_over(), Some("test"));
    // The other node is gone.
    let steps = becomes(&mut state, "a", Protocol::Active);
    assert_eq!(orders(&steps), [("a", Order::Priority(Priority::DEFAULT))]);
}

#[test]
fn an_instance_that_nobody_took_over_is_as_it_was() {
    let (mut state, _) = open(vec![instance("a", Tracks::default())]);
    becomes(&mut state, "a", Protocol::Active);
    state.hand_over(Some("a"), "test", NOW).unwrap();
    // It was Active all the time.
    let steps = state.take_back("a", NOW);
    assert_eq!(orders(&steps), [("a", Order::Priority(Priority::DEFAULT))]);
    assert_eq!((conditions(&steps), state.instance("a").unwrap().1.handed_over()), (vec![], None));
}

#[test]
fn an_instance_without_its_addresses_is_in_fault_until_a_reload() {
    let (mut state, config) = open(vec![instance("a", Tracks::default())]);
    becomes(&mut state, "a", Protocol::Active);
    assert_eq!(orders(&state.unusable("a", "not permitted", NOW)), [("a", Order::Fault)]);
    let steps = becomes(&mut state, "a", Protocol::Initialize);
    let [(Condition::Master, Condition::Fault, Why::Refused(why))] = &conditions(&steps)[..] else {
        panic!("{steps:?}");
    };
    assert_eq!(why, "no address can be added: not permitted; a reload tries it again");
    assert_eq!(orders(&state.configure(&config, NOW)), [("a", Order::Recovered)]);
}

#[test]
fn what_was_handed_over_may_come_back_when_the_other_node_weakens() {
    let (mut state, _) = open(vec![instance("a", Tracks::default())]);
    assert_eq!(state.take_back("a", NOW), [], "nothing was handed over");
    becomes(&mut state, "a", Protocol::Active);
    state.hand_over(Some("a"), "test", NOW).unwrap();
    becomes(&mut state, "a", Protocol::Backup);
    let steps = state.take_back("a", NOW);
    assert_eq!(orders(&steps), [("a", Order::Priority(Priority::DEFAULT))]);
    assert_eq!(state.instance("a").unwrap().1.handed_over(), None);
}

#[test]
fn a_reload_keeps_what_is_known_and_orders_what_differs() {
    let (mut state, mut config) =
        open(vec![instance("a", tracking("chk", 0)), instance("b", Tracks::default())]);
    state.tracked(report("chk", Status::Up), NOW);
    becomes(&mut state, "a", Protocol::Active);
    assert_eq!(state.configure(&config, NOW), [], "nothing differs");

    config.instances[1].tracks = tracking("chk", -10).into();
    config.instances[0].priority = priority(150);
    let steps = state.configure(&config, NOW);
    assert_eq!(orders(&steps), [("a", Order::Priority(priority(150)))]);
    let steps = state.tracked(report("chk", Status::Down), NOW);
    assert_eq!(orders(&steps), [("a", Order::Fault), ("b", Order::Priority(priority(90)))]);

    config.instances.remove(0);
    config.instances[0].tracks = Seldom::default();
    assert_eq!(orders(&state.configure(&config, NOW)), [("b", Order::Priority(priority(100)))]);
    assert!(state.instance("a").is_none() && state.tracker(&script("chk")).is_none());
}

#[test]
fn what_a_predecessor_found_counts_until_it_is_found_again() {
    let config = Config { instances: vec![instance("a", tracking("chk", 0))], ..Config::default() };
    let mut state = State::default();
    state.remember([(script("chk"), Status::Up)]);
    state.configure(&config, NOW);
    assert_eq!(orders(&state.open(NOW)), [("a", Order::Recovered)]);
    assert_eq!(state.tracked(report("chk", Status::Unknown), NOW), [], "it is yet to be found again");
    assert_eq!(orders(&state.tracked(report("chk", Status::Down), NOW)), [("a", Order::Fault)]);
}

#[test]
fn what_was_missed_is_caught_up_with() {
    let (mut state, _) = open(vec![instance("a", Tracks::default())]);
    assert_eq!(conditions(&becomes(&mut state, "a", Protocol::Backup)).len(), 1);
    let steps = becomes(&mut state, "a", Protocol::Active);
    let [(Condition::Backup, Condition::Master, _)] = conditions(&steps)[..] else { panic!("{steps:?}") };
    assert_eq!(becomes(&mut state, "a", Protocol::Active), [], "it is known already");
    assert_eq!(becomes(&mut state, "x", Protocol::Active), [], "it is gone");
}
