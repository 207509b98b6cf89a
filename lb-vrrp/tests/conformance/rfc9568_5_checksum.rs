//! RFC 9568 §5.2.8: the checksum, in which RFC 5798 was read in two ways.

use super::{
    rig::*,
    vrrp::{
        DropReason, Event, Family, Profile,
        router::ChecksumPolicy,
        wire::{ChecksumForm, DecodeError},
    },
};

/// Whether a Backup takes this message.
fn taken(profile: Profile, packet: &Packet) -> bool {
    let config = v3(Family::of(packet.source)).profile(profile).checksum(ChecksumPolicy::MessageOnly);
    let mut rig = Rig::backup(config);
    let done = rig.hear(packet);
    let wrong = done.iter().any(|did| {
        let checksum = DecodeError::Checksum(u16::from_be_bytes([packet.bytes()[6], packet.bytes()[7]]));
        *did == Did::Tell(Event::Dropped { source: packet.source, reason: DropReason::Malformed(checksum) })
    });
    assert_eq!(wrong, rig.router.active().is_none());
    assert_eq!(wrong, rig.router.stats().checksum_errors == 1);
    !wrong
}

#[test]
fn rfc9568_5_2_8_a19_over_ipv4_it_covers_the_message_alone() {
    let rig = Rig::active(v3(Family::V4).profile(Profile::Strict));
    let expected = Packet { pseudo: Pseudo::No, ..Packet::v3(Family::V4, OURS) };
    assert_eq!(rig.sent[0].payload, expected.bytes());
    for profile in PROFILES {
        let packet = Packet { pseudo: Pseudo::No, priority: 200, ..Packet::v3(Family::V4, 9) };
        assert!(taken(profile, &packet));
        for damage in [1, 0x100, 0xfffe] {
            assert!(!taken(profile, &Packet { damage, ..packet.clone() }));
        }
    }
}

/// keepalived and FRR send it so. It is accepted in both profiles, and sent in the compatible one until a peer is heard
/// that sends the other form.
#[test]
fn rfc5798_5_2_8_a19_over_ipv4_it_may_cover_a_pseudo_header() {
    let with = Packet { priority: 200, ..Packet::v3(Family::V4, 9) };
    let without = Packet { pseudo: Pseudo::No, priority: 50, ..Packet::v3(Family::V4, 2) };
    for profile in PROFILES {
        assert!(taken(profile, &with));
        assert!(!taken(profile, &Packet { damage: 1, ..with.clone() }));
    }
    let mut rig = Rig::active(v3(Family::V4));
    assert_eq!(rig.sent[0].payload, Packet::v3(Family::V4, OURS).bytes());
    let told = Event::ChecksumForm { source: without.source, form: ChecksumForm::MessageOnly };
    assert!(rig.hear(&without).contains(&Did::Tell(told)));
    let _ = rig.timeout();
    let expected = Packet { pseudo: Pseudo::No, ..Packet::v3(Family::V4, OURS) };
    assert_eq!(rig.sent[0].payload, expected.bytes());
}

#[test]
fn rfc9568_5_2_8_a20_over_ipv6_it_covers_the_pseudo_header() {
    for profile in PROFILES {
        let rig = Rig::active(v3(Family::V6).profile(profile));
        assert_eq!(rig.sent[0].payload, Packet::v3(Family::V6, OURS).bytes());
        let packet = Packet { priority: 200, ..Packet::v3(Family::V6, 9) };
        assert!(taken(profile, &packet));
        assert!(!taken(profile, &Packet { pseudo: Pseudo::No, ..packet.clone() }), "the message alone");
        assert!(!taken(profile, &Packet { damage: 1, ..packet }));
    }
}
