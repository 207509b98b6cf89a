//! Time that passes otherwise than it should: late timers, old messages, storms.

use std::time::Duration;

use proptest::prelude::*;

use super::rig::*;
use crate::{AnnounceReason, Cause, Event, Family, Farewell, Input, Preempt, Priority, State};

const MILLISECOND: Duration = Duration::from_millis(1);

fn from(peer: u8, priority: u8) -> Packet {
    Packet { priority, ..Packet::v3(Family::V4, peer) }
}

#[test]
fn a_message_counts_from_when_it_was_received() {
    let mut rig = Rig::backup(v3(Family::V4));
    let received = rig.now;
    rig.wait(SECOND);
    let _ = rig.hear_from(&from(9, 200), received);
    assert_eq!(rig.remaining(), down(100, 100) - SECOND);
    // A clock that is ahead does not make it count longer.
    let _ = rig.hear_from(&from(9, 200), rig.now + SECOND * 100);
    assert_eq!(rig.remaining(), down(100, 100));
}

#[test]
fn a_message_is_stale_when_it_is_older_than_others_wait() {
    for (age, stale) in [(down(100, 100), false), (down(100, 100) + Duration::from_nanos(1), true)] {
        let mut rig = Rig::active(v3(Family::V4));
        let received = rig.now;
        rig.wait(age);
        let _ = rig.hear_from(&from(9, 200), received);
        assert_eq!(rig.router.state() == State::Active, stale);
    }
}

/// What others sent while the machine slept may be lost, so that silence proves nothing.
#[test]
fn a_backup_that_slept_listens_again() {
    let mut rig = Rig::backup(v3(Family::V4));
    let late = down(100, 100) + Duration::from_nanos(1);
    rig.wait(rig.remaining() + late);
    assert_eq!(rig.wake(), [Did::Tell(Event::Late { by: late })]);
    assert_eq!(rig.remaining(), down(100, 100));
    assert_eq!(rig.router.stats().late, 1);
    assert_eq!(rig.timeout()[0], Did::Send(3, 100));

    let mut rig = Rig::backup(v3(Family::V4));
    rig.wait(rig.remaining() + down(100, 100));
    assert_eq!(rig.wake()[0], Did::Send(3, 100), "no later than others wait");
}

/// A takeover that was pending for another reason is over as well.
#[test]
fn a_backup_that_slept_forgets_why_it_was_to_take_over() {
    let mut rig = Rig::backup(v3(Family::V4));
    let _ = rig.hear(&from(9, 0));
    rig.wait(SECOND * 100);
    let _ = rig.wake();
    let silence = Event::State { from: State::Backup, to: State::Active, cause: Cause::Silence };
    assert_eq!(rig.timeout().last(), Some(&Did::Tell(silence)));
}

#[test]
fn an_active_router_that_was_stalled_says_so_and_goes_on() {
    let mut rig = Rig::active(v3(Family::V4));
    rig.wait(SECOND * 3);
    assert_eq!(rig.wake(), [Did::Send(3, 100)], "others wait for three intervals and their skew time");
    let late = SECOND * 2 + Duration::from_nanos(1);
    rig.wait(SECOND + late);
    let again = Did::Announce(AnnounceReason::Restored);
    assert_eq!(rig.wake(), [Did::Tell(Event::Late { by: late }), Did::Send(3, 100), again]);
    assert_eq!(rig.remaining(), SECOND);
    assert_eq!(rig.router.stats().late, 1);
}

/// `step_down_when_late`.
#[test]
fn an_active_router_that_was_stalled_may_listen_first() {
    let mut rig = Rig::active(v3(Family::V4).step_down_when_late(true));
    rig.wait(SECOND * 3);
    assert_eq!(rig.wake(), [Did::Send(3, 100)], "not when others still wait");
    rig.wait(SECOND * 5);
    let late = Did::Tell(Event::Late { by: SECOND * 4 });
    let backup = Event::State { from: State::Active, to: State::Backup, cause: Cause::Stalled };
    assert_eq!(rig.wake(), [late, Did::Remove, Did::Tell(backup)]);
    assert_eq!(rig.remaining(), down(100, 100));

    // What waited in the socket buffer is read before the timer is looked at.
    let mut rig = Rig::active(v3(Family::V4).step_down_when_late(true));
    rig.wait(SECOND * 5);
    assert_eq!(rig.hear(&from(9, 50)), [late, Did::Remove, Did::Tell(backup)]);
    assert_eq!(rig.router.state(), State::Backup, "it does not answer");

    let mut owner = Rig::active(v3(Family::V4).step_down_when_late(true).priority(Priority::OWNER));
    owner.wait(SECOND * 100);
    let _ = owner.wake();
    assert_eq!(owner.router.state(), State::Active, "an owner never does");
}

#[test]
fn a_late_advertisement_does_not_move_those_after_it() {
    let mut rig = Rig::active(v3(Family::V4));
    rig.wait(SECOND + 300 * MILLISECOND);
    let _ = rig.wake();
    assert_eq!(rig.remaining(), 700 * MILLISECOND);
    rig.wait(SECOND * 2);
    let _ = rig.wake();
    assert_eq!(rig.remaining(), SECOND, "what was missed is not made up for");
}

