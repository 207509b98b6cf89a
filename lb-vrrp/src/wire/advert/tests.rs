use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;
use crate::wire::fill_checksum;

const V4: Envelope = Envelope {
    source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    destination: Family::V4.multicast_group(),
    ttl: Some(255),
    authenticated: false,
};
const V6: Envelope = Envelope {
    source: IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
    destination: Family::V6.multicast_group(),
    ..V4
};
const UNICAST: Envelope = Envelope { destination: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), ..V4 };

/// One VRRPv3 address, 100 cs, checksum still to be filled in.
const MESSAGE: [u8; 12] = [0x31, 51, 100, 1, 0, 100, 0, 0, 192, 0, 2, 99];
const MESSAGE_V2: [u8; 20] = [0x21, 51, 100, 1, 0, 1, 0, 0, 192, 0, 2, 99, 0, 0, 0, 0, 0, 0, 0, 0];
const MESSAGE_V6: [u8; 24] =
    [0x31, 51, 100, 1, 0, 100, 0, 0, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 99];

/// With its checksum filled in after `change`.
fn changed<const N: usize>(message: [u8; N], envelope: &Envelope, change: impl Fn(&mut [u8; N])) -> [u8; N] {
    let mut message = message;
    change(&mut message);
    let form = match envelope.source {
        IpAddr::V4(_) => ChecksumForm::MessageOnly,
        IpAddr::V6(_) => ChecksumForm::PseudoHeader,
    };
    fill_checksum(&mut message, envelope.source, envelope.destination, form);
    message
}

fn refused(message: &[u8], envelope: &Envelope) -> DecodeError {
    Advert::decode(message, envelope).expect_err("it is no advertisement")
}

#[test]
fn fields_are_read() {
    let message = changed(MESSAGE, &V4, |_| {});
    let (advert, form) = Advert::decode(&message, &V4).unwrap();
    assert_eq!(form, ChecksumForm::MessageOnly);
    assert_eq!(advert.version, Version::V3);
    assert_eq!(advert.vrid.get(), 51);
    assert_eq!(advert.priority, Priority::new(100).ok());
    assert_eq!(advert.interval.centiseconds(), 100);
    assert_eq!(advert.addresses.iter().collect::<Vec<_>>(), [IpAddr::from([192, 0, 2, 99])]);
    assert_eq!(advert.authentication, Authentication::None);
}

#[test]
fn v2_has_seconds_and_authentication() {
    for (code, authentication) in
        [(0, Authentication::None), (1, Authentication::Text(*b"secret\0\0")), (2, Authentication::Header)]
    {
        let message = changed(MESSAGE_V2, &V4, |message| {
            message[4] = code;
            message[5] = 40;
            message[12..].copy_from_slice(b"secret\0\0");
        });
        let (advert, form) = Advert::decode(&message, &V4).unwrap();
        assert_eq!((advert.version, form), (Version::V2, ChecksumForm::MessageOnly));
        assert_eq!(advert.interval.whole_secs(), Some(40));
        assert_eq!(advert.authentication, authentication);
    }
}

#[test]
fn v2_rounds_the_interval_up() {
    let message = changed(MESSAGE, &V4, |_| {});
    let (mut advert, _) = Advert::decode(&message, &V4).unwrap();
    advert.version = Version::V2;
    for (centiseconds, seconds) in [(1, 1), (99, 1), (100, 1), (101, 2), (4000, 40)] {
        advert.interval = Interval::from_centiseconds(centiseconds).unwrap();
        let mut out = [0xff; 21];
        assert_eq!(advert.encode(&mut out), 20);
        assert_eq!((out[5], out[20]), (seconds, 0xff), "{centiseconds} cs");
        assert_eq!(out[12..20], [0; 8]);
    }
}

#[test]
fn priority_0_is_a_resignation() {
    let message = changed(MESSAGE, &V4, |message| message[2] = 0);
    assert_eq!(Advert::decode(&message, &V4).unwrap().0.priority, None);
}

#[test]
fn the_reserved_bits_are_ignored() {
    let message = changed(MESSAGE, &V4, |message| message[4] = 0xff);
    let (advert, _) = Advert::decode(&message, &V4).unwrap();
    assert_eq!(advert.interval.centiseconds(), 0xf64);
    let mut out = [0; 12];
    advert.encode(&mut out);
    assert_eq!(out[4], 0x0f);
}

#[test]
fn each_form_of_the_checksum_is_told_apart() {
    for (envelope, form) in [
        (V4, ChecksumForm::MessageOnly),
        (V4, ChecksumForm::PseudoHeader),
        (UNICAST, ChecksumForm::MessageOnly),
        (UNICAST, ChecksumForm::PseudoHeader),
        (UNICAST, ChecksumForm::GroupPseudoHeader),
    ] {
        let mut message = MESSAGE;
        fill_checksum(&mut message, envelope.source, envelope.destination, form);
        assert_eq!(Advert::decode(&message, &envelope).unwrap().1, form, "to {}", envelope.destination);
    }
}

