//! RFC 2338 §5.3.6: authentication, which RFC 3768 removed from VRRPv2, and which is still in use.

use std::net::Ipv4Addr;

use super::{
    rfc3768::drop_reason,
    rig::*,
    vrrp::{
        DropReason,
        router::ConfigError,
        wire::{
            Authentication, DecodeError,
            ah::{AhError, Guard, Key, OVERHEAD},
        },
    },
};

const OURSELVES: Ipv4Addr = Ipv4Addr::new(10, 0, 0, OURS);

fn guard(password: &str) -> Guard {
    Guard::new(Key::new(password.as_bytes()), vrid())
}

/// An advertisement of ours, in a whole packet.
fn sealed(guard: &mut Guard) -> Vec<u8> {
    let message = Packet { auth: 2, ..Packet::v2(OURS) }.bytes();
    let mut packet = vec![0; OVERHEAD + message.len()];
    let len = guard.seal(OURSELVES, Ipv4Addr::new(224, 0, 0, 18), &message, &mut packet);
    assert_eq!(len, packet.len());
    packet
}

fn text(text: &[u8; 8]) -> Packet {
    Packet { auth: 1, priority: 200, trailer: text.to_vec(), ..Packet::v2(9) }
}

fn header() -> Packet {
    Packet { auth: 2, priority: 200, authenticated: true, ..Packet::v2(9) }
}

#[test]
fn rfc2338_5_3_6_c1_authentication_of_another_type_than_ours_is_dropped() {
    let none = Packet { priority: 200, ..Packet::v2(9) };
    let configs = [v2(), v2().auth_text("secret"), v2().auth_header()];
    let packets = [none, text(b"secret\0\0"), header()];
    for (configured, config) in configs.into_iter().enumerate() {
        let mut rig = Rig::backup(config);
        for (auth, packet) in packets.iter().enumerate() {
            let expected = (auth != configured).then_some(DropReason::AuthType);
            assert_eq!(drop_reason(&mut rig, packet), expected, "{auth} where {configured} is configured");
        }
        let unknown = Packet { auth: 3, ..text(b"secret\0\0") };
        assert_eq!(drop_reason(&mut rig, &unknown), Some(DecodeError::AuthType(3).into()));
        let sent = Rig::active([v2(), v2().auth_text("secret"), v2().auth_header()][configured].clone());
        assert_eq!(usize::from(sent.sent[0].payload[4]), configured);
    }
}

#[test]
fn rfc2338_5_3_6_2_c2_a_text_is_filled_up_with_zeros_and_compared_as_a_whole() {
    let rig = Rig::active(v2().auth_text("pass"));
    let expected = Packet { priority: 100, ..text(b"pass\0\0\0\0") };
    assert_eq!(rig.sent[0].payload, expected.bytes());

    let mut rig = Rig::backup(v2().auth_text("pass"));
    for wrong in
        [b"pass    ", b"pass\0\0\0x", b"pas\0\0\0\0\0", b"PASS\0\0\0\0", b"\0\0\0\0\0\0\0\0", b"password"]
    {
        assert_eq!(drop_reason(&mut rig, &text(wrong)), Some(DropReason::AuthText), "{wrong:?}");
    }
    assert_eq!(drop_reason(&mut rig, &text(b"pass\0\0\0\0")), None);
    let mut rig = Rig::backup(v2().auth_text("password"));
    assert_eq!(drop_reason(&mut rig, &text(b"passwor\0")), Some(DropReason::AuthText));
    assert_eq!(drop_reason(&mut rig, &text(b"password")), None, "all eight");
}

/// keepalived cuts a longer one off; here it is refused, so that it does not seem to be longer than it is.
#[test]
fn rfc2338_5_3_6_2_c3_there_is_no_default_text_and_it_has_1_to_8_bytes() {
    assert_eq!(Authentication::default(), Authentication::None);
    assert_eq!(Rig::active(v2()).sent[0].payload[4], 0);
    for len in [0, 9, 64] {
        let errors = v2().auth_text("x".repeat(len)).build().unwrap_err();
        assert!(errors.iter().eq([&ConfigError::AuthTextLength(len)]));
    }
    for len in [1, 8] {
        assert!(v2().auth_text("x".repeat(len)).build().is_ok());
    }
}

