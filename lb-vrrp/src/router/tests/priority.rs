//! A Backup whose priority changes while it waits.

use std::time::Duration;

use proptest::prelude::*;

use super::rig::*;
use crate::{Cause, Event, Family, Input, Preempt, State, router::Snapshot};

fn from(peer: u8, priority: u8) -> Packet {
    Packet { priority, ..Packet::v3(Family::V4, peer) }
}

/// Priority 150, which hears 100 once a second and is about to preempt it.
fn about_to_preempt() -> Rig {
    let mut rig = Rig::backup(v3(Family::V4).priority(priority(150)));
    for _ in 0..3 {
        let _ = rig.hear(&from(9, 100));
        rig.wait(SECOND);
    }
    assert!(rig.remaining() < SECOND);
    rig
}

#[test]
fn a_priority_that_falls_below_the_last_heard_one_follows_it() {
    for falls_to in [60, 100] {
        let mut rig = about_to_preempt();
        let told = rig.input(Input::Priority(priority(falls_to)));
        let active = Event::NewActive { source: host(Family::V4, 9), priority: priority(100) };
        assert!(told.contains(&Did::Tell(active)), "{told:?}");
        assert_eq!(rig.remaining(), down(falls_to.into(), 100) - SECOND, "since the last advert");
        let _ = rig.hear(&from(9, 100));
        assert_eq!(rig.remaining(), down(falls_to.into(), 100));
        // When that one falls silent, that is the reason.
        let cause = Cause::Silence;
        let expected = Event::State { from: State::Backup, to: State::Active, cause };
        assert_eq!(rig.timeout().last(), Some(&Did::Tell(expected)));
    }
}

#[test]
fn a_priority_that_stays_above_the_last_heard_one_preempts() {
    let mut rig = about_to_preempt();
    let before = rig.remaining();
    let _ = rig.input(Input::Priority(priority(101)));
    assert_eq!(rig.remaining(), before + skew(101, 100) - skew(150, 100));
    let cause = Cause::Preempts(host(Family::V4, 9));
    let expected = Event::State { from: State::Backup, to: State::Active, cause };
    assert_eq!(rig.timeout().last(), Some(&Did::Tell(expected)));
}

#[test]
fn a_configuration_that_forbids_to_preempt_follows_the_last_heard_one() {
    let mut rig = about_to_preempt();
    let config = v3(Family::V4).priority(priority(150)).preempt(Preempt::No).build().unwrap();
    rig.router.reconfigure(rig.now, config).unwrap();
    let _ = rig.drain();
    assert_eq!(rig.remaining(), down(150, 100) - SECOND);
    assert_eq!(rig.router.active().map(|(source, _)| source), Some(host(Family::V4, 9)));
}

/// A tracker that flaps makes no deadline earlier, nor later.
#[test]
fn a_priority_that_comes_back_leaves_the_deadline_where_it_was() {
    for heard in [None, Some(200)] {
        let mut rig = Rig::backup(v3(Family::V4).priority(priority(150)));
        if let Some(heard) = heard {
            let _ = rig.hear(&from(9, heard));
        }
        let deadline = rig.router.poll_timeout();
        for _ in 0..10 {
            rig.wait(Duration::from_millis(10));
            for value in [60, 150] {
                let _ = rig.input(Input::Priority(priority(value)));
            }
            assert_eq!(rig.router.poll_timeout(), deadline);
        }
    }
}

#[test]
fn a_held_router_takes_back_that_it_is_ready_to_preempt() {
    let mut rig = Rig::backup(v3(Family::V4).priority(priority(150)));
    let _ = rig.input(Input::Hold(true));
    let _ = rig.hear(&from(9, 100));
    assert!(rig.timeout().contains(&Did::Tell(Event::Ready(Some(Cause::Preempts(host(Family::V4, 9)))))));
    let _ = rig.hear(&from(9, 100));
    assert!(rig.input(Input::Priority(priority(60))).contains(&Did::Tell(Event::Ready(None))));
    assert!(!rig.router.is_ready());
}

