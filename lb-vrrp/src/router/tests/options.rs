//! Options of the configuration, and what the profiles make of them.

use std::time::Duration;

use super::rig::*;
use crate::{
    AnnounceReason, Cause, Config, ConfigBuilder, DropReason, Event, Family, Preempt, Priority, Profile,
    State, router::ChecksumPolicy, wire::ChecksumForm,
};

fn lower() -> Packet {
    Packet { priority: 50, ..Packet::v3(Family::V4, 9) }
}

fn higher() -> Packet {
    Packet { priority: 200, ..Packet::v3(Family::V4, 9) }
}

fn resignation(from: u8) -> Packet {
    Packet { priority: 0, ..Packet::v3(Family::V4, from) }
}

#[test]
fn a_delayed_preemption_takes_a_lower_priority_until_the_delay_is_over() {
    let mut rig = Rig::backup(v3(Family::V4).preempt(Preempt::After(SECOND * 5)));
    for _ in 0..5 {
        let _ = rig.hear(&lower());
        assert_eq!(rig.remaining(), down(100, 100), "taken");
        assert_eq!(rig.router.active(), Some((lower().source, priority(50))));
        rig.wait(SECOND);
    }
    let deadline = rig.router.poll_timeout();
    for _ in 0..3 {
        assert_eq!(rig.hear(&lower()), []);
        assert_eq!(rig.router.poll_timeout(), deadline, "discarded");
    }
    let preempts = Cause::Preempts(lower().source);
    let active = Event::State { from: State::Backup, to: State::Active, cause: preempts };
    assert_eq!(rig.timeout().last(), Some(&Did::Tell(active)));
}

#[test]
fn a_delayed_preemption_starts_again_after_a_higher_priority() {
    let mut rig = Rig::backup(v3(Family::V4).preempt(Preempt::After(SECOND * 5)));
    let _ = rig.hear(&lower());
    rig.wait(SECOND * 3);
    let _ = rig.hear(&higher());
    rig.wait(SECOND * 3);
    let _ = rig.hear(&lower());
    assert_eq!(rig.remaining(), down(100, 100), "taken: six seconds after the first one, but not in a row");
}

#[test]
fn an_owner_may_ignore_what_others_send() {
    for ignores in [true, false] {
        let config = v3(Family::V4).priority(Priority::OWNER).owner_ignores_adverts(ignores);
        let mut rig = Rig::active(config);
        rig.wait(SECOND / 2);
        // A resignation and a lower priority are answered else, and of two owners the one with the greater address wins.
        let owner = Packet { priority: 255, ..Packet::v3(Family::V4, 9) };
        for heard in [&resignation(9), &lower(), &owner] {
            assert_eq!(rig.hear(heard).is_empty(), ignores, "{}", heard.priority);
            rig.wait(SECOND / 10);
        }
        assert_eq!(rig.router.state() == State::Active, ignores);
        assert_eq!(rig.router.stats().received, 3);
    }
}

#[test]
fn a_lower_priority_need_not_be_answered() {
    for answers in [true, false] {
        for config in [v3(Family::V4), v2()] {
            let version =
                if config.clone().build().unwrap().version() == crate::VersionMode::V2 { 2 } else { 3 };
            let mut rig = Rig::active(config.answer_lower(answers));
            rig.wait(SECOND / 2);
            let lower = match version {
                2 => Packet { priority: 50, ..Packet::v2(9) },
                _ => lower(),
            };
            let sent = rig.hear(&lower).contains(&Did::Send(version, 100));
            assert_eq!(sent, answers);
            assert_eq!(rig.router.state(), State::Active);
            // A resignation always is.
            rig.wait(SECOND / 4);
            let resignation = Packet { priority: 0, ..lower };
            assert!(rig.hear(&resignation).contains(&Did::Send(version, 100)));
        }
    }
}

#[test]
fn who_yields_may_advertise_once_more() {
    for advertises in [false, true] {
        let mut rig = Rig::active(v3(Family::V4).advertise_when_yielding(advertises));
        rig.wait(SECOND / 2);
        let done = rig.hear(&higher());
        assert_eq!(done.first() == Some(&Did::Send(3, 100)), advertises, "{done:?}");
        assert_eq!(done.iter().filter(|did| matches!(did, Did::Send(..))).count(), usize::from(advertises));
        assert_eq!((rig.router.state(), rig.remaining()), (State::Backup, down(100, 100)));
    }
}

