//! RFC 2338 §5.3.6: authentication, which RFC 3768 removed from VRRPv2, and which is still in use.

use super::{
    rfc3768::drop_reason,
    rig::*,
    vrrp::{
        DropReason,
        router::ConfigError,
        wire::{Authentication, DecodeError},
    },
};

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
