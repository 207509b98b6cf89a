//! Who becomes Active, and how soon.

use lb_vrrp::{AnnounceReason, Cause, Family, Preempt, sim::Record};

use super::*;

fn partition(world: &mut World, node: NodeId, from: f64, until: f64) {
    at(world, from, Fault::Partition(vec![node]));
    at(world, until, Fault::Heal);
}

/// Scenario 1. The heal comes at each moment between two advertisements, since it decides who speaks first.
#[test]
fn after_a_heal_the_higher_priority_stays_and_says_so() {
    let mut heard_first = 0;
    for phase in 0..20 {
        let heal = 20.0 + f64::from(phase) / 20.0;
        let (mut world, left, right) = pair(v3(200), v3(100));
        partition(&mut world, left, 10.0, heal);
        world.run_until(secs(30.0));
        assert_eq!(actives(&world), [left]);
        assert_eq!(
            world.trace().tenures().iter().filter(|tenure| tenure.node == left).count(),
            1,
            "left stayed"
        );
        let overlaps = world.trace().overlaps();
        assert!(overlaps[0].until.unwrap() <= secs(heal + 1.0) + TRANSIT, "longer than an interval");
        assert_backup(&world, right);

        // Each advertisement of the lower priority is answered at once, and the addresses are announced again.
        let healed = |time: Time| time > secs(heal);
        let entries =
            || world.trace().entries().iter().filter(|entry| healed(entry.at) && entry.node == Some(left));
        let heard: Vec<Time> = entries()
            .filter(|entry| matches!(entry.what, Record::Received { .. }))
            .map(|entry| entry.at)
            .collect();
        assert!(heard.len() <= 1, "right goes on after it was answered");
        for time in heard {
            heard_first += 1;
            let now = || entries().filter(|entry| entry.at == time);
            assert_eq!(now().filter(|entry| matches!(entry.what, Record::Sent(_))).count(), 1);
            assert!(now().any(|entry| entry.what == Record::Announced(AnnounceReason::OtherActive)));
        }
    }
    assert!((1..20).contains(&heard_first), "right spoke first in {heard_first} of 20 heals");
}

/// Scenario 2.
#[test]
fn after_a_heal_of_equals_the_greater_address_wins_although_it_came_later() {
    let (mut world, left, right) = pair(v3(100), v3(100));
    at(&mut world, 0.0, Fault::Crash(right));
    at(&mut world, 8.0, Fault::Start(right));
    partition(&mut world, right, 10.0, 20.5);
    world.run_until(secs(30.0));
    assert_eq!(actives(&world), [right]);
    assert!(world.trace().tenures()[0].node == left, "left was first");
    assert_backup(&world, left);
    let end = world.trace().overlaps()[0].until.unwrap();
    assert!(end <= secs(21.5) + TRANSIT);
    let sends = |node| world.trace().sent(node).filter(|(time, _)| (secs(20.5)..=end).contains(time)).count();
    assert!(sends(left) <= 1 && sends(right) <= 2, "left {}, right {}", sends(left), sends(right));
}

/// Scenario 3, RFC 3768 §7.1: each drops what the other says.
#[test]
fn routers_of_v2_with_different_intervals_are_both_active_and_say_why() {
    let (mut world, left, right) =
        pair(v2(200).interval(centiseconds(100)), v2(100).interval(centiseconds(200)));
    world.run_until(secs(60.0));
    assert_eq!(actives(&world), [left, right]);
    for node in [left, right] {
        assert_eq!(
            count(&world, node, |event| matches!(event, Event::IntervalMismatch { .. })),
            1,
            "told once"
        );
        assert!(world.router(node).unwrap().stats().interval_errors > 20, "counted each time");
    }
}

/// Scenario 3, with the way out.
#[test]
fn routers_of_v2_with_different_intervals_agree_when_told_to() {
    let lenient = |config: ConfigBuilder| config.accept_interval_mismatch(true);
    let (mut world, left, right) = pair(lenient(v2(200)), lenient(v2(100).interval(centiseconds(200))));
    world.run_until(secs(60.0));
    assert_eq!(actives(&world), [left]);
    assert_eq!(count(&world, right, |event| matches!(event, Event::IntervalMismatch { .. })), 1);
}