/// `preempt_after_skew`.
#[test]
fn preemption_may_wait_for_the_skew_time_only() {
    let mut rig = Rig::backup(v3(Family::V4).preempt_after_skew(true));
    rig.wait(SECOND);
    let _ = rig.hear(&lower());
    assert_eq!(rig.remaining(), skew(100, 100));
    rig.wait(Duration::from_millis(500));
    let _ = rig.hear(&lower());
    assert_eq!(rig.remaining(), skew(100, 100) - Duration::from_millis(500), "not put off");
    let _ = rig.hear(&higher());
    assert_eq!(rig.remaining(), down(100, 100), "a higher priority ends it");
}

/// `only_backup`.
#[test]
fn the_only_backup_takes_over_from_a_resignation_at_once() {
    let mut rig = Rig::backup(v3(Family::V4).only_backup(true));
    let _ = rig.hear(&higher());
    rig.wait(SECOND / 2);
    let cause = Cause::Resigned(higher().source);
    let active = Did::Tell(Event::State { from: State::Backup, to: State::Active, cause });
    let expected = [Did::Send(3, 100), Did::Install, Did::Announce(AnnounceReason::BecameActive), active];
    assert_eq!(rig.hear(&resignation(9)), expected);
    assert_eq!(rig.remaining(), SECOND);
}

#[test]
fn a_resignation_of_another_router_than_the_active_one() {
    let taken = |config: ConfigBuilder| {
        let mut rig = Rig::backup(config);
        let _ = rig.hear(&higher());
        rig.wait(SECOND / 2);
        let other = Event::Dropped { source: host(Family::V4, 8), reason: DropReason::ResignationOfOther };
        let dropped = rig.hear(&resignation(8)) == [Did::Tell(other)];
        let expected = if dropped { down(100, 100) - SECOND / 2 } else { skew(100, 100) };
        assert_eq!(rig.remaining(), expected);
        !dropped
    };
    assert!(!taken(v3(Family::V4)));
    assert!(taken(v3(Family::V4).profile(Profile::Strict)));
    assert!(taken(v3(Family::V4).resignation_of_active_only(false)));
}

/// Else a router that resigns again and again keeps a Backup from taking over.
#[test]
fn a_repeated_resignation_does_not_put_off_the_takeover() {
    for profile in PROFILES {
        let mut rig = Rig::backup(v3(Family::V4).profile(profile));
        let _ = rig.hear(&higher());
        let _ = rig.hear(&resignation(9));
        let deadline = rig.router.poll_timeout();
        for _ in 0..3 {
            rig.wait(Duration::from_millis(200));
            let _ = rig.hear(&resignation(9));
            assert_eq!(rig.router.poll_timeout(), deadline);
        }
    }
}

#[test]
fn a_long_interval_is_learned_up_to_the_cap() {
    let mut rig = Rig::backup(v3(Family::V4).max_learned_interval(centiseconds(200)));
    let forged = Packet { interval: 4095, ..higher() };
    let (theirs, cap) = (centiseconds(4095), centiseconds(200));
    let capped = Did::Tell(Event::IntervalCapped { source: forged.source, theirs, cap });
    assert!(rig.hear(&forged).contains(&capped));
    assert_eq!(rig.remaining(), down(100, 200));
    assert!(!rig.hear(&forged).contains(&capped), "told once");
    let _ = rig.hear(&Packet { interval: 150, ..higher() });
    assert_eq!(rig.remaining(), down(100, 150));

    let mut rig = Rig::backup(v3(Family::V4));
    let _ = rig.hear(&forged);
    assert_eq!(rig.remaining(), down(100, 4095), "no cap by default");
}

#[test]
fn another_number_of_intervals_may_be_waited_for() {
    for adverts in [1, 5, 100] {
        let mut rig = Rig::backup(v3(Family::V4).down_adverts(adverts));
        let expected = SECOND * u32::from(adverts) + skew(100, 100);
        assert_eq!(rig.remaining(), expected);
        let _ = rig.hear(&higher());
        assert_eq!(rig.remaining(), expected);
    }
}

