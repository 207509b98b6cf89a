//! Make before break, and addresses that a predecessor left.

use std::time::Duration;

use super::rig::*;
use crate::{
    AnnounceReason, Cause, ConfigBuilder, DropReason, Event, Family, Farewell, Input, Preempt, Profile, State,
};

const MARGIN: Duration = Duration::from_millis(50);

fn state(from: State, to: State, cause: Cause) -> Did {
    Did::Tell(Event::State { from, to, cause })
}

fn successor() -> Packet {
    Packet { priority: 50, ..Packet::v3(Family::V4, 9) }
}

/// Active for a while, then told to leave.
fn lingering(config: ConfigBuilder, leave: Input<'static>) -> Rig {
    let mut rig = Rig::active(config);
    rig.wait(SECOND / 4);
    let done = rig.input(leave);
    let to = rig.router.state();
    let cause = if to == State::Backup { Cause::Requested } else { Cause::Shutdown };
    assert_eq!(done, [Did::Send(3, 0), state(State::Active, to, cause)], "no Remove");
    assert!(rig.router.lingers());
    rig.wait(SECOND / 4);
    rig
}

#[test]
fn addresses_go_when_a_successor_is_heard() {
    let mut rig = lingering(v3(Family::V4), Input::Shutdown(Farewell::Linger));
    assert_eq!(rig.hear(&successor()), [Did::Remove]);
    assert!(!rig.router.lingers());
    assert_eq!(rig.router.poll_timeout(), None);
    let dropped = Event::Dropped { source: successor().source, reason: DropReason::NotRunning };
    assert_eq!(rig.hear(&successor()), [Did::Tell(dropped)], "it takes no part");

    let mut rig = lingering(v3(Family::V4).preempt(Preempt::No), Input::StepDown(Farewell::Linger));
    assert_eq!(actions(rig.hear(&successor())), [Did::Remove]);
    assert_eq!(actions(rig.hear(&successor())), []);
    assert_eq!(rig.router.state(), State::Backup);
}

/// A resignation, what fails a check, and what was received before the resignation was sent.
#[test]
fn what_is_no_successor_changes_nothing() {
    for leave in [Input::Shutdown(Farewell::Linger), Input::StepDown(Farewell::Linger)] {
        let mut rig = lingering(v3(Family::V4), leave);
        let resigned = Packet { priority: 0, ..successor() };
        let damaged = Packet { damage: 1, ..successor() };
        assert_eq!(actions(rig.hear(&resigned)), []);
        assert_eq!(actions(rig.hear(&damaged)), []);
        let before = rig.now.earlier(SECOND / 3);
        assert_eq!(actions(rig.hear_from(&successor(), before)), []);
        assert!(rig.router.lingers());
    }
}

#[test]
fn addresses_go_when_nobody_comes() {
    let cases = [
        (v3(Family::V4).interval(centiseconds(10)), skew(1, 10)),
        (v3(Family::V6).interval(centiseconds(4095)), skew(1, 4095)),
    ];
    for (config, longest_skew) in cases {
        for leave in [Input::Shutdown(Farewell::Linger), Input::StepDown(Farewell::Linger)] {
            let mut rig = Rig::active(config.clone());
            let _ = rig.input(leave);
            assert_eq!(rig.router.linger_time(), longest_skew + MARGIN);
            assert_eq!(rig.remaining(), longest_skew + MARGIN);
            rig.wait(longest_skew);
            assert_eq!(rig.wake(), []);
            assert_eq!(rig.timeout(), [Did::Remove]);
            assert!(!rig.router.lingers());
            assert_eq!(rig.router.poll_timeout().is_some(), rig.router.state() == State::Backup);
        }
    }
    let rig = Rig::active(v2().interval(centiseconds(300)));
    assert_eq!(rig.router.linger_time(), skew(1, 100) + MARGIN, "RFC 3768 §6.1");
    let rig = Rig::active(dual().interval(centiseconds(10)));
    assert_eq!(rig.router.linger_time(), skew(1, 100) + MARGIN, "a peer may speak VRRPv2");
}