/// Scenario 4.
#[test]
fn a_slow_router_of_high_priority_takes_over_from_a_fast_one_once() {
    let (mut world, high, low) =
        pair(v3(200).interval(centiseconds(200)), v3(100).interval(centiseconds(10)));
    world.run_until(secs(6.4));
    assert_eq!(actives(&world), [low]);
    world.run_until(secs(60.0));
    assert_eq!(actives(&world), [high]);
    assert_at(became_active(&world, high), 6.4375);
    assert_eq!(world.trace().tenures().len(), 2, "no flapping");
    assert_eq!(world.router(low).unwrap().active_interval(), centiseconds(200), "learned");
}

/// Scenario 6, RFC 9568 erratum 8298.
#[test]
fn of_two_owners_the_lower_address_yields_and_both_hear_of_it() {
    let (mut world, left, right) = pair(v3(255), v3(255));
    world.run_until(secs(10.0));
    assert_eq!(actives(&world), [right]);
    assert_backup(&world, left);
    assert_eq!(count(&world, left, |event| *event == Event::DuplicateOwner { source: RIGHT }), 1);
    assert!(world.trace().overlaps()[0].until.unwrap() <= secs(1.0) + TRANSIT);
}

/// Scenario 7.
#[test]
fn an_owner_that_returns_is_active_at_once_although_nobody_is_preempted() {
    let (mut world, owner, other) = pair(v3(255), v3(254).preempt(Preempt::No));
    at(&mut world, 5.0, Fault::Crash(owner));
    at(&mut world, 15.0, Fault::Start(owner));
    world.run_until(secs(14.0));
    assert_eq!(actives(&world), [other]);
    world.run_until(secs(15.0) + TRANSIT);
    assert_eq!(actives(&world), [owner]);
    assert_eq!(became_active(&world, owner), secs(15.0));
    assert_backup(&world, other);
}

/// Scenario 8.
#[test]
fn without_preemption_a_higher_priority_that_returns_waits_for_silence_or_a_resignation() {
    for resigns in [false, true] {
        let (mut world, high, low) = pair(v3(200).preempt(Preempt::No), v3(100));
        at(&mut world, 5.0, Fault::Crash(high));
        at(&mut world, 15.0, Fault::Start(high));
        world.run_until(secs(60.0));
        assert_eq!(actives(&world), [low]);
        assert_eq!(world.router(high).unwrap().active(), Some((RIGHT, priority(100))));

        let gone =
            if resigns { Fault::Stop { node: low, farewell: Farewell::Resign } } else { Fault::Crash(low) };
        let last = world.trace().sent(low).last().unwrap().0;
        world.inflict(gone);
        world.run_until(secs(70.0));
        assert_eq!(actives(&world), [high]);
        let skew = 56.0 / 256.0;
        let wanted = if resigns { 60.0 + skew } else { last.as_nanos() as f64 / 1e9 + 3.0 + skew };
        assert_at(became_active(&world, high), wanted);
    }
}

/// Scenario 9: at no time are both Active for longer than a message takes.
#[test]
fn an_active_router_whose_priority_falls_says_so_at_once_and_is_preempted() {
    let skew = 156.0 / 256.0;
    let right = |skewed: bool| v3(100).preempt_after_skew(skewed);
    for (skewed, wanted) in [(false, None), (true, Some(10.5 + skew))] {
        let (mut world, left, peer) = pair(v3(200), right(skewed));
        at(&mut world, 10.5, Fault::Priority(left, priority(50)));
        world.run_until(secs(10.5));
        assert_eq!(sent(&world, left, 10.5..=10.5)[0].priority, 50, "it waits for no timer");
        let last = world.trace().sent(left).rev_before(secs(10.5));
        world.run_until(secs(30.0));
        assert_eq!(actives(&world), [peer]);
        assert_backup(&world, left);
        // Without the option: from the last advertisement that was higher than its own.
        assert_at(became_active(&world, peer), wanted.unwrap_or(last + 3.0 + skew));
        let overlap = world.trace().overlaps()[0];
        assert!(overlap.until.unwrap() - overlap.from <= TRANSIT);
    }
}