/// HMAC-MD5-96 in the header of RFC 2402, around the message.
#[test]
fn rfc2338_5_3_6_3_c4_the_header_is_sealed_and_opened() {
    let packet = sealed(&mut guard("secret"));
    assert_eq!((packet[9], packet[20]), (51, 112), "authentication header, then VRRP");
    assert_eq!(packet[24..28], OURSELVES.octets(), "index: the source");
    assert_eq!(packet[28..32], [0, 0, 0, 1], "number");
    assert_eq!(packet.len(), 20 + 24 + Packet::v2(OURS).bytes().len(), "12 bytes of digest");
    assert_eq!(guard("secret").open(&packet), Ok(&packet[OVERHEAD..]));
    assert_eq!(guard("Secret").open(&packet), Err(AhError::Digest));
    for place in [16, 27, 35, 44, packet.len() - 1] {
        let mut changed = packet.clone();
        changed[place] ^= 1;
        assert!(guard("secret").open(&changed).is_err(), "byte {place}");
    }
    let mut missing = packet;
    missing[9] = 112;
    assert_eq!(guard("secret").open(&missing), Err(AhError::Missing(112)));
}

/// A router on the way may change the type of service, the fragmentation bits and the checksum. The TTL is digested as
/// keepalived does it, which makes no difference where it has to be 255 anyway.
#[test]
fn rfc2338_5_3_6_3_c5_mutable_fields_are_not_digested_and_nothing_is_taken_twice() {
    let mut ours = guard("secret");
    let mut theirs = guard("secret");
    let [mut first, second, third] = [(); 3].map(|()| sealed(&mut ours));
    (first[1], first[6], first[10]) = (0, 0x40, !first[10]);
    assert!(theirs.open(&first).is_ok());
    assert_eq!(theirs.open(&first), Err(AhError::Replay(1)));
    assert!(theirs.open(&third).is_ok());
    assert!(theirs.open(&second).is_ok(), "overtaken on the way");
    for (number, packet) in [(2, &second), (3, &third)] {
        assert_eq!(theirs.open(packet), Err(AhError::Replay(number)));
    }
    let mut far = sealed(&mut ours);
    far[8] = 254;
    assert_eq!(theirs.open(&far), Err(AhError::Digest));
}

/// Who verifies the header is outside of the router.
#[test]
fn rfc2338_5_3_6_3_c4_a_message_without_a_verified_header_is_dropped() {
    let mut rig = Rig::backup(v2().auth_header());
    let missing = Packet { authenticated: false, ..header() };
    assert_eq!(drop_reason(&mut rig, &missing), Some(DropReason::AuthHeader));
    // A header around a message that does not claim to have one is another type.
    let unclaimed = Packet { auth: 0, ..header() };
    assert_eq!(drop_reason(&mut rig, &unclaimed), Some(DropReason::AuthType));
    assert_eq!(drop_reason(&mut rig, &header()), None);
    let rig = Rig::active(v2().auth_header());
    assert_eq!(
        rig.sent[0].payload,
        Packet { auth: 2, ..Packet::v2(OURS) }.bytes(),
        "authentication data of 0"
    );
}

/// That texts are compared in constant time can not be tested; `subtle` does it.
#[test]
fn rfc2338_5_3_6_c6_failures_are_counted_apart() {
    let counted = |config: super::vrrp::ConfigBuilder, packet: Packet| {
        let mut rig = Rig::backup(config);
        assert!(drop_reason(&mut rig, &packet).is_some());
        let stats = rig.router.stats();
        [stats.invalid_auth_type, stats.auth_type_mismatch, stats.auth_failures]
    };
    let configured = v2().auth_text("secret");
    assert_eq!(counted(configured.clone(), Packet { auth: 9, ..text(b"secret\0\0") }), [1, 0, 0]);
    assert_eq!(counted(configured.clone(), Packet::v2(9)), [0, 1, 0]);
    assert_eq!(counted(configured, text(b"Secret\0\0")), [0, 0, 1]);
    assert_eq!(counted(v2().auth_header(), Packet { authenticated: false, ..header() }), [0, 0, 1]);
}

/// RFC 2338 asks for no more than a whole fixed part.
#[test]
fn rfc2338_7_1_c7_the_whole_message_has_to_be_there() {
    let mut rig = Rig::backup(v2().auth_text("secret"));
    let packet = text(b"secret\0\0");
    let whole = packet.bytes();
    for len in 0..whole.len() {
        let done = rig.hear_bytes(&packet, rig.now, &whole[..len]);
        assert_eq!(rig.router.stats().length_errors, len as u64 + 1, "{done:?}");
    }
    assert_eq!(rig.router.active(), None);
    assert_eq!(drop_reason(&mut rig, &packet), None);
}