#[test]
fn a_successor_process_knows_what_is_pending_and_what_was_heard() {
    let rig = about_to_preempt();
    let taken = rig.router.snapshot(rig.now);
    let read: Snapshot = serde_json::from_str(&serde_json::to_string(&taken).unwrap()).unwrap();
    let restored = || {
        let config = v3(Family::V4).priority(priority(150)).build().unwrap();
        let router = crate::VirtualRouter::restore(config, host(Family::V4, OURS), &read, rig.now).unwrap();
        Rig::at(rig.now, router)
    };
    let mut goes_on = restored();
    assert_eq!(goes_on.router.heard(), rig.router.heard());
    let cause = Cause::Preempts(host(Family::V4, 9));
    let expected = Event::State { from: State::Backup, to: State::Active, cause };
    assert_eq!(goes_on.timeout().last(), Some(&Did::Tell(expected)));

    let mut falls = restored();
    let _ = falls.input(Input::Priority(priority(60)));
    assert_eq!(falls.remaining(), down(60, 100) - SECOND);

    // A resignation as well.
    let mut rig = Rig::backup(v3(Family::V4));
    let _ = rig.hear(&from(9, 200));
    let _ = rig.hear(&from(9, 0));
    let taken = rig.router.snapshot(rig.now);
    let config = v3(Family::V4).build().unwrap();
    let router = crate::VirtualRouter::restore(config, host(Family::V4, OURS), &taken, rig.now).unwrap();
    let cause = Cause::Resigned(host(Family::V4, 9));
    let expected = Event::State { from: State::Backup, to: State::Active, cause };
    assert_eq!(Rig::at(rig.now, router).timeout().last(), Some(&Did::Tell(expected)));
}

/// A snapshot of an earlier release says nothing of either.
#[test]
fn a_snapshot_without_the_pending_cause_is_read() {
    let taken = about_to_preempt().router.snapshot(crate::Time::from_secs(1003));
    let mut value = serde_json::to_value(&taken).unwrap();
    let object = value.as_object_mut().unwrap();
    assert!(object.remove("pending").is_some() && object.remove("heard").is_some());
    let _: Snapshot = serde_json::from_value(value).unwrap();
}

/// Whoever resigned, and however often it is said: nobody waits longer for it.
#[test]
fn repeated_resignations_do_not_put_off_the_takeover() {
    for knows in [false, true] {
        let mut rig = Rig::backup(v3(Family::V4));
        if knows {
            let _ = rig.hear(&from(9, 200));
        }
        let _ = rig.hear(&from(9, 0));
        let deadline = rig.router.poll_timeout();
        for _ in 0..5 {
            rig.wait(Duration::from_millis(100));
            let _ = rig.hear(&from(9, 0));
            assert_eq!(rig.router.poll_timeout(), deadline, "heard before: {knows}");
        }
        let _ = rig.timeout();
        assert_eq!(rig.router.state(), State::Active);
    }
}

/// Nor when different routers resign in turn, or one does that was about to be preempted.
#[test]
fn resignations_of_others_do_not_put_off_the_takeover() {
    let mut rig = Rig::backup(v3(Family::V4));
    let _ = rig.hear(&from(8, 0));
    let deadline = rig.router.poll_timeout();
    rig.wait(Duration::from_millis(100));
    let _ = rig.hear(&from(9, 0));
    assert_eq!(rig.router.poll_timeout(), deadline);

    let mut rig = about_to_preempt();
    rig.wait(rig.remaining() / 2);
    let deadline = rig.router.poll_timeout();
    let _ = rig.hear(&from(9, 0));
    assert_eq!(rig.router.poll_timeout(), deadline);
}

proptest! {
    /// However the priority moves and whatever is heard: a Backup whose priority is not above that of the last advert
    /// waits for a whole down interval after it.
    #[test]
    fn who_is_not_above_the_last_advert_waits_for_the_down_interval(
        steps in prop::collection::vec((0..900_u64, 1..=254_u8, any::<bool>()), 1..40),
        first in 1..=254_u8,
        delayed: bool,
    ) {
        let preempt = if delayed { Preempt::After(SECOND * 2) } else { Preempt::Yes };
        let mut rig = Rig::backup(v3(Family::V4).priority(priority(first)).preempt(preempt));
        let mut last = None;
        for (wait, value, hears) in steps {
            rig.wait(Duration::from_millis(wait));
            let _ = rig.wake();
            if rig.router.state() == State::Active {
                break;
            }
            if hears {
                let _ = rig.hear(&from(9, value));
                last = Some((rig.now, value));
            } else {
                let _ = rig.input(Input::Priority(priority(value)));
            }
            let own = rig.router.priority().get();
            if let Some((at, theirs)) = last.filter(|(_, theirs)| own <= *theirs) {
                prop_assert_eq!(rig.router.poll_timeout(), Some(at + down(own.into(), 100)), "{} hears {}", own, theirs);
            }
        }
    }
}
