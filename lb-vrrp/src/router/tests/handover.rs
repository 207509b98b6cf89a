//! What others ask of a router: take over, step down, run with another priority or configuration.

use std::time::Duration;

use super::rig::*;
use crate::{
    AnnounceReason, Cause, Config, Event, Family, Farewell, Input, Preempt, Priority, State,
    router::OtherRouter,
};

fn from(peer: u8, priority: u8) -> Packet {
    Packet { priority, ..Packet::v3(Family::V4, peer) }
}

fn state(from: State, to: State, cause: Cause) -> Did {
    Did::Tell(Event::State { from, to, cause })
}

#[test]
fn a_backup_takes_over_when_it_is_told_to() {
    let mut rig = Rig::backup(v3(Family::V4));
    let active = state(State::Backup, State::Active, Cause::Requested);
    let expected = [Did::Send(3, 100), Did::Install, Did::Announce(AnnounceReason::BecameActive), active];
    assert_eq!(rig.input(Input::TakeOver), expected);
    assert_eq!(rig.remaining(), SECOND);
    assert_eq!(rig.input(Input::TakeOver), [], "it has");
    assert_eq!(Rig::new(v3(Family::V4)).input(Input::TakeOver), [], "it takes no part");
}

#[test]
fn an_active_router_steps_down_when_it_is_told_to() {
    for farewell in [Farewell::Resign, Farewell::Silent] {
        let mut rig = Rig::active(v3(Family::V4));
        rig.wait(SECOND / 2);
        let done = rig.input(Input::StepDown(farewell));
        let backup = state(State::Active, State::Backup, Cause::Requested);
        let expected = [Did::Send(3, 0), Did::Remove, backup];
        assert_eq!(done, expected[usize::from(farewell == Farewell::Silent)..]);
        assert_eq!(rig.remaining(), down(100, 100));
        assert_eq!(rig.input(Input::StepDown(farewell)), [], "it has");
    }
    assert_eq!(Rig::new(v3(Family::V4)).input(Input::StepDown(Farewell::Resign)), []);
}

/// As when the carrier is lost.
#[test]
fn a_shutdown_without_resignation_sends_nothing() {
    let mut rig = Rig::active(v3(Family::V4));
    let done = rig.input(Input::Shutdown(Farewell::Silent));
    assert_eq!(done, [Did::Remove, state(State::Active, State::Initialize, Cause::Shutdown)]);
    let done = rig.input(Input::Startup);
    assert_eq!(done, [Did::Remove, state(State::Initialize, State::Backup, Cause::Startup)]);
    assert_eq!(rig.remaining(), down(100, 100), "the whole down interval again");
    assert_eq!(rig.input(Input::Startup), [], "it takes part");
}

#[test]
fn a_peer_that_is_known_to_be_down_is_waited_for_no_longer_than_the_skew_time() {
    let mut rig = Rig::backup(v3(Family::V4));
    let _ = rig.hear(&from(9, 200));
    let peer = host(Family::V4, 9);
    assert_eq!(rig.input(Input::PeerDown(host(Family::V4, 8))), []);
    assert_eq!(rig.remaining(), down(100, 100), "another one is of no concern");
    assert_eq!(rig.input(Input::PeerDown(peer)), []);
    assert_eq!(rig.remaining(), skew(100, 100));
    rig.wait(Duration::from_millis(100));
    let _ = rig.input(Input::PeerDown(peer));
    assert_eq!(rig.remaining(), skew(100, 100) - Duration::from_millis(100), "not put off");
    let active = state(State::Backup, State::Active, Cause::PeerDown(peer));
    assert_eq!(rig.timeout().last(), Some(&active));
    assert_eq!(rig.input(Input::PeerDown(peer)), [], "an Active router has no peer to wait for");
}

#[test]
fn a_peer_that_is_heard_again_is_not_down() {
    let mut rig = Rig::backup(v3(Family::V4));
    let _ = rig.hear(&from(9, 200));
    let _ = rig.input(Input::PeerDown(host(Family::V4, 9)));
    let _ = rig.hear(&from(9, 200));
    assert_eq!(rig.remaining(), down(100, 100));
    assert_eq!(rig.timeout().last(), Some(&state(State::Backup, State::Active, Cause::Silence)));
}

#[test]
fn an_active_router_tells_its_new_priority_at_once() {
    let mut rig = Rig::active(v3(Family::V4));
    rig.wait(SECOND / 2);
    let told = Did::Tell(Event::Priority { from: priority(100), to: priority(30) });
    assert_eq!(rig.input(Input::Priority(priority(30))), [Did::Send(3, 30), told]);
    assert_eq!(rig.remaining(), SECOND);
    assert_eq!(rig.input(Input::Priority(priority(30))), [], "the same one");
    assert_eq!(rig.router.priority(), priority(30));
    assert_eq!(rig.router.config().priority(), priority(100));
}