/// VRRPv2 has no pseudo-header, VRRPv3 over IPv6 always has it.
#[test]
fn other_forms_of_the_checksum_are_wrong() {
    let mut message = MESSAGE_V2;
    fill_checksum(&mut message, V4.source, V4.destination, ChecksumForm::PseudoHeader);
    assert!(matches!(refused(&message, &V4), DecodeError::Checksum(_)));
    let mut message = MESSAGE_V6;
    fill_checksum(&mut message, V6.source, V6.destination, ChecksumForm::MessageOnly);
    assert!(matches!(refused(&message, &V6), DecodeError::Checksum(_)));
    fill_checksum(&mut message, V6.source, V6.destination, ChecksumForm::PseudoHeader);
    assert_eq!(Advert::decode(&message, &V6).unwrap().1, ChecksumForm::PseudoHeader);
}

#[test]
fn truncated() {
    let message = changed(MESSAGE, &V4, |_| {});
    for len in 0..8 {
        assert_eq!(refused(&message[..len], &V4), DecodeError::Truncated { len, needed: 8 });
    }
    for len in 8..12 {
        assert_eq!(refused(&message[..len], &V4), DecodeError::Truncated { len, needed: 12 });
    }
    let message = changed(MESSAGE_V2, &V4, |_| {});
    for len in 8..20 {
        assert_eq!(refused(&message[..len], &V4), DecodeError::Truncated { len, needed: 20 });
    }
}

#[test]
fn trailing_bytes() {
    let message = changed(MESSAGE_V2, &V4, |message| message[0] = 0x31);
    assert_eq!(refused(&message, &V4), DecodeError::TrailingBytes(8));
    // An IPv4 message over IPv6: its addresses are not as long as those of the packet.
    assert_eq!(refused(&changed(MESSAGE, &V4, |_| {}), &V6), DecodeError::Truncated { len: 12, needed: 24 });
}

#[test]
fn version() {
    for version in [0, 1, 4, 15] {
        let message = changed(MESSAGE, &V4, |message| message[0] = version << 4 | 1);
        assert_eq!(refused(&message, &V4), DecodeError::Version(version));
    }
}

#[test]
fn kind() {
    for kind in [0, 2, 7, 15] {
        let message = changed(MESSAGE, &V4, |message| message[0] = 0x30 | kind);
        assert_eq!(refused(&message, &V4), DecodeError::Type(kind));
    }
}

#[test]
fn zero_vrid() {
    assert_eq!(refused(&changed(MESSAGE, &V4, |message| message[1] = 0), &V4), DecodeError::ZeroVrid);
}

#[test]
fn no_addresses() {
    let message = changed([0x31, 51, 100, 0, 0, 100, 0, 0], &V4, |_| {});
    assert_eq!(refused(&message, &V4), DecodeError::NoAddresses);
    // keepalived sends this where it has none.
    let message = changed([0x21, 51, 100, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &V4, |_| {});
    let (advert, _) = Advert::decode(&message, &V4).unwrap();
    assert!(advert.addresses.is_empty());
    let mut sent = [1; 16];
    assert_eq!(advert.encode(&mut sent), 16);
    assert_eq!((&sent[..6], &sent[8..]), (&message[..6], &message[8..]));
}

#[test]
fn zero_interval() {
    let message = changed(MESSAGE, &V4, |message| message[4..6].fill(0));
    assert_eq!(refused(&message, &V4), DecodeError::ZeroInterval);
    let message = changed(MESSAGE, &V4, |message| message[4..6].copy_from_slice(&[0xf0, 0]));
    assert_eq!(refused(&message, &V4), DecodeError::ZeroInterval);
    let message = changed(MESSAGE_V2, &V4, |message| message[5] = 0);
    assert_eq!(refused(&message, &V4), DecodeError::ZeroInterval);
}

#[test]
fn version_2_has_up_to_255_seconds() {
    for seconds in [40, 41, 255] {
        let message = changed(MESSAGE_V2, &V4, |message| message[5] = seconds);
        assert_eq!(Advert::decode(&message, &V4).unwrap().0.interval.whole_secs(), Some(seconds));
    }
}

/// Damage is told before what it made of the fields.
#[test]
fn checksum() {
    let message = changed(MESSAGE, &V4, |_| {});
    for at in [1, 2, 4, 5, 6, 7, 8, 11] {
        for bit in 0..8 {
            let mut damaged = message;
            damaged[at] ^= 1 << bit;
            let field = u16::from_be_bytes([damaged[6], damaged[7]]);
            assert_eq!(refused(&damaged, &V4), DecodeError::Checksum(field), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn auth_type() {
    for code in [3, 254] {
        let message = changed(MESSAGE_V2, &V4, |message| message[4] = code);
        assert_eq!(refused(&message, &V4), DecodeError::AuthType(code));
    }
}

#[test]
fn version_family() {
    let message = changed(MESSAGE_V6, &V6, |message| message[0] = 0x21);
    assert_eq!(refused(&message, &V6), DecodeError::VersionFamily(Version::V2, Family::V6));
}

#[test]
fn envelope() {
    let mixed = Envelope { source: V6.source, ..V4 };
    let message = changed(MESSAGE, &V4, |_| {});
    assert_eq!(refused(&message, &mixed), DecodeError::Envelope(Family::V6, Family::V4));
}
