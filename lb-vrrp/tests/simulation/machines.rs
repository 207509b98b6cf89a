//! Machines that stall, sleep, flap and die.

use lb_vrrp::{Cause, sim::Record};

use super::*;

fn fast(value: u8) -> ConfigBuilder {
    v3(value).interval(centiseconds(1))
}

/// A fast router, stopped from second 10 to 13, and another one that is Active meanwhile. What the other one sends fits
/// into the socket buffer, or only the first 2.56 seconds of it do.
fn stopped_for_three_seconds(left: ConfigBuilder, buffer: usize) -> (World, NodeId, NodeId) {
    let mut world = World::new(1, Lan::default());
    let left = world.add(Node::new(left.build().unwrap(), LEFT).buffer(buffer)).unwrap();
    let right = world.add(Node::new(fast(100).build().unwrap(), RIGHT)).unwrap();
    at(&mut world, 10.0, Fault::Pause(left));
    at(&mut world, 13.0, Fault::Resume(left));
    world.run_until(secs(12.99));
    assert_eq!(actives(&world), [left, right], "left does not know yet");
    world.run_until(secs(13.0));
    (world, left, right)
}

/// Scenario 12: what waited in its socket buffer is answered at most once, not message by message.
#[test]
fn an_active_router_that_was_stopped_for_three_seconds_answers_once() {
    for (buffer, waited) in [(1000, 297), (256, 256), (0, 0)] {
        let (mut world, left, right) = stopped_for_three_seconds(fast(200), buffer);
        let entries = world.trace().entries().iter();
        let resumed: Vec<_> = entries
            .filter(|entry| (entry.node, entry.at) == (Some(left), secs(13.0)))
            .map(|entry| &entry.what)
            .collect();
        let count = |wanted: &dyn Fn(&Record) -> bool| resumed.iter().filter(|what| wanted(what)).count();
        let received = count(&|what| matches!(what, Record::Received { .. }));
        assert!(received.abs_diff(waited) <= 1, "{received} messages waited");
        assert_eq!(count(&|what| matches!(what, Record::Sent(_))), 1);
        // The link has learned the Ethernet address of the other one.
        assert_eq!(count(&|what| matches!(what, Record::Announced(_))), 1);
        world.run_until(secs(13.0) + TRANSIT);
        assert_eq!(actives(&world), [left]);
        assert_backup(&world, right);
    }
}

/// Scenario 12, with the option to listen first.
#[test]
fn an_active_router_that_was_stopped_listens_first_when_configured_to() {
    for buffer in [1000, 256, 0] {
        let (mut world, left, right) = stopped_for_three_seconds(fast(200).step_down_when_late(true), buffer);
        assert_backup(&world, left);
        assert!(sent(&world, left, 13.0..=13.0).is_empty());
        assert_eq!(actives(&world), [right]);
        assert_eq!(count(&world, left, |event| matches!(event, Event::Late { .. })), 1);
        let stalled = |event: &Event| matches!(event, Event::State { cause: Cause::Stalled, .. });
        assert_eq!(count(&world, left, stalled), 1);
        world.run_until(secs(14.0));
        assert_eq!(actives(&world), [left], "it preempts as always");
    }
}

/// Scenario 13: what others sent while a machine slept is lost, so that silence proves nothing.
#[test]
fn a_backup_that_slept_past_its_deadline_listens_once_more() {
    for left_lives in [true, false] {
        let (mut world, left, right) = pair(v3(200), v3(100));
        at(&mut world, 10.0, Fault::Sleep(right));
        if !left_lives {
            at(&mut world, 15.0, Fault::Crash(left));
        }
        at(&mut world, 30.0, Fault::Wake(right));
        world.run_until(secs(30.0));
        assert_backup(&world, right);
        assert_eq!(count(&world, right, |event| matches!(event, Event::Late { .. })), 1);
        world.run_until(secs(60.0));
        if left_lives {
            assert_eq!(world.trace().tenures().len(), 1, "nothing happened");
        } else {
            assert_at(became_active(&world, right), 30.0 + 3.0 + 156.0 / 256.0);
        }
    }
}

/// Scenario 17.
#[test]
fn a_router_whose_interface_flaps_is_never_active_without_having_listened() {
    let (mut world, left, right) = pair(v3(200), v3(100));
    for flap in 0..3 {
        let down = 10.0 + 0.5 * f64::from(flap);
        at(&mut world, down, Fault::Stop { node: left, farewell: Farewell::Silent });
        at(&mut world, down + 0.25, Fault::Start(left));
    }
    world.run_until(secs(30.0));
    assert_eq!(actives(&world), [left]);
    // The last start, and its down interval after it: so long the other one is Active.
    assert_at(became_active(&world, left), 11.25 + 3.0 + 56.0 / 256.0);
    assert_eq!(world.trace().tenures().iter().filter(|tenure| tenure.node == left).count(), 2);
    assert!(sent(&world, left, 10.0..=14.0).is_empty(), "no carrier, no message");
    let right_active = world.trace().takeovers().iter().find(|takeover| takeover.node == right).unwrap().at;
    assert!(right_active > secs(12.0) && right_active < secs(14.0));
}

/// Scenario 21.
#[test]
fn a_lost_resignation_costs_a_down_interval_and_nothing_else() {
    for lost in [false, true] {
        let (mut world, left, right) = pair(v3(200), v3(100));
        if lost {
            at(&mut world, 10.5, Fault::Partition(vec![left]));
        }
        at(&mut world, 10.5, Fault::Stop { node: left, farewell: Farewell::Resign });
        world.run_until(secs(10.5));
        let done: Vec<_> = world.trace().entries().iter().filter(|entry| entry.node == Some(left)).collect();
        let index =
            |wanted: &dyn Fn(&Record) -> bool| done.iter().rposition(|entry| wanted(&entry.what)).unwrap();
        let resigned = index(&|what| matches!(what, Record::Sent(message) if message.priority == 0));
        let removed = index(&|what| *what == Record::Removed);
        assert!(resigned < removed, "it resigns, then removes its addresses");
        assert!(!world.holds_addresses(left));

        let last = world.trace().sent(left).filter(|(_, message)| message.priority > 0).last().unwrap().0;
        world.run_until(secs(30.0));
        let skew = 156.0 / 256.0;
        let wanted = if lost { last.as_nanos() as f64 / 1e9 + 3.0 + skew } else { 10.5 + skew };
        assert_at(became_active(&world, right), wanted);
        assert!(world.trace().overlaps().is_empty());
    }
}

/// Scenario 22: the dead one's machine answers for the addresses until its process is started again, and hears the other.
#[test]
fn a_killed_router_keeps_its_addresses_until_its_next_start_and_an_advertisement() {
    let (mut world, left, right) = pair(v3(200), v3(100));
    at(&mut world, 10.0, Fault::Crash(left));
    at(&mut world, 20.0, Fault::Start(left));
    world.run_until(secs(19.9));
    assert_eq!(actives(&world), [right]);
    assert!(world.holds_addresses(left) && world.holds_addresses(right), "two machines have the addresses");
    world.run_until(secs(20.0));
    assert_eq!(world.state(left), State::Backup);
    assert!(world.holds_addresses(left), "it knows of nobody yet");
    world.run_until(secs(21.0) + TRANSIT);
    assert_backup(&world, left);
    let takeovers = world.trace().takeovers();
    assert_eq!(takeovers.len(), 2);
    let outage = takeovers[1].outage.unwrap();
    assert!(outage > Duration::from_millis(2600) && outage < Duration::from_millis(3610), "{outage:?}");
}
