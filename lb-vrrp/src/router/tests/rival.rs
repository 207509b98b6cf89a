//! Another router that stays Active besides this one.

use super::rig::*;
use crate::{Event, Family, State};

fn lower(from: u8) -> Packet {
    Packet { priority: 50, ..Packet::v3(Family::V4, from) }
}

/// Lets a second pass, in which we advertise and hear this.
fn second(rig: &mut Rig, packet: &Packet) -> Vec<Did> {
    rig.wait(SECOND);
    let _ = rig.wake();
    rig.hear(packet)
}

#[test]
fn a_rival_that_stays_is_told_once_and_shown_as_long_as_it_stays() {
    let mut rig = Rig::active(v3(Family::V4));
    let _ = rig.hear(&lower(9));
    let mut told = Vec::new();
    for number in 1..=10 {
        let done = second(&mut rig, &lower(9));
        told.extend(done.into_iter().filter(|did| matches!(did, Did::Tell(Event::OtherStaysActive { .. }))));
        // Three intervals and the skew time are over after four.
        assert_eq!(rig.router.rival(rig.now).is_some(), number >= 4, "after {number} s");
    }
    let source = host(Family::V4, 9);
    let event = Event::OtherStaysActive { source, priority: priority(50), lasts: SECOND * 4 };
    assert_eq!(told, [Did::Tell(event)]);
    let rival = rig.router.rival(rig.now).unwrap();
    assert_eq!(
        (rival.source, rival.priority, rig.now.since(rival.since)),
        (source, priority(50), SECOND * 10)
    );
    rig.wait(down(100, 100));
    assert!(rig.router.rival(rig.now).is_some());
    rig.wait(SECOND / 1000);
    assert!(rig.router.rival(rig.now).is_none(), "it is silent");
}

/// One that hears us yields within an interval.
#[test]
fn a_rival_that_yields_is_no_trouble() {
    let mut rig = Rig::active(v3(Family::V4));
    let _ = rig.hear(&lower(9));
    for _ in 0..10 {
        rig.wait(SECOND);
        let _ = rig.wake();
    }
    let done = rig.hear(&lower(9));
    assert!(!done.iter().any(|did| matches!(did, Did::Tell(Event::OtherStaysActive { .. }))), "{done:?}");
    assert!(rig.router.rival(rig.now).is_none());
}

#[test]
fn a_rival_that_advertises_seldom_counts_as_active_between_its_adverts() {
    let mut rig = Rig::active(v3(Family::V4));
    let slow = Packet { interval: 1000, ..lower(9) };
    let _ = rig.hear(&slow);
    for _ in 0..4 {
        for _ in 0..9 {
            rig.wait(SECOND);
            let _ = rig.wake();
        }
        let _ = second(&mut rig, &slow);
    }
    assert!(rig.router.rival(rig.now).is_some());
}

#[test]
fn a_router_that_yields_has_no_rival() {
    let mut rig = Rig::active(v3(Family::V4));
    for _ in 0..6 {
        let _ = second(&mut rig, &lower(9));
    }
    assert!(rig.router.rival(rig.now).is_some());
    let _ = rig.hear(&Packet { priority: 200, ..lower(9) });
    assert_eq!((rig.router.state(), rig.router.rival(rig.now)), (State::Backup, None));
}

/// It yields with one advert, or had sent one before it heard us: that is no second Active router.
#[test]
fn a_router_that_was_preempted_just_now_is_no_rival() {
    let mut rig = Rig::backup(v3(Family::V4));
    let _ = rig.hear(&lower(9));
    let _ = rig.timeout();
    assert_eq!(rig.router.state(), State::Active);
    let source = host(Family::V4, 9);
    let other = Did::Tell(Event::OtherActive { source, priority: priority(50) });
    rig.wait(SECOND / 10);
    let done = rig.hear(&lower(9));
    assert!(!done.contains(&other) && !done.iter().any(|did| matches!(did, Did::Announce(_))), "{done:?}");
    // Another router is one, and the same one when it goes on.
    let third = Did::Tell(Event::OtherActive { source: host(Family::V4, 8), priority: priority(50) });
    assert!(rig.hear(&lower(8)).contains(&third));
    let _ = rig.timeout();
    rig.wait(SECOND / 10);
    assert!(rig.hear(&lower(9)).contains(&other));
}
