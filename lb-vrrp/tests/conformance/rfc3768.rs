//! RFC 3768 §5 and §7, VRRPv2: what a message says and which are taken.

use super::{
    rig::*,
    vrrp::{
        Config, DropReason, Event, Family, Interval, Version,
        router::ConfigError,
        wire::{Advert, DecodeError},
    },
};

/// Why a message is dropped; `None` when it is taken.
pub(crate) fn drop_reason(rig: &mut Rig, packet: &Packet) -> Option<DropReason> {
    let before = (rig.router.state(), rig.router.poll_timeout(), rig.router.active());
    let done = rig.hear(packet);
    let reason = done.iter().find_map(|did| match did {
        Did::Tell(Event::Dropped { source, reason }) if *source == packet.source => Some(*reason),
        _ => None,
    });
    if reason.is_some() {
        assert_eq!(before, (rig.router.state(), rig.router.poll_timeout(), rig.router.active()));
    }
    reason
}

fn higher() -> Packet {
    Packet { priority: 200, ..Packet::v2(9) }
}

#[test]
fn rfc3768_5_2_b1_ipv4_alone_the_group_and_a_ttl_of_255() {
    let errors = Config::v2(vrid(), virtual_addresses(Family::V6)).build().unwrap_err();
    assert!(matches!(errors.iter().next(), Some(ConfigError::VersionFamily(_))));
    let packet = Packet { version: 2, trailer: vec![0; 8], ..Packet::v3(Family::V6, 9) };
    let error = Advert::decode(&packet.bytes(), &packet.envelope()).unwrap_err();
    assert_eq!(error, DecodeError::VersionFamily(Version::V2, Family::V6));
    for profile in PROFILES {
        let mut rig = Rig::active(v2().profile(profile));
        assert_eq!(rig.sent[0].destination, ip("224.0.0.18"));
        let packet = Packet { ttl: Some(254), ..higher() };
        assert_eq!(drop_reason(&mut rig, &packet), Some(DropReason::Ttl { ttl: Some(254), min: 255 }));
    }
}

#[test]
fn rfc3768_5_3_1_b2_a_version_other_than_2_is_dropped() {
    let mut rig = Rig::backup(v2());
    let v3 = Packet::v3(Family::V4, 9);
    assert_eq!(drop_reason(&mut rig, &v3), Some(DropReason::Version(Version::V3)));
    for version in [0, 1, 4, 15] {
        let packet = Packet { version, ..higher() };
        assert_eq!(drop_reason(&mut rig, &packet), Some(DecodeError::Version(version).into()));
    }
    assert_eq!(Rig::active(v2()).sent[0].payload[0], 0x21);
}

#[test]
fn rfc3768_5_3_6_b3_authentication_of_another_type_is_dropped() {
    let mut rig = Rig::backup(v2());
    for auth in [1, 2] {
        assert_eq!(drop_reason(&mut rig, &Packet { auth, ..higher() }), Some(DropReason::AuthType));
    }
    for auth in [3, 254, 255] {
        let reason = DecodeError::AuthType(auth).into();
        assert_eq!(drop_reason(&mut rig, &Packet { auth, ..higher() }), Some(reason));
    }
    assert_eq!(drop_reason(&mut rig, &higher()), None);
    assert_eq!(Rig::active(v2()).sent[0].payload[4], 0);
}

#[test]
fn rfc3768_5_3_7_b4_the_interval_is_in_seconds_and_1_by_default() {
    assert_eq!(Rig::active(v2()).sent[0].payload[5], 1);
    for seconds in 1..=255 {
        let interval = Interval::from_secs(seconds).unwrap();
        let mut rig = Rig::active(v2().interval(interval));
        assert_eq!(rig.sent[0].payload[5], seconds);
        assert_eq!(rig.remaining(), SECOND * u32::from(seconds));
        let packet = Packet { interval: u16::from(seconds), ..Packet::v2(2) };
        assert_eq!(drop_reason(&mut rig, &packet), None);
    }
    assert!(Interval::from_secs(0).is_err());
    let errors = v2().interval(centiseconds(150)).build().unwrap_err();
    assert!(errors.iter().eq([&ConfigError::FractionalInterval(centiseconds(150))]));
    let mut rig = Rig::backup(v2());
    let zero = Packet { interval: 0, ..higher() };
    assert_eq!(drop_reason(&mut rig, &zero), Some(DecodeError::ZeroInterval.into()));
}

