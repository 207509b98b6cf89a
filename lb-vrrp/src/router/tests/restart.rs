//! Another process goes on where one left off.

use super::rig::*;
use crate::{
    AnnounceReason, Cause, Config, ConfigBuilder, Event, Family, Input, Priority, State, Time, VirtualRouter,
    router::{ConfigError, Snapshot},
    wire::ChecksumForm,
};

/// A snapshot that went through text, as it would through a file.
fn snapshot(rig: &Rig) -> Snapshot {
    let taken = rig.router.snapshot(rig.now);
    let text = serde_json::to_string(&taken).unwrap();
    let read: Snapshot = serde_json::from_str(&text).unwrap();
    assert_eq!(read, taken);
    assert_eq!(read.state(), rig.router.state());
    read
}

fn restored(config: ConfigBuilder, snapshot: &Snapshot, now: Time) -> (Rig, Vec<Did>) {
    let config = config.build().unwrap();
    let source = host(config.family(), OURS);
    let mut rig = Rig::at(now, VirtualRouter::restore(config, source, snapshot, now).unwrap());
    let mut done = rig.drain();
    let state = rig.router.state();
    let started = rig.input(Input::Startup);
    assert!(state == State::Initialize || started.is_empty(), "it takes part already: {started:?}");
    done.extend(started);
    (rig, done)
}

#[test]
fn an_active_router_goes_on() {
    for family in FAMILIES {
        let mut old = Rig::active(v3(family));
        let _ = old.input(Input::Priority(priority(77)));
        old.wait(SECOND);
        let now = old.now + SECOND;
        let (mut rig, done) = restored(v3(family), &snapshot(&old), now);
        assert_eq!(done, [Did::Send(3, 77), Did::Install, Did::Announce(AnnounceReason::Restored)]);
        assert_eq!(rig.router.state(), State::Active);
        assert_eq!(rig.remaining(), SECOND);
        assert_eq!(rig.router.stats().became_active, 1, "the counters go on");
        assert_eq!(rig.timeout(), [Did::Send(3, 77)]);
    }
}

#[test]
fn an_active_router_that_others_have_taken_over_from_listens_first() {
    let old = Rig::active(v3(Family::V4));
    let nearly = old.now + SECOND * 3;
    let (rig, _) = restored(v3(Family::V4), &snapshot(&old), Time::from_nanos(nearly.as_nanos() - 1));
    assert_eq!(rig.router.state(), State::Active);

    let (mut rig, done) = restored(v3(Family::V4), &snapshot(&old), nearly);
    let backup = Event::State { from: State::Active, to: State::Backup, cause: Cause::Stalled };
    assert_eq!(done, [Did::Tell(Event::Late { by: SECOND * 2 }), Did::Tell(backup)]);
    assert_eq!(rig.remaining(), down(100, 100));
    assert_eq!(actions(rig.hear(&Packet { priority: 200, ..Packet::v3(Family::V4, 9) })), [Did::Remove]);

    let strict = v3(Family::V4).profile(crate::Profile::Strict);
    let (rig, done) = restored(strict, &snapshot(&old), nearly);
    assert_eq!(done, [Did::Tell(Event::Late { by: SECOND * 2 }), Did::Remove, Did::Tell(backup)]);
    assert_eq!(rig.remaining(), down(100, 100));
}

#[test]
fn an_owner_goes_on_however_long_it_took() {
    let config = || v3(Family::V4).priority(Priority::OWNER);
    let old = Rig::active(config());
    let (rig, done) = restored(config(), &snapshot(&old), old.now + SECOND * 1000);
    assert_eq!(done, [Did::Send(3, 255), Did::Install, Did::Announce(AnnounceReason::Restored)]);
    assert_eq!(rig.router.state(), State::Active);
}

#[test]
fn a_backup_goes_on_with_its_deadline() {
    let mut old = Rig::backup(v3(Family::V4));
    let heard = Packet { priority: 200, interval: 50, pseudo: Pseudo::No, ..Packet::v3(Family::V4, 9) };
    let _ = old.hear(&heard);
    let (mut rig, done) = restored(v3(Family::V4), &snapshot(&old), old.now + SECOND);
    assert_eq!(done, []);
    assert_eq!(rig.router.state(), State::Backup);
    assert_eq!(rig.router.active(), Some((heard.source, priority(200))));
    assert_eq!(rig.router.active_interval(), centiseconds(50));
    assert_eq!(rig.router.checksum_form(), ChecksumForm::MessageOnly);
    assert_eq!(rig.remaining(), down(100, 50) - SECOND);
    assert_eq!(rig.timeout()[0], Did::Send(3, 100));
}

/// The snapshot has an interval that it had learned, or the one that was configured then.
#[test]
fn a_backup_that_heard_nobody_goes_on_with_the_configured_interval() {
    let old = Rig::backup(v3(Family::V4).interval(centiseconds(500)));
    let (rig, _) = restored(v3(Family::V4), &snapshot(&old), old.now);
    assert_eq!(rig.router.active_interval(), centiseconds(100));
    assert_eq!(rig.remaining(), down(100, 100));
}

#[test]
fn a_backup_that_was_away_for_too_long_listens_again() {
    let old = Rig::backup(v3(Family::V4));
    let (rig, done) = restored(v3(Family::V4), &snapshot(&old), old.now + SECOND * 10);
    assert_eq!(done, []);
    assert_eq!(rig.remaining(), down(100, 100));
}

#[test]
fn a_backup_that_comes_to_own_the_addresses_becomes_active() {
    let old = Rig::backup(v3(Family::V4));
    let owner = v3(Family::V4).priority(Priority::OWNER);
    let (rig, done) = restored(owner, &snapshot(&old), old.now);
    assert_eq!(done[..2], [Did::Send(3, 255), Did::Install]);
    assert_eq!(rig.router.state(), State::Active);
}

/// Of another virtual router, of a time to come, of a router that took no part.
#[test]
fn a_snapshot_that_is_worth_nothing() {
    let old = Rig::active(v3(Family::V4));
    let taken = snapshot(&old);
    let other = Config::v3(crate::Vrid::new(8).unwrap(), virtual_addresses(Family::V4));
    let idle = Rig::new(v3(Family::V4));
    let cases = [
        (other, taken.clone(), old.now),
        (v3(Family::V6), taken.clone(), old.now),
        (v3(Family::V4), taken, Time::from_secs(1)),
        (v3(Family::V4), snapshot(&idle), idle.now),
    ];
    for (config, taken, now) in cases {
        let (rig, done) = restored(config, &taken, now);
        let started = Event::State { from: State::Initialize, to: State::Backup, cause: Cause::Startup };
        assert_eq!(done, [Did::Remove, Did::Tell(started)]);
        assert_eq!(rig.remaining(), down(100, 100));
    }
}

#[test]
fn a_source_of_another_family_is_refused() {
    let source = host(Family::V6, 1);
    let config = v3(Family::V4).build().unwrap();
    let old = Rig::active(v3(Family::V4));
    let error = VirtualRouter::restore(config.clone(), source, &snapshot(&old), old.now).unwrap_err();
    assert_eq!(error, ConfigError::Source(source));
    assert_eq!(VirtualRouter::new(config, source).unwrap_err(), ConfigError::Source(source));
}