#[test]
fn who_becomes_active_again_has_never_let_go() {
    let mut rig = lingering(v3(Family::V4), Input::StepDown(Farewell::Linger));
    let active = state(State::Backup, State::Active, Cause::Requested);
    let expected = [Did::Send(3, 100), Did::Install, Did::Announce(AnnounceReason::BecameActive), active];
    assert_eq!(rig.input(Input::TakeOver), expected);
    assert!(!rig.router.lingers());
    assert_eq!(rig.timeout(), [Did::Send(3, 100)]);

    let mut rig = lingering(v3(Family::V4), Input::Shutdown(Farewell::Linger));
    let backup = state(State::Initialize, State::Backup, Cause::Startup);
    assert_eq!(rig.input(Input::Startup), [backup]);
    assert_eq!(rig.timeout()[..2], [Did::Send(3, 100), Did::Install]);
}

#[test]
fn who_is_told_to_go_at_once_goes() {
    for farewell in [Farewell::Silent, Farewell::Resign] {
        let mut rig = lingering(v3(Family::V4), Input::Shutdown(Farewell::Linger));
        assert_eq!(rig.input(Input::Shutdown(Farewell::Linger)), [], "it does");
        assert_eq!(rig.input(Input::Shutdown(farewell)), [Did::Remove]);
        let mut rig = lingering(v3(Family::V4), Input::StepDown(Farewell::Linger));
        let down = state(State::Backup, State::Initialize, Cause::Shutdown);
        assert_eq!(rig.input(Input::Shutdown(farewell)), [Did::Remove, down]);
    }
}

/// RFC 9568 §6.4.2: a Backup does not answer for the addresses.
#[test]
fn nobody_lingers_in_the_strict_profile() {
    let strict = || v3(Family::V4).profile(Profile::Strict);
    let mut rig = Rig::active(strict());
    let done = rig.input(Input::StepDown(Farewell::Linger));
    assert_eq!(done[..2], [Did::Send(3, 0), Did::Remove]);
    let mut rig = Rig::new(strict());
    assert_eq!(rig.input(Input::Found), []);
    assert_eq!(rig.input(Input::Startup)[0], Did::Remove);
}

#[test]
fn addresses_that_were_found_stay_until_an_active_router_is_heard() {
    let mut rig = Rig::new(v3(Family::V4));
    assert_eq!(rig.input(Input::Found), []);
    assert_eq!(rig.input(Input::Startup), [state(State::Initialize, State::Backup, Cause::Startup)]);
    let other = Packet { priority: 200, ..successor() };
    assert_eq!(actions(rig.hear(&other)), [Did::Remove]);
    assert_eq!(actions(rig.hear(&other)), []);
}

#[test]
fn addresses_that_were_found_stay_with_who_becomes_active() {
    let mut rig = Rig::new(v3(Family::V4));
    let _ = rig.input(Input::Found);
    let _ = rig.input(Input::Startup);
    assert_eq!(rig.remaining(), down(100, 100), "it waits no longer for it");
    assert_eq!(actions(rig.timeout())[..2], [Did::Send(3, 100), Did::Install]);
    assert_eq!(rig.input(Input::Found), [], "an Active router has them");
    assert!(!rig.router.lingers());
}

/// A member of a group may wait for ever; and a router that is never started takes no part.
#[test]
fn addresses_that_were_found_go_when_nobody_wants_them() {
    let mut held = Rig::new(v3(Family::V4));
    let _ = held.input(Input::Hold(true));
    let _ = held.input(Input::Found);
    let _ = held.input(Input::Startup);
    assert_eq!(held.timeout(), [Did::Tell(Event::Ready(Some(Cause::Silence)))]);
    let began = held.now;
    while held.router.lingers() {
        assert!(held.now - began <= down(100, 100));
        let done = held.timeout();
        assert_eq!(done.contains(&Did::Remove), !held.router.lingers());
    }

    let mut idle = Rig::new(v3(Family::V4));
    let _ = idle.input(Input::Found);
    assert_eq!(idle.remaining(), down(100, 100) * 2);
    assert_eq!(idle.timeout(), [Did::Remove]);
    assert_eq!(idle.router.poll_timeout(), None);
}