/// By as much as the skew time is shorter or longer, so that a priority that flaps does not add up.
#[test]
fn a_backup_waits_as_long_as_its_priority_says() {
    let mut rig = Rig::backup(v3(Family::V4));
    rig.wait(SECOND);
    let _ = rig.input(Input::Priority(priority(200)));
    assert_eq!(rig.remaining(), down(200, 100) - SECOND);
    let _ = rig.input(Input::Priority(priority(10)));
    assert_eq!(rig.remaining(), down(10, 100) - SECOND);
    let done = rig.input(Input::Priority(Priority::OWNER));
    assert!(done.contains(&state(State::Backup, State::Active, Cause::Owner)));
    let mut idle = Rig::new(v3(Family::V4));
    assert_eq!(actions(idle.input(Input::Priority(priority(1)))), []);
}

#[test]
fn addresses_are_announced_again_when_asked_for() {
    let mut rig = Rig::active(v3(Family::V4));
    assert_eq!(rig.input(Input::Announce), [Did::Announce(AnnounceReason::Requested)]);
    assert_eq!(Rig::backup(v3(Family::V4)).input(Input::Announce), []);
}

fn reconfigure(rig: &mut Rig, config: Config) -> Vec<Did> {
    rig.router.reconfigure(rig.now, config).unwrap();
    rig.drain()
}

#[test]
fn another_virtual_router_is_refused_as_a_configuration() {
    let mut rig = Rig::active(v3(Family::V4));
    let others = [
        v3(Family::V6),
        v2(),
        dual(),
        Config::v3(crate::Vrid::new(8).unwrap(), virtual_addresses(Family::V4)),
    ];
    for other in others {
        let other = other.build().unwrap();
        assert_eq!(rig.router.reconfigure(rig.now, other), Err(OtherRouter));
        assert_eq!(rig.drain(), []);
    }
}

#[test]
fn an_active_router_tells_what_its_new_configuration_changes() {
    let mut rig = Rig::active(v3(Family::V4));
    rig.wait(SECOND / 2);
    let config = v3(Family::V4).interval(centiseconds(20)).build().unwrap();
    assert_eq!(reconfigure(&mut rig, config), [Did::Send(3, 100)]);
    assert_eq!(rig.sent[0].payload[4..6], [0, 20]);
    assert_eq!(rig.remaining(), Duration::from_millis(200));

    let told = Did::Tell(Event::Priority { from: priority(100), to: priority(120) });
    let config = v3(Family::V4).priority(priority(120)).build().unwrap();
    assert_eq!(reconfigure(&mut rig, config), [told, Did::Send(3, 120)]);

    let config = Config::v3(vrid(), [ip("192.0.2.9")]).priority(priority(120)).build().unwrap();
    let expected = [Did::Send(3, 120), Did::Install, Did::Announce(AnnounceReason::Requested)];
    assert_eq!(reconfigure(&mut rig, config), expected);
    assert_eq!(rig.sent[0].payload[8..], [192, 0, 2, 9]);
}

#[test]
fn a_backup_with_a_new_configuration_waits_no_longer_than_before() {
    let mut rig = Rig::backup(v3(Family::V4));
    rig.wait(SECOND);
    let before = rig.remaining();
    let slower = v3(Family::V4).interval(centiseconds(1000)).preempt(Preempt::No).build().unwrap();
    assert_eq!(reconfigure(&mut rig, slower), []);
    assert_eq!(rig.remaining(), before);
    let faster = v3(Family::V4).interval(centiseconds(10)).build().unwrap();
    assert_eq!(reconfigure(&mut rig, faster), []);
    assert_eq!(rig.remaining(), down(100, 10));

    let mut rig = Rig::backup(v3(Family::V4));
    let _ = rig.hear(&Packet { interval: 200, ..from(9, 200) });
    let faster = v3(Family::V4).interval(centiseconds(10)).build().unwrap();
    let _ = reconfigure(&mut rig, faster);
    assert_eq!(rig.router.active_interval(), centiseconds(200), "what was learned counts");
    assert_eq!(rig.remaining(), down(100, 200));
}

#[test]
fn a_backup_that_comes_to_own_the_addresses_becomes_active() {
    let mut rig = Rig::backup(v3(Family::V4));
    let owner = v3(Family::V4).priority(Priority::OWNER).build().unwrap();
    let done = reconfigure(&mut rig, owner);
    assert_eq!(done[0], Did::Send(3, 255));
    assert!(done.contains(&state(State::Backup, State::Active, Cause::Owner)));
}