/// Scenario 9, the way to be rid of an Active router at once: it resigns.
#[test]
fn an_active_router_that_steps_down_is_followed_after_the_skew_time() {
    let (mut world, left, right) = pair(v3(200), v3(100));
    at(&mut world, 10.5, Fault::StepDown { node: left, farewell: Farewell::Resign });
    at(&mut world, 10.5, Fault::Priority(left, priority(50)));
    world.run_until(secs(30.0));
    assert_eq!(actives(&world), [right]);
    assert_at(became_active(&world, right), 10.5 + 156.0 / 256.0);
    assert_eq!(world.trace().takeovers()[1].cause, Cause::Resigned(LEFT));
    assert!(world.trace().overlaps().is_empty());
}

/// Scenario 10.
#[test]
fn a_backup_whose_priority_changes_waits_for_the_skew_time_of_the_new_one() {
    for (to, wanted) in [(228, 28.0 / 256.0), (20, 236.0 / 256.0)] {
        let (mut world, left, right) = pair(v3(200).preempt(Preempt::No), v3(100).preempt(Preempt::No));
        world.run_until(secs(10.0));
        let last = world.trace().sent(left).last().unwrap().0;
        world.inflict(Fault::Crash(left));
        at(&mut world, 11.5, Fault::Priority(right, priority(to)));
        world.run_until(secs(20.0));
        assert_eq!(actives(&world), [right]);
        assert_at(became_active(&world, right), last.as_nanos() as f64 / 1e9 + 3.0 + wanted);
    }
}

/// Scenario 5: the group of lower priority goes dark, and is told.
#[test]
fn two_groups_with_one_vrid_clash_and_hear_of_it() {
    let other = Config::v3(vrid(), ["192.0.2.200".parse().unwrap()]).priority(priority(100));
    let (mut world, left, right) = pair(v3(200), other);
    world.run_until(secs(20.0));
    assert_eq!(actives(&world), [left]);
    assert_eq!(count(&world, right, |event| *event == Event::AddressMismatch { source: LEFT, count: 1 }), 1);
    assert!(world.router(right).unwrap().stats().address_list_errors > 10);
}

/// Scenario 5: the same identifier on another network or for another family is another virtual router.
#[test]
fn one_vrid_on_two_networks_and_for_two_families_makes_three_virtual_routers() {
    let mut world = World::new(1, Lan::default());
    let elsewhere = world.add_lan(Lan::default());
    let virtual6: IpAddr = "fe80::100".parse().unwrap();
    let v6 = |value| Config::v3(vrid(), [virtual6]).priority(priority(value)).build().unwrap();
    let v4 = |value| v3(value).build().unwrap();
    world.add(Node::new(v4(200), LEFT)).unwrap();
    world.add(Node::new(v4(100), RIGHT)).unwrap();
    world.add(Node::new(v4(50), LEFT).on(elsewhere)).unwrap();
    world.add(Node::new(v6(100), "fe80::1".parse().unwrap())).unwrap();
    world.add(Node::new(v6(40), "fe80::2".parse().unwrap())).unwrap();
    world.run_until(secs(20.0));
    assert_eq!(actives(&world).iter().map(|node| node.index()).collect::<Vec<_>>(), [0, 2, 3]);
    assert!(world.trace().overlaps().is_empty());
    assert_eq!(world.trace().stations()[3].family, Family::V6);
}

/// When the last message before a time was sent, in seconds.
trait LastBefore {
    fn rev_before(self, time: Time) -> f64;
}

impl<I: Iterator<Item = (Time, Message)>> LastBefore for I {
    fn rev_before(self, time: Time) -> f64 {
        let last = self.map(|(at, _)| at).filter(|at| *at < time).last().unwrap();
        last.as_nanos() as f64 / 1e9
    }
}