/// A loop in the network, or two routers that both believe to be higher, make no storm.
#[test]
fn answers_to_lower_priorities_are_spaced() {
    let mut rig = Rig::active(v3(Family::V4));
    let _ = rig.timeout();
    let mut sent = 0;
    for _ in 0..500 {
        rig.wait(MILLISECOND);
        sent += rig.hear(&from(9, 50)).iter().filter(|did| **did == Did::Send(3, 100)).count();
    }
    assert_eq!(sent, 50, "one in ten milliseconds");
    assert_eq!(rig.router.stats().coalesced, 450);
}

/// As after a stall, when many wait to be read.
#[test]
fn messages_from_before_the_last_answer_are_answered_by_it() {
    for value in [0, 50] {
        let mut rig = Rig::active(v3(Family::V4));
        let _ = rig.timeout();
        let received = rig.now + 100 * MILLISECOND;
        rig.wait(SECOND / 2);
        assert!(rig.hear_from(&from(9, value), received).contains(&Did::Send(3, 100)));
        for age in 1..10 {
            rig.wait(50 * MILLISECOND);
            let done = actions(rig.hear_from(&from(9, value), received + MILLISECOND * age));
            assert_eq!(done, [], "{value}");
        }
        assert_eq!(rig.router.stats().coalesced, 9);
    }
}

/// Once in an interval: each costs a frame for every address.
#[test]
fn announcements_against_another_active_router_are_spaced() {
    let mut rig = Rig::active(v3(Family::V4).interval(centiseconds(50)));
    let mut announced = 0;
    for _ in 0..100 {
        rig.wait(20 * MILLISECOND);
        let done = rig.hear(&from(9, 50));
        announced += done.iter().filter(|did| **did == Did::Announce(AnnounceReason::OtherActive)).count();
    }
    assert_eq!(announced, 4, "in two seconds");
}

/// Anything that may come, as often as it likes.
#[derive(Clone, Copy, Debug)]
enum Action {
    Wait(u64),
    /// From whom, of which priority and interval, and how long ago.
    Hear(u8, u8, u16, u64),
    Priority(u8),
    PeerDown(u8),
    Hold(bool),
    TakeOver,
    StepDown,
    Restart,
}

fn run() -> impl Strategy<Value = Vec<Action>> {
    let heard = (1u8..10, any::<u8>(), 0u16..4096, 0u64..5_000_000_000);
    let action = prop_oneof![
        3 => (0u64..8_000_000_000).prop_map(Action::Wait),
        6 => heard.prop_map(|(peer, value, interval, age)| Action::Hear(peer, value, interval, age)),
        1 => (1u8..=255).prop_map(Action::Priority),
        1 => (1u8..10).prop_map(Action::PeerDown),
        1 => any::<bool>().prop_map(Action::Hold),
        1 => Just(Action::TakeOver),
        1 => Just(Action::StepDown),
        1 => Just(Action::Restart),
    ];
    prop::collection::vec(action, 1..60)
}

fn act(rig: &mut Rig, action: Action) -> Vec<Did> {
    match action {
        Action::Wait(nanos) => {
            rig.wait(Duration::from_nanos(nanos));
            Vec::new()
        }
        Action::Hear(peer, priority, interval, age) => {
            let packet = Packet { priority, interval, ..Packet::v3(Family::V4, peer) };
            rig.hear_from(&packet, rig.now.earlier(Duration::from_nanos(age)))
        }
        Action::Priority(value) => rig.input(Input::Priority(priority(value))),
        Action::PeerDown(peer) => rig.input(Input::PeerDown(host(Family::V4, peer))),
        Action::Hold(held) => rig.input(Input::Hold(held)),
        Action::TakeOver => rig.input(Input::TakeOver),
        Action::StepDown => rig.input(Input::StepDown(Farewell::Resign)),
        Action::Restart => {
            let mut done = rig.input(Input::Shutdown(Farewell::Resign));
            done.extend(rig.input(Input::Startup));
            done
        }
    }
}

proptest! {
    /// The deadline after a timeout is to come and no further than a down interval away, and who is Active has the
    /// addresses, and nobody else.
    #[test]
    fn whatever_happens(run in run(), delayed in any::<bool>(), own in 1u16..4096) {
        let preempt = if delayed { Preempt::After(SECOND * 3) } else { Preempt::Yes };
        let mut rig = Rig::started(v3(Family::V4).preempt(preempt).interval(centiseconds(own)));
        let mut installed = false;
        for action in run {
            let mut done = act(&mut rig, action);
            done.extend(rig.wake());
            let deadline = rig.router.poll_timeout().unwrap();
            prop_assert!(deadline > rig.now);
            let longest = rig.router.down_interval().max(rig.router.config().interval().duration());
            // A priority that became higher shortened the wait that is meant here.
            let longest = longest + rig.router.active_interval().duration();
            prop_assert!(deadline - rig.now <= longest);
            for did in done {
                match did {
                    Did::Install => { prop_assert!(!installed); installed = true; }
                    // Also when it starts, for what a predecessor left.
                    Did::Remove => installed = false,
                    Did::Announce(_) => prop_assert!(installed),
                    Did::Send(..) | Did::Tell(_) => {}
                }
            }
            prop_assert_eq!(installed, rig.router.state() == State::Active);
            prop_assert_eq!(rig.router.is_ready() && rig.router.state() == State::Active, false);
        }
    }
}
