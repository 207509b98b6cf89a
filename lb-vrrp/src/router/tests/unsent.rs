//! Advertisements that can not be sent.

use super::rig::*;
use crate::{Cause, Event, Family, Input, Priority, State};

const LOST: Input<'static> = Input::Unsent { copies: 1, all: true };

fn stepped_down() -> Did {
    Did::Tell(Event::State { from: State::Active, to: State::Backup, cause: Cause::NothingSent })
}

fn sends(done: &[Did]) -> bool {
    done.iter().any(|did| matches!(did, Did::Send(..)))
}

/// Active, and none of its advertisements leaves until it is Backup.
fn muted(config: crate::ConfigBuilder) -> Rig {
    let mut rig = Rig::active(config);
    for _ in 0..4 {
        if rig.input(LOST).contains(&stepped_down()) {
            return rig;
        }
        let _ = rig.timeout();
    }
    panic!("it is Active for longer than three intervals");
}

#[test]
fn an_active_router_none_of_whose_adverts_leaves_steps_down_within_a_down_interval() {
    let mut rig = Rig::active(v3(Family::V4));
    for _ in 0..3 {
        assert_eq!(rig.input(LOST), []);
        assert!(sends(&rig.timeout()));
    }
    assert_eq!(rig.input(LOST), [Did::Remove, stepped_down()]);
    assert_eq!(rig.router.state(), State::Backup);
    assert!(rig.router.is_muted());
    assert_eq!((rig.router.stats().sent, rig.router.stats().unsent), (0, 4), "sent is what has left");
}

#[test]
fn one_advert_that_leaves_in_between_is_enough() {
    let mut rig = Rig::active(v3(Family::V4));
    for round in 1..20 {
        let input = if round % 3 == 0 { Input::Sent } else { LOST };
        assert_eq!(rig.input(input), []);
        let _ = rig.timeout();
    }
    assert_eq!(rig.router.state(), State::Active);
}

#[test]
fn one_of_several_peers_is_enough() {
    let peers = [host(Family::V4, 8), host(Family::V4, 9)];
    let mut rig = Rig::active(v3(Family::V4).unicast(peers));
    for _ in 0..10 {
        assert_eq!(rig.input(Input::Unsent { copies: 1, all: false }), []);
        let _ = rig.timeout();
    }
    assert_eq!(rig.router.state(), State::Active);
    assert_eq!((rig.router.stats().sent, rig.router.stats().unsent), (12, 10));
}

#[test]
fn a_muted_router_takes_over_only_when_an_advert_has_left() {
    let mut rig = muted(v3(Family::V4));
    for _ in 0..3 {
        assert_eq!(rig.timeout(), [Did::Send(3, 100)], "nothing is installed");
        assert_eq!(rig.input(LOST), []);
        assert_eq!(rig.remaining(), down(100, 100));
    }
    assert_eq!(rig.timeout(), [Did::Send(3, 100)]);
    let done = rig.input(Input::Sent);
    assert!(done.contains(&Did::Install), "{done:?}");
    assert_eq!(rig.router.state(), State::Active);
    assert!(!rig.router.is_muted());
    // And it is as patient as at first.
    assert_eq!(rig.input(LOST), []);
}

#[test]
fn a_muted_router_follows_others_as_any_backup_does() {
    let mut rig = muted(v3(Family::V4));
    let _ = rig.timeout();
    let _ = rig.hear(&Packet { priority: 200, ..Packet::v3(Family::V4, 9) });
    assert_eq!(rig.remaining(), down(100, 100));
    // What has left meanwhile makes it Active no more: another one is.
    let done = rig.input(Input::Sent);
    assert!(!done.contains(&Did::Install), "{done:?}");
    assert_eq!(rig.router.state(), State::Backup);
}

#[test]
fn a_muted_owner_and_one_that_is_told_to_take_over_try_to_send_first() {
    let mut owner = muted(v3(Family::V4).priority(Priority::OWNER));
    let _ = owner.input(Input::Shutdown(Default::default()));
    assert_eq!(actions(owner.input(Input::Startup)), [Did::Remove, Did::Send(3, 255)]);
    assert!(owner.input(Input::Sent).contains(&Did::Install));

    let mut rig = muted(v3(Family::V4));
    assert_eq!(rig.input(Input::TakeOver), [Did::Send(3, 100)]);
    let cause = Cause::Requested;
    let active = Did::Tell(Event::State { from: State::Backup, to: State::Active, cause });
    assert!(rig.input(Input::Sent).contains(&active));
}

#[test]
fn a_held_router_that_is_muted_is_not_ready() {
    let mut rig = muted(v3(Family::V4));
    let _ = rig.input(Input::Hold(true));
    assert_eq!(rig.timeout(), [Did::Send(3, 100)]);
    assert!(!rig.router.is_ready());
    assert_eq!(rig.input(Input::Sent), [Did::Tell(Event::Ready(Some(Cause::Silence)))]);
}

#[test]
fn a_successor_process_knows_that_it_is_muted() {
    let rig = muted(v3(Family::V4));
    let config = v3(Family::V4).build().unwrap();
    let taken = rig.router.snapshot(rig.now);
    let router = crate::VirtualRouter::restore(config, host(Family::V4, OURS), &taken, rig.now).unwrap();
    assert_eq!(Rig::at(rig.now, router).timeout(), [Did::Send(3, 100)]);
}

#[test]
fn a_resignation_that_was_lost_was_not_sent() {
    let mut rig = Rig::active(v3(Family::V4));
    let _ = rig.input(Input::Shutdown(crate::Farewell::Resign));
    let _ = rig.input(LOST);
    assert_eq!((rig.router.stats().sent, rig.router.stats().priority_zero_sent), (1, 0));
}

/// Where nothing is said of what was sent, everything is as it was.
#[test]
fn that_an_advert_has_left_is_no_news_otherwise() {
    for mut rig in [Rig::new(v3(Family::V4)), Rig::backup(v3(Family::V4)), Rig::active(v3(Family::V4))] {
        let state = rig.router.state();
        assert_eq!(rig.input(Input::Sent), []);
        assert_eq!(rig.router.state(), state);
    }
}
