//! Every reason to drop a message, produced by a message.

use std::collections::BTreeSet;

use super::rig::*;
use crate::{ConfigBuilder, DropReason, Event, Family, Input, Interval, Profile, Version, wire::DecodeError};

/// The names of all variants, and of one of them; a new variant without a name does not compile.
macro_rules! names {
    ($all:ident, $name:ident, $type:ty: $($pattern:pat => $text:literal,)+ $(; $(#[$when:meta])* $other:pat => $where:literal)?) => {
        const $all: &[&str] = &[$($text),+];

        fn $name(value: &$type) -> &'static str {
            match value {
                $($pattern => $text,)+
                $($(#[$when])* $other => $where,)?
            }
        }
    };
}

names! { REASONS, reason_name, DropReason:
    DropReason::Malformed(_) => "malformed",
    DropReason::Ttl { .. } => "ttl",
    DropReason::PeerTtl { .. } => "ttl of a peer",
    DropReason::Version(_) => "version",
    DropReason::Vrid(_) => "vrid",
    DropReason::Family(_) => "family",
    DropReason::SourceNotLinkLocal => "source not link-local",
    DropReason::NotAPeer => "not a peer",
    DropReason::Destination(_) => "destination",
    DropReason::OwnAddress => "own address",
    DropReason::AuthType => "authentication type",
    DropReason::AuthText => "authentication text",
    DropReason::AuthHeader => "authentication header",
    DropReason::Interval { .. } => "interval",
    DropReason::Addresses => "addresses",
    DropReason::FirstAddressNotLinkLocal => "first address not link-local",
    DropReason::Stale(_) => "stale",
    DropReason::ResignationOfOther => "resignation of another",
    DropReason::HeardInV3 => "heard in version 3",
    DropReason::NotRunning => "not running",
    ;
    #[cfg(feature = "hmac")]
    DropReason::Hmac(_) => "in the tests of the trailer"
}

names! { ERRORS, error_name, DecodeError:
    DecodeError::Truncated { .. } => "truncated",
    DecodeError::TrailingBytes(_) => "trailing bytes",
    DecodeError::Version(_) => "version",
    DecodeError::Type(_) => "type",
    DecodeError::ZeroVrid => "id 0",
    DecodeError::NoAddresses => "no addresses",
    DecodeError::ZeroInterval => "interval 0",
    DecodeError::Checksum(_) => "checksum",
    DecodeError::AuthType(_) => "authentication type",
    DecodeError::VersionFamily(..) => "version and family",
    DecodeError::Envelope(..) => "envelope",
}

/// Hears this, and nothing but a drop comes out. The last event counts: some drops are told by another one as well.
fn dropped(rig: &mut Rig, packet: &Packet) -> DropReason {
    let before = (rig.router.state(), rig.router.poll_timeout(), rig.router.active());
    let done = rig.hear(packet);
    assert_eq!(before, (rig.router.state(), rig.router.poll_timeout(), rig.router.active()));
    assert!(done.iter().all(|did| matches!(did, Did::Tell(_))), "{done:?}");
    match done.last() {
        Some(Did::Tell(Event::Dropped { source, reason })) if *source == packet.source => *reason,
        _ => panic!("{done:?} instead of a drop of {packet:?}"),
    }
}

#[test]
fn every_reason_is_given_by_a_message() {
    let good = |family| Packet { priority: 200, ..Packet::v3(family, 9) };
    let good2 = Packet { priority: 200, ..Packet::v2(9) };
    let (four, six) = (good(Family::V4), good(Family::V6));
    let backup = |config: ConfigBuilder| Rig::backup(config);
    let peers = v3(Family::V4).unicast([host(Family::V4, 9)]);
    let to_us = host(Family::V4, OURS);
    let mut heard_in_v3 = Rig::backup(dual());
    let _ = heard_in_v3.hear(&four);
    let mut with_active = Rig::backup(v3(Family::V4));
    let _ = with_active.hear(&four);
    let interval = DropReason::Interval { theirs: centiseconds(300), ours: Interval::DEFAULT };
    let mut cases = [
        (backup(v3(Family::V4)), Packet { kind: 2, ..four.clone() }, DecodeError::Type(2).into()),
        (
            backup(v3(Family::V4)),
            Packet { ttl: None, ..four.clone() },
            DropReason::Ttl { ttl: None, min: 255 },
        ),
        (backup(v2()), four.clone(), DropReason::Version(Version::V3)),
        (backup(v3(Family::V4)), Packet { vrid: 8, ..four.clone() }, DropReason::Vrid(8)),
        (backup(v3(Family::V4)), six.clone(), DropReason::Family(Family::V6)),
        (
            backup(v3(Family::V6).profile(crate::Profile::Strict)),
            Packet { source: ip("2001:db8::9"), ..six.clone() },
            DropReason::SourceNotLinkLocal,
        ),
        (
            backup(peers.clone()),
            Packet { destination: to_us, ..Packet::v3(Family::V4, 8) },
            DropReason::NotAPeer,
        ),
        (
            backup(peers.clone().peer_ttl(four.source, 1..=64)),
            Packet { destination: to_us, ..four.clone() },
            DropReason::PeerTtl { ttl: Some(255), min: 1, max: 64 },
        ),
        (backup(peers), four.clone(), DropReason::Destination(ip("224.0.0.18"))),
        (backup(v3(Family::V4)), Packet { source: to_us, ..four.clone() }, DropReason::OwnAddress),
        (backup(v2()), Packet { auth: 1, ..good2.clone() }, DropReason::AuthType),
        (backup(v2().auth_text("x")), Packet { auth: 1, ..good2.clone() }, DropReason::AuthText),
        (backup(v2().auth_header()), Packet { auth: 2, ..good2.clone() }, DropReason::AuthHeader),
        (backup(v2()), Packet { interval: 3, ..good2.clone() }, interval),
        (
            backup(v3(Family::V4).strict_addresses(true)),
            Packet { addresses: vec![ip("192.0.2.1")], ..four.clone() },
            DropReason::Addresses,
        ),
        (
            backup(v3(Family::V6).profile(Profile::Strict)),
            Packet { addresses: vec![ip("2001:db8::1")], ..six },
            DropReason::FirstAddressNotLinkLocal,
        ),
        (with_active, Packet { priority: 0, ..Packet::v3(Family::V4, 8) }, DropReason::ResignationOfOther),
        (heard_in_v3, good2, DropReason::HeardInV3),
        (Rig::new(v3(Family::V4)), four.clone(), DropReason::NotRunning),
    ];
    let mut given = BTreeSet::new();
    for (rig, packet, expected) in &mut cases {
        assert_eq!(dropped(rig, packet), *expected);
        given.insert(reason_name(expected));
    }

    let mut rig = Rig::backup(v3(Family::V4));
    let received = rig.now;
    rig.wait(SECOND * 4);
    let stale = DropReason::Stale(SECOND * 4);
    assert_eq!(
        rig.hear_from(&four, received),
        [Did::Tell(Event::Dropped { source: four.source, reason: stale })]
    );
    given.insert(reason_name(&stale));
    assert_eq!(given, REASONS.iter().copied().collect());
}

#[test]
fn every_error_of_the_wire_is_given_by_a_message() {
    let four = Packet::v3(Family::V4, 9);
    let two = Packet::v2(9);
    let sum = u16::from_be_bytes([four.bytes()[6], four.bytes()[7]]) + 1;
    let cases = [
        (Packet { count: Some(3), ..four.clone() }, DecodeError::Truncated { len: 16, needed: 20 }),
        (Packet { count: Some(1), ..four.clone() }, DecodeError::TrailingBytes(4)),
        (Packet { version: 5, ..four.clone() }, DecodeError::Version(5)),
        (Packet { kind: 0, ..four.clone() }, DecodeError::Type(0)),
        (Packet { vrid: 0, ..four.clone() }, DecodeError::ZeroVrid),
        (Packet { addresses: Vec::new(), ..four.clone() }, DecodeError::NoAddresses),
        (Packet { interval: 0, ..four.clone() }, DecodeError::ZeroInterval),
        (Packet { damage: 1, ..four.clone() }, DecodeError::Checksum(sum)),
        (Packet { auth: 254, ..two.clone() }, DecodeError::AuthType(254)),
    ];
    let mut given = BTreeSet::new();
    for (packet, expected) in cases {
        assert_eq!(dropped(&mut Rig::backup(dual()), &packet), expected.into());
        given.insert(error_name(&expected));
    }

    let family = DecodeError::VersionFamily(Version::V2, Family::V6);
    let packet = Packet { version: 2, trailer: vec![0; 8], ..Packet::v3(Family::V6, 9) };
    assert_eq!(dropped(&mut Rig::backup(v3(Family::V6)), &packet), family.into());
    given.insert(error_name(&family));

    let (source, destination) = (host(Family::V4, 9), ip("::1"));
    let envelope = DecodeError::Envelope(Family::V4, Family::V6);
    let unicast = v3(Family::V4).unicast([source]);
    let packet = Packet { destination, pseudo: Pseudo::No, ..four };
    assert_eq!(dropped(&mut Rig::backup(unicast), &packet), envelope.into());
    given.insert(error_name(&envelope));
    assert_eq!(given, ERRORS.iter().copied().collect());
}

/// Not even a message with which everything else is right.
#[test]
fn nothing_is_heard_from_our_own_address() {
    for mut rig in [Rig::backup(v3(Family::V4)), Rig::active(v3(Family::V4))] {
        rig.wait(SECOND / 2);
        for priority in [0, 1, 100, 255] {
            let looped = Packet { priority, ..Packet::v3(Family::V4, OURS) };
            assert_eq!(dropped(&mut rig, &looped), DropReason::OwnAddress);
        }
        // With another address of ours, it is another one's.
        let _ = rig.input(Input::Source(host(Family::V4, 6)));
        let _ = rig.hear(&Packet { priority: 200, ..Packet::v3(Family::V4, OURS) });
        assert!(rig.router.active().is_some());
    }
}
