//! A planned switch: an Active router that leaves only when another one has taken over.

use std::time::Duration;

use super::rig::*;
use crate::{
    AnnounceReason, Cause, ConfigBuilder, DropReason, Event, Family, Farewell, Input, Profile, State,
    VirtualRouter,
};

const HAND_OVER: Input<'static> = Input::HandOver(Duration::ZERO);

fn state(from: State, to: State, cause: Cause) -> Did {
    Did::Tell(Event::State { from, to, cause })
}

fn from(peer: u8, priority: u8) -> Packet {
    Packet { priority, ..Packet::v3(Family::V4, peer) }
}

/// Active for a while, then told to hand over.
fn handing_over(config: ConfigBuilder) -> Rig {
    let mut rig = Rig::active(config);
    rig.wait(SECOND / 4);
    assert_eq!(rig.input(HAND_OVER), [Did::Send(3, 0)], "no address is removed");
    assert!(rig.router.is_handing_over() && rig.router.state() == State::Active);
    rig
}

#[test]
fn a_router_that_hands_over_leaves_when_any_other_router_advertises() {
    // A lower priority, the same, and a higher one.
    for priority in [50, 100, 200] {
        let mut rig = handing_over(v3(Family::V4));
        rig.wait(SECOND / 2);
        let successor = from(1, priority);
        let backup = state(State::Active, State::Backup, Cause::HandedOver(successor.source));
        let done = rig.hear(&successor);
        assert!(done.contains(&backup), "{done:?}");
        assert_eq!(actions(done), [Did::Remove], "{priority}");
        assert!(!rig.router.is_handing_over() && !rig.router.lingers());
        assert_eq!(rig.remaining(), down(100, 100));
    }
}

#[test]
fn without_a_successor_a_router_advertises_again_and_never_removes_its_addresses() {
    let mut rig = handing_over(v3(Family::V4));
    assert_eq!(rig.remaining(), rig.router.linger_time());
    let expected =
        [Did::Send(3, 100), Did::Announce(AnnounceReason::Restored), Did::Tell(Event::NoSuccessor)];
    assert_eq!(rig.timeout(), expected);
    assert!(!rig.router.is_handing_over());
    assert_eq!(rig.remaining(), SECOND);
    assert_eq!(rig.timeout(), [Did::Send(3, 100)], "as before");
}

#[test]
fn the_caller_may_have_it_wait_longer_and_that_is_no_stall() {
    let mut rig = Rig::active(v3(Family::V4).interval(centiseconds(10)).step_down_when_late(true));
    let long = SECOND * 5;
    assert_eq!(rig.input(Input::HandOver(long)), [Did::Send(3, 0)]);
    assert_eq!(rig.remaining(), long);
    rig.wait(SECOND * 4);
    assert_eq!(
        rig.input(Input::Priority(priority(90))).len(),
        1,
        "the priority is told, and nothing is sent"
    );
    assert_eq!(rig.timeout()[0], Did::Send(3, 90));
    // It was asleep beyond the deadline: others may have taken over.
    let _ = rig.input(HAND_OVER);
    rig.wait(SECOND * 10);
    let done = rig.wake();
    assert!(done.contains(&state(State::Active, State::Backup, Cause::Stalled)), "{done:?}");
    assert!(!rig.router.is_handing_over());
}

#[test]
fn what_is_no_successor_changes_nothing_while_handing_over() {
    let mut rig = handing_over(v3(Family::V4));
    let before = rig.now.earlier(SECOND / 8);
    rig.wait(SECOND / 4);
    for packet in [from(9, 0), Packet { damage: 1, ..from(9, 200) }] {
        assert_eq!(actions(rig.hear(&packet)), []);
    }
    assert_eq!(actions(rig.hear_from(&from(9, 200), before)), [], "from before the resignation");
    assert_eq!(rig.input(HAND_OVER), [], "it does");
    assert!(rig.router.is_handing_over());
    let config = v3(Family::V4).priority(priority(80)).build().unwrap();
    rig.router.reconfigure(rig.now, config).unwrap();
    assert_eq!(actions(rig.drain()), [], "it is silent with another configuration, too");
}

#[test]
fn other_orders_end_a_hand_over() {
    let mut rig = handing_over(v3(Family::V4));
    let done = rig.input(Input::Shutdown(Farewell::Resign));
    assert_eq!(
        done,
        [Did::Send(3, 0), Did::Remove, state(State::Active, State::Initialize, Cause::Shutdown)]
    );
    assert!(!rig.router.is_handing_over());
    let mut rig = handing_over(v3(Family::V4));
    let done = rig.input(Input::StepDown(Farewell::Linger));
    assert_eq!(done, [Did::Send(3, 0), state(State::Active, State::Backup, Cause::Requested)]);
    assert!(!rig.router.is_handing_over() && rig.router.lingers());
}

#[test]
fn an_owner_hears_its_successor_although_it_ignores_others() {
    let mut rig = handing_over(v3(Family::V4).priority(priority(255)).owner_ignores_adverts(true));
    let _ = rig.hear(&from(9, 100));
    assert_eq!(rig.router.state(), State::Backup);
}

#[test]
fn only_an_active_router_hands_over() {
    assert_eq!(Rig::backup(v3(Family::V4)).input(HAND_OVER), []);
    let mut idle = Rig::new(v3(Family::V4));
    assert_eq!(idle.input(HAND_OVER), []);
    let dropped = Event::Dropped { source: host(Family::V4, 9), reason: DropReason::NotRunning };
    assert_eq!(idle.hear(&from(9, 100)), [Did::Tell(dropped)]);
}

/// RFC 9568 §6.4.3 knows no Active router that does not advertise.
#[test]
fn in_the_strict_profile_handing_over_is_stepping_down() {
    let mut rig = Rig::active(v3(Family::V4).profile(Profile::Strict));
    let backup = state(State::Active, State::Backup, Cause::Requested);
    assert_eq!(rig.input(HAND_OVER), [Did::Send(3, 0), Did::Remove, backup]);
}

#[test]
fn a_router_that_is_restored_in_the_middle_is_active() {
    let rig = handing_over(v3(Family::V4));
    let snapshot = rig.router.snapshot(rig.now);
    let config = v3(Family::V4).build().unwrap();
    let restored = VirtualRouter::restore(config, rig.router.source(), &snapshot, rig.now).unwrap();
    assert_eq!(restored.state(), State::Active);
    assert!(!restored.is_handing_over());
}
