use std::{string::ToString, vec::Vec};

use proptest::prelude::*;

use super::*;

fn weight(value: i16) -> Weight {
    Weight::new(value).unwrap()
}

fn priority(value: u8) -> Priority {
    Priority::new(value).unwrap()
}

fn runs_with(value: u8) -> Effective {
    Effective::Priority(priority(value))
}

#[test]
fn the_table_of_effects() {
    let (up, down, unknown) = (Status::Up, Status::Down, Status::Unknown);
    let (fault, change) = (Effect::Fault, Effect::Change);
    for (weight, status, effect) in [
        (weight(20), up, change(20)),
        (weight(20), down, change(0)),
        (weight(20), unknown, change(0)),
        (weight(20).reversed(), up, change(-20)),
        (weight(20).reversed(), down, change(0)),
        (weight(-20), up, change(0)),
        (weight(-20), down, change(-20)),
        (weight(-20), unknown, change(0)),
        (weight(-20).reversed(), down, change(20)),
        (Weight::FAULT, up, change(0)),
        (Weight::FAULT, down, fault),
        (Weight::FAULT, unknown, fault),
        (Weight::FAULT.reversed(), up, fault),
        (Weight::FAULT.reversed(), down, change(0)),
        (Weight::FAULT.reversed(), unknown, fault),
        (weight(1), Status::Value(7), change(7)),
        (weight(-2), Status::Value(7), change(-14)),
        (weight(2), Status::Value(-7), change(-14)),
        (weight(2).reversed(), Status::Value(7), change(-14)),
        (weight(1), Status::Value(1000), change(253)),
        (weight(253), Status::Value(i32::MAX), change(253)),
        (weight(1), Status::Value(-253), change(-253)),
        (weight(1), Status::Value(-254), fault),
        (weight(-253), Status::Value(i32::MAX), fault),
        (weight(253), Status::Value(i32::MIN), fault),
        (Weight::FAULT, Status::Value(0), change(0)),
        (Weight::FAULT, Status::Value(1), fault),
        (Weight::FAULT.reversed(), Status::Value(0), fault),
        (Weight::FAULT.reversed(), Status::Value(1), change(0)),
    ] {
        assert_eq!(weight.effect(status), effect, "{weight} {status:?}");
    }
}

#[test]
fn weights_have_a_range() {
    assert_eq!(weight(-253).get(), -253);
    assert_eq!(weight(253).get(), 253);
    for value in [254, -254, i16::MAX, i16::MIN] {
        assert!(Weight::new(value).is_err());
    }
    assert_eq!(weight(-5).reversed().to_string(), "-5 reverse");
    assert_eq!(weight(-5).reversed().reversed(), weight(-5));
}

#[test]
fn a_change_is_told_once() {
    let mut tracking = Tracking::new(priority(100));
    tracking.track('a', weight(-30));
    assert_eq!(tracking.set(&'a', Status::Up), None);
    assert_eq!(tracking.set(&'a', Status::Down), Some(runs_with(70)));
    assert_eq!(tracking.set(&'a', Status::Down), None);
    assert_eq!(tracking.set(&'b', Status::Down), None);
    assert_eq!(tracking.set(&'a', Status::Up), Some(runs_with(100)));
}

#[test]
fn an_owner_is_moved_by_faults_only() {
    let mut tracking = Tracking::new(Priority::OWNER);
    tracking.track('a', weight(-30));
    tracking.set(&'a', Status::Down);
    assert_eq!(tracking.effective(), runs_with(255));
    tracking.track('b', Weight::FAULT);
    assert_eq!(tracking.effective(), Effective::Fault);
    assert_eq!(tracking.set(&'b', Status::Up), Some(runs_with(255)));
}

#[test]
fn no_sum_makes_an_owner_or_a_resignation() {
    let mut tracking = Tracking::new(priority(200));
    tracking.track('a', weight(200));
    tracking.set(&'a', Status::Up);
    assert_eq!(tracking.effective(), runs_with(254));
    tracking.track('a', weight(-250));
    tracking.set(&'a', Status::Down);
    assert_eq!(tracking.effective(), runs_with(1));
}

#[test]
fn another_weight_leaves_what_is_known() {
    let mut tracking = Tracking::new(priority(100));
    tracking.track('a', weight(10));
    tracking.track('b', weight(10));
    tracking.set(&'a', Status::Up);
    tracking.track('a', weight(20));
    assert_eq!(tracking.effective(), runs_with(120));
    tracking.set_base(priority(50));
    assert_eq!(tracking.effective(), runs_with(70));
    tracking.retain(|id| *id == 'b');
    assert_eq!(tracking.effective(), runs_with(50));
    assert!(tracking.untrack(&'b'));
    assert!(!tracking.untrack(&'b'));
}

