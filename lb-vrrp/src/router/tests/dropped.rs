//! What is kept of messages that were dropped.

use std::{net::IpAddr, time::Duration};

use super::rig::*;
use crate::{Config, DropReason, Family, State, router::DroppedAdverts, wire::DecodeError};

fn higher(from: u8) -> Packet {
    Packet { priority: 200, ..Packet::v3(Family::V4, from) }
}

fn kept(rig: &Rig) -> Vec<(IpAddr, DropReason, u64)> {
    rig.router.dropped(rig.now).map(|dropped| (dropped.source, dropped.reason, dropped.count)).collect()
}

#[test]
fn a_takeover_says_what_was_dropped_before_it() {
    let mut rig = Rig::backup(v3(Family::V4));
    rig.wait(SECOND / 2);
    let first = rig.now;
    let low_ttl = Packet { ttl: Some(254), ..higher(9) };
    for _ in 0..3 {
        let _ = rig.hear(&low_ttl);
        rig.wait(SECOND);
    }
    let last = rig.now.earlier(SECOND);
    let _ = rig.hear(&Packet { damage: 1, ..higher(8) });
    let _ = rig.timeout();
    assert_eq!(rig.router.state(), State::Active);
    let reason = DropReason::Ttl { ttl: Some(254), min: 255 };
    let source = host(Family::V4, 9);
    let expected = DroppedAdverts { source, reason, priority: Some(200), count: 3, first, last };
    assert_eq!(rig.router.basis().unwrap().dropped, Some(expected));
    assert_eq!(rig.router.dropped(rig.now).count(), 2);
}

#[test]
fn a_takeover_after_which_nothing_was_dropped_says_so() {
    let mut rig = Rig::backup(v3(Family::V4));
    let _ = rig.hear(&Packet { ttl: Some(1), ..higher(9) });
    // A MASTER is heard, for longer than a down interval.
    for _ in 0..5 {
        rig.wait(SECOND);
        let _ = rig.hear(&higher(8));
    }
    let _ = rig.timeout();
    assert_eq!(rig.router.basis().unwrap().dropped, None);
}

/// The numbers that a reason names make no difference.
#[test]
fn adverts_are_counted_by_sender_and_kind_of_reason() {
    let mut rig = Rig::backup(v3(Family::V4));
    for ttl in [1, 2, 3] {
        let _ = rig.hear(&Packet { ttl: Some(ttl), ..higher(9) });
        let _ = rig.hear(&Packet { damage: ttl.into(), ..higher(9) });
    }
    let _ = rig.hear(&Packet { kind: 2, ..higher(9) });
    let [ttl, checksum, kind] = kept(&rig)[..] else { panic!("{:?}", kept(&rig)) };
    assert_eq!((ttl.1, ttl.2), (DropReason::Ttl { ttl: Some(3), min: 255 }, 3));
    assert!(matches!(checksum.1, DropReason::Malformed(DecodeError::Checksum(_))) && checksum.2 == 3);
    assert_eq!((kind.1, kind.2), (DecodeError::Type(2).into(), 1));
}

#[test]
fn a_flood_of_senders_does_not_push_out_the_one_that_goes_on() {
    let mut rig = Rig::backup(v3(Family::V4));
    for round in 0..50_u8 {
        let _ = rig.hear(&Packet { ttl: Some(1), ..higher(9) });
        for other in 0..5 {
            let _ = rig.hear(&Packet { ttl: Some(1), ..higher(10 + (round * 5 + other) % 200) });
        }
        rig.wait(SECOND / 10);
        assert!(rig.router.dropped(rig.now).count() <= 4);
    }
    let kept = kept(&rig);
    assert!(kept.iter().any(|(source, _, count)| (*source, *count) == (host(Family::V4, 9), 50)), "{kept:?}");
}

#[test]
fn what_is_long_over_is_forgotten() {
    let mut rig = Rig::active(v3(Family::V4));
    let _ = rig.hear(&Packet { ttl: Some(1), ..higher(9) });
    rig.wait(down(100, 100) * 3);
    assert_eq!(kept(&rig).len(), 1);
    rig.wait(Duration::from_nanos(1));
    assert_eq!(kept(&rig), []);
    let _ = rig.hear(&Packet { ttl: Some(1), ..higher(9) });
    assert_eq!(kept(&rig)[0].2, 1, "counted from the beginning");
}

#[test]
fn what_is_dropped_in_the_ordinary_course_is_not_kept() {
    let mut idle = Rig::new(v3(Family::V4));
    let _ = idle.hear(&higher(9));
    assert_eq!(kept(&idle), []);

    let mut both = Rig::backup(dual());
    let _ = both.hear(&higher(9));
    let _ = both.hear(&Packet { priority: 200, ..Packet::v2(9) });
    let _ = both.hear(&Packet { priority: 0, ..higher(8) });
    assert_eq!((both.router.stats().dropped, kept(&both)), (2, vec![]));
}

/// Whatever the bytes are.
#[test]
fn a_message_without_a_priority_is_kept_as_well() {
    let mut rig = Rig::backup(Config::v3(vrid(), virtual_addresses(Family::V4)));
    let packet = higher(9);
    let now = rig.now;
    let _ = rig.hear_bytes(&packet, now, &[0x31, VRID]);
    let kept: Vec<_> = rig.router.dropped(rig.now).collect();
    assert_eq!((kept.len(), kept[0].priority), (1, None));
}