#[test]
fn the_least_ttl() {
    let peer = host(Family::V4, 9);
    let by_group = |config: ConfigBuilder, ttl| {
        let mut rig = Rig::backup(config);
        let _ = rig.hear(&Packet { ttl, ..higher() });
        rig.router.active().is_some()
    };
    let by_unicast = |config: ConfigBuilder, ttl| {
        let mut rig = Rig::backup(config.unicast([peer]));
        let _ = rig.hear(&Packet { ttl, destination: host(Family::V4, OURS), ..higher() });
        rig.router.active().is_some()
    };
    for profile in PROFILES {
        let config = || v3(Family::V4).profile(profile);
        assert!(!by_group(config(), Some(254)));
        assert!(!by_unicast(config().min_ttl(Some(255)), Some(254)));
    }
    let config = || v3(Family::V4);
    assert!(
        by_group(config().min_ttl(Some(64)), Some(64)) && !by_group(config().min_ttl(Some(64)), Some(63))
    );
    assert!(by_group(config().min_ttl(None), Some(0)) && by_group(config().min_ttl(None), None));
    assert!(!by_group(config().min_ttl(Some(1)), None), "not known is not enough");
    assert!(by_unicast(v3(Family::V4), Some(64)));
    assert!(!by_unicast(v3(Family::V4).profile(Profile::Strict), Some(254)));
}

/// Each form is answered in kind, also that of old versions of keepalived by unicast.
#[test]
fn the_form_of_the_checksum_follows_the_last_peer() {
    let peer = host(Family::V4, 2);
    let ours = host(Family::V4, OURS);
    let heard = Packet { priority: 50, destination: ours, ..Packet::v3(Family::V4, 2) };
    let mut rig = Rig::active(v3(Family::V4).unicast([peer]));
    let forms = [
        (Pseudo::Group, ChecksumForm::GroupPseudoHeader),
        (Pseudo::No, ChecksumForm::MessageOnly),
        (Pseudo::Packet, ChecksumForm::PseudoHeader),
    ];
    for (pseudo, form) in forms {
        let told = Did::Tell(Event::ChecksumForm { source: peer, form });
        let packet = Packet { pseudo, ..heard.clone() };
        assert!(rig.hear(&packet).contains(&told), "{form:?}");
        assert!(!rig.hear(&packet).contains(&told), "told when it changes");
        assert_eq!(rig.router.checksum_form(), form);
        let _ = rig.timeout();
        let sent = Packet { priority: 100, source: ours, destination: peer, ..packet };
        assert_eq!(rig.sent[0].payload, sent.bytes());
    }
    for (policy, pseudo) in
        [(ChecksumPolicy::MessageOnly, Pseudo::No), (ChecksumPolicy::PseudoHeader, Pseudo::Packet)]
    {
        let mut rig = Rig::active(v3(Family::V4).checksum(policy));
        for (heard, _) in forms {
            let _ = rig.hear(&Packet { pseudo: heard, priority: 50, ..Packet::v3(Family::V4, 2) });
            let _ = rig.timeout();
            assert_eq!(rig.sent[0].payload, Packet { pseudo, ..Packet::v3(Family::V4, OURS) }.bytes());
        }
    }
}

/// A message that is dropped teaches nothing.
#[test]
fn the_form_of_the_checksum_does_not_follow_what_is_dropped() {
    let mut rig = Rig::backup(v3(Family::V4).strict_addresses(true));
    let other = vec![ip("192.0.2.200")];
    let _ = rig.hear(&Packet { pseudo: Pseudo::No, addresses: other, ..higher() });
    assert_eq!(rig.router.checksum_form(), ChecksumForm::PseudoHeader);
}

#[test]
fn another_multicast_group() {
    let group = ip("239.1.2.3");
    let config = || Config::v3(vrid(), virtual_addresses(Family::V4)).multicast_group(group);
    assert_eq!(Rig::active(config()).sent[0].destination, group);
    let mut rig = Rig::backup(config());
    let reason = DropReason::Destination(ip("224.0.0.18"));
    assert_eq!(rig.hear(&higher()), [Did::Tell(Event::Dropped { source: higher().source, reason })]);
    let _ = rig.hear(&Packet { destination: group, ..higher() });
    assert!(rig.router.active().is_some());
}
