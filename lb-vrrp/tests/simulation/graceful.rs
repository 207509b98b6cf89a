//! Make before break: how long nobody answers for the addresses.

use lb_vrrp::{
    Cause,
    sim::{Record, Vacancy},
};

use super::*;

/// The intervals that matter, in centiseconds.
const INTERVALS: [u16; 3] = [100, 10, 1];

fn vacancies(world: &World) -> Vec<Vacancy> {
    world.trace().vacancies()
}

/// A pair in which the left one was Active for 10 seconds and leaves.
fn handed_over(
    left: ConfigBuilder,
    right: ConfigBuilder,
    leave: impl Fn(NodeId) -> Fault,
) -> (World, NodeId, NodeId) {
    let (mut world, left, right) = pair(left, right);
    at(&mut world, 10.5, leave(left));
    world.run_until(secs(13.0));
    (world, left, right)
}

#[test]
fn a_graceful_stop_leaves_no_address_without_an_owner() {
    for interval in INTERVALS.map(centiseconds) {
        for value in [1, 100, 199] {
            let config = |value: u8| v3(value).interval(interval);
            let stop = |farewell| move |node| Fault::Stop { node, farewell };
            let (world, left, right) = handed_over(config(200), config(value), stop(Farewell::Linger));
            assert_eq!(actives(&world), [right]);
            assert!(!world.holds_addresses(left));
            assert_eq!(vacancies(&world), [], "at {interval:?}");

            // Without it, for the skew time.
            let (world, ..) = handed_over(config(200), config(value), stop(Farewell::Resign));
            let [Vacancy { from, until: Some(until), .. }] = vacancies(&world)[..] else {
                panic!("{:?}", vacancies(&world));
            };
            assert_eq!(from, secs(10.5));
            let skew = interval.skew_time(priority(value));
            assert!(
                until - from >= skew && until - from < skew + TRANSIT,
                "{:?} at {interval:?}",
                until - from
            );
        }
    }
}

#[test]
fn a_planned_switch_leaves_no_address_without_an_owner() {
    for interval in INTERVALS.map(centiseconds) {
        let config = |value: u8| v3(value).interval(interval).preempt(lb_vrrp::Preempt::No);
        let step_down = |node| Fault::StepDown { node, farewell: Farewell::Linger };
        let (world, left, right) = handed_over(config(200), config(100), step_down);
        assert_eq!(actives(&world), [right]);
        assert_backup(&world, left);
        assert_eq!(vacancies(&world), []);
    }
}

/// With nobody to take over, the addresses go all the same, after the time that it says.
#[test]
fn nobody_lingers_for_ever() {
    let mut world = World::new(1, Lan::default());
    let alone = world.add(Node::new(v3(200).build().unwrap(), LEFT)).unwrap();
    at(&mut world, 10.5, Fault::Stop { node: alone, farewell: Farewell::Linger });
    world.run_until(secs(11.5));
    assert!(world.holds_addresses(alone));
    world.run_until(secs(11.6));
    assert!(!world.holds_addresses(alone));
}

/// A process that is killed and started again, with nobody else there: nothing is missing.
#[test]
fn a_killed_router_that_is_started_again_finds_its_addresses() {
    for again in [10.1, 12.0] {
        let mut world = World::new(1, Lan::default());
        let alone = world.add(Node::new(v3(200).build().unwrap(), LEFT)).unwrap();
        at(&mut world, 10.0, Fault::Crash(alone));
        at(&mut world, again, Fault::Start(alone));
        world.run_until(secs(20.0));
        assert_eq!(actives(&world), [alone]);
        assert_eq!(vacancies(&world), []);
    }
}

#[test]
fn handing_over_leaves_no_address_without_an_owner() {
    for interval in INTERVALS.map(centiseconds) {
        for value in [1, 100, 199] {
            let config = |value: u8| v3(value).interval(interval).preempt(lb_vrrp::Preempt::No);
            let (world, left, right) = handed_over(config(200), config(value), Fault::HandOver);
            assert_eq!(actives(&world), [right]);
            assert_backup(&world, left);
            assert_eq!(vacancies(&world), []);
            let handed =
                |event: &Event| matches!(event, Event::State { cause: Cause::HandedOver(RIGHT), .. });
            assert_eq!(count(&world, left, handed), 1);
            // Both are Active for no longer than an advertisement takes.
            let overlaps = world.trace().overlaps();
            assert!(
                overlaps.iter().all(|overlap| overlap.until.unwrap_or(secs(13.0)) - overlap.from <= TRANSIT),
                "{overlaps:?}"
            );
        }
    }
}

#[test]
fn a_router_without_a_peer_hands_nothing_over() {
    for interval in INTERVALS.map(centiseconds) {
        let mut world = World::new(1, Lan::default());
        let alone = world.add(Node::new(v3(200).interval(interval).build().unwrap(), LEFT)).unwrap();
        at(&mut world, 10.5, Fault::HandOver(alone));
        world.run_until(secs(20.0));
        assert_eq!(actives(&world), [alone]);
        assert_eq!(vacancies(&world), []);
        assert_eq!(count(&world, alone, |event| *event == Event::NoSuccessor), 1);
        let removed = world.trace().entries().iter().filter(|entry| entry.what == Record::Removed);
        // When it was started.
        assert_eq!(removed.count(), 1);
    }
}

/// A peer that hears nothing of it stays Backup; one that is deaf to the resignation alone takes over later. Then two are
/// Active until the next advertisement, as after any loss.
#[test]
fn a_peer_that_does_not_hear_the_resignation_leaves_the_router_active() {
    let (mut world, left, right) = pair(v3(200), v3(100));
    at(&mut world, 10.4, Fault::Cut { from: left, to: right });
    at(&mut world, 10.5, Fault::HandOver(left));
    at(&mut world, 10.6, Fault::Mend { from: left, to: right });
    world.run_until(secs(20.0));
    assert_eq!(actives(&world), [left]);
    assert_eq!(count(&world, left, |event| *event == Event::NoSuccessor), 1);
    assert_eq!(world.trace().overlaps(), []);
    assert_eq!(vacancies(&world), []);
}

/// By unicast, one peer is the only one there is: it waits for nothing.
#[test]
fn one_unicast_peer_takes_over_at_once() {
    for interval in INTERVALS.map(centiseconds) {
        let left = v3(200).interval(interval).unicast([RIGHT]);
        let right = |only: Option<bool>| {
            let right = v3(100).interval(interval).unicast([LEFT]);
            only.map_or(right.clone(), |only| right.only_backup(only))
        };
        let resign = |node| Fault::Stop { node, farewell: Farewell::Resign };
        let (world, _, backup) = handed_over(left.clone(), right(None), resign);
        assert_eq!(actives(&world), [backup]);
        let takeover = world.trace().takeovers()[1];
        assert!(takeover.outage.unwrap() <= TRANSIT, "{takeover}");

        let (world, ..) = handed_over(left, right(Some(false)), resign);
        let takeover = world.trace().takeovers()[1];
        assert!(takeover.outage.unwrap() >= interval.skew_time(priority(100)), "{takeover}");
    }
}