#[test]
fn what_contributes_can_be_told() {
    let mut tracking = Tracking::new(priority(100));
    tracking.track("uplink", weight(-30));
    tracking.track("disk", Weight::FAULT);
    tracking.set(&"uplink", Status::Down);
    let told: Vec<_> = tracking.explain().collect();
    let disk = Contribution { weight: Weight::FAULT, status: Status::Unknown, effect: Effect::Fault };
    let uplink = Contribution { weight: weight(-30), status: Status::Down, effect: Effect::Change(-30) };
    assert_eq!(told, [(&"disk", disk), (&"uplink", uplink)]);
}

fn weights() -> impl Strategy<Value = Weight> {
    (-253i16..=253, any::<bool>()).prop_map(|(value, reverse)| match reverse {
        true => weight(value).reversed(),
        false => weight(value),
    })
}

fn statuses() -> impl Strategy<Value = Status> {
    prop_oneof![
        Just(Status::Unknown),
        Just(Status::Up),
        Just(Status::Down),
        any::<i32>().prop_map(Status::Value),
        (-300i32..300).prop_map(Status::Value),
    ]
}

fn trackers() -> impl Strategy<Value = Vec<(Weight, Status)>> {
    prop::collection::vec((weights(), statuses()), 0..8)
}

fn tracking(base: u8, trackers: impl IntoIterator<Item = (usize, (Weight, Status))>) -> Tracking<usize> {
    let mut tracking = Tracking::new(priority(base));
    for (id, (weight, status)) in trackers {
        tracking.track(id, weight);
        tracking.set(&id, status);
    }
    tracking
}

proptest! {
    #[test]
    fn the_priority_is_within_its_range(base in 1u8..=254, trackers in trackers()) {
        match tracking(base, trackers.into_iter().enumerate()).effective() {
            Effective::Fault => {}
            Effective::Priority(priority) => prop_assert!((1..=254).contains(&priority.get())),
        }
    }

    #[test]
    fn no_order_matters(base in 1u8..=255, trackers in trackers()) {
        let forth: Vec<_> = trackers.into_iter().enumerate().collect();
        let back = forth.iter().copied().rev();
        prop_assert_eq!(tracking(base, forth.clone()), tracking(base, back));
    }

    #[test]
    fn nothing_drifts(base in 1u8..=255, trackers in trackers(), changes in prop::collection::vec((0usize..8, statuses()), 0..50)) {
        let mut tracking = tracking(base, trackers.clone().into_iter().enumerate());
        let before = tracking.effective();
        let mut told = before;
        for (id, status) in changes {
            if let Some(effective) = tracking.set(&id, status) {
                prop_assert_ne!(effective, told);
                told = effective;
            }
            prop_assert_eq!(told, tracking.effective());
        }
        for (id, (_, status)) in trackers.into_iter().enumerate() {
            tracking.set(&id, status);
        }
        prop_assert_eq!(tracking.effective(), before);
    }

    #[test]
    fn a_higher_base_makes_no_lower_priority(base in 1u8..=253, trackers in trackers()) {
        let of = |base| tracking(base, trackers.clone().into_iter().enumerate()).effective();
        match (of(base), of(base + 1)) {
            (Effective::Priority(lower), Effective::Priority(higher)) => prop_assert!(lower <= higher),
            (lower, higher) => prop_assert_eq!(lower, higher),
        }
    }

    #[test]
    fn what_gets_better_makes_no_lower_priority(
        base in 1u8..=254, trackers in trackers(), value in -253i16..=253
    ) {
        let of = |status| {
            let all = trackers.clone().into_iter().enumerate().chain([(99, (weight(value), status))]);
            tracking(base, all).effective()
        };
        match (of(Status::Down), of(Status::Up)) {
            (Effective::Priority(down), Effective::Priority(up)) => prop_assert!(down <= up),
            (down, _) => prop_assert_eq!(down, Effective::Fault),
        }
    }

    #[test]
    fn the_parts_make_the_whole(base in 1u8..=254, trackers in trackers()) {
        let tracking = tracking(base, trackers.into_iter().enumerate());
        let mut total = i32::from(base);
        let mut fault = false;
        for (_, contribution) in tracking.explain() {
            match contribution.effect {
                Effect::Fault => fault = true,
                Effect::Change(change) => {
                    prop_assert!((-253..=253).contains(&change));
                    total += i32::from(change);
                }
            }
        }
        let expected = if fault { Effective::Fault } else { runs_with(total.clamp(1, 254) as u8) };
        prop_assert_eq!(tracking.effective(), expected);
    }
}