#[test]
fn rfc3768_5_3_8_b5_the_checksum_covers_the_whole_message_and_nothing_else() {
    let wrong = |packet: &Packet, bytes: &[u8]| {
        let mut rig = Rig::backup(v2());
        let done = rig.hear_bytes(packet, rig.now, bytes);
        let checksum = DecodeError::Checksum(u16::from_be_bytes([bytes[6], bytes[7]]));
        done.contains(&Did::Tell(Event::Dropped { source: packet.source, reason: checksum.into() }))
    };
    let packet = higher();
    let whole = packet.bytes();
    assert!(!wrong(&packet, &whole));
    // Every byte of it, those of the authentication data as well; others would be wrong for other reasons.
    for index in [2, 6, 7].into_iter().chain(8..whole.len()) {
        let mut bytes = whole.clone();
        bytes[index] ^= 0x40;
        assert!(wrong(&packet, &bytes), "byte {index}");
    }
    let with = Packet { pseudo: Pseudo::Packet, ..packet };
    assert!(wrong(&with, &with.bytes()), "a pseudo-header is not covered");
    assert_eq!(Rig::active(v2()).sent[0].payload, Packet::v2(OURS).bytes());
}

#[test]
fn rfc3768_5_3_10_b6_eight_bytes_of_authentication_data_are_always_there() {
    let rig = Rig::active(v2());
    assert_eq!(rig.sent[0].payload.len(), 8 + 2 * 4 + 8);
    assert_eq!(rig.sent[0].payload[16..], [0; 8]);
    let mut rig = Rig::backup(v2());
    for len in 0..8 {
        let packet = Packet { trailer: vec![0; len], ..higher() };
        let reason = DecodeError::Truncated { len: 16 + len, needed: 24 }.into();
        assert_eq!(drop_reason(&mut rig, &packet), Some(reason));
    }
    let garbage = Packet { trailer: b"garbage!".to_vec(), ..higher() };
    assert_eq!(drop_reason(&mut rig, &garbage), None, "ignored when the type is none");
}

#[test]
fn rfc3768_7_1_b12_a_failed_check_drops_the_message() {
    let good = higher();
    let bad = [
        Packet { ttl: Some(254), ..good.clone() },
        Packet { version: 3, ..good.clone() },
        Packet { kind: 2, ..good.clone() },
        Packet { count: Some(9), ..good.clone() },
        Packet { damage: 1, ..good.clone() },
        Packet { vrid: 8, ..good.clone() },
        Packet { auth: 1, ..good.clone() },
        Packet { interval: 2, ..good.clone() },
    ];
    for mut rig in [Rig::backup(v2()), Rig::active(v2())] {
        for packet in &bad {
            assert!(drop_reason(&mut rig, packet).is_some(), "{packet:?}");
        }
        assert_eq!(rig.router.stats().dropped, bad.len() as u64);
        assert_eq!(drop_reason(&mut rig, &good), None);
    }
}

/// RFC 3768 has it dropped; erratum 8298 of RFC 9568 explains why that helps nobody.
#[test]
fn rfc3768_7_1_b13_an_owner_takes_what_it_hears_as_in_version_3() {
    for profile in PROFILES {
        let mut rig = Rig::active(v2().profile(profile).priority(priority(255)));
        let packet = Packet { priority: 255, ..Packet::v2(9) };
        assert!(rig.hear(&packet).contains(&Did::Tell(Event::DuplicateOwner { source: packet.source })));
        assert_eq!(rig.router.active(), Some((packet.source, priority(255))));
    }
}

#[test]
fn rfc3768_7_1_b14_other_addresses_may_be_dropped_unless_the_owner_sends_them() {
    let other = Packet { addresses: vec![ip("192.0.2.77")], ..higher() };
    let of_owner = Packet { priority: 255, ..other.clone() };
    for profile in PROFILES {
        let mut checked = Rig::backup(v2().profile(profile).strict_addresses(true));
        assert_eq!(drop_reason(&mut checked, &other), Some(DropReason::Addresses));
        assert_eq!(drop_reason(&mut checked, &of_owner), None);
        let mut unchecked = Rig::backup(v2().profile(profile));
        assert_eq!(drop_reason(&mut unchecked, &other), None);
        assert_eq!(unchecked.router.stats().address_list_errors, 1);
    }
}

#[test]
fn rfc3768_7_1_b15_another_interval_is_dropped_and_told() {
    let other = Packet { interval: 2, ..higher() };
    for profile in PROFILES {
        for mut rig in [Rig::backup(v2().profile(profile)), Rig::active(v2().profile(profile))] {
            let (theirs, ours) = (centiseconds(200), centiseconds(100));
            let told = Did::Tell(Event::IntervalMismatch { source: other.source, theirs, ours });
            let dropped =
                Event::Dropped { source: other.source, reason: DropReason::Interval { theirs, ours } };
            assert_eq!(rig.hear(&other), [told, Did::Tell(dropped)]);
            assert_eq!(rig.hear(&other), [Did::Tell(dropped)], "told once");
            assert_eq!(rig.router.stats().interval_errors, 2);
            assert_eq!(rig.router.active(), None);
        }
    }
    // Taken for who asks for it, against the RFC.
    let mut rig = Rig::backup(v2().accept_interval_mismatch(true));
    assert_eq!(drop_reason(&mut rig, &other), None);
    assert_eq!(rig.router.active(), Some((other.source, priority(200))));
}
