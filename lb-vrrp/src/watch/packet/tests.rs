use alloc::{vec, vec::Vec};

use proptest::prelude::*;

use super::*;

const MESSAGE: [u8; 12] = [0x31, 1, 100, 1, 0, 100, 0, 0, 203, 0, 113, 1];

fn ipv4(protocol: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let words = 5 + options.len() / 4;
    let total = (words * 4 + payload.len()) as u8;
    let mut packet = vec![0x40 | words as u8, 0, 0, total, 0, 0, 0, 0, 255, protocol, 0, 0];
    packet.extend([192, 0, 2, 1, 224, 0, 0, 18]);
    packet.extend(options);
    packet.extend(payload);
    packet
}

fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, payload.len() as u8, next, 255];
    packet.extend(core::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).octets());
    packet.extend(core::net::Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12).octets());
    packet.extend(payload);
    packet
}

fn message(packet: &[u8]) -> Option<(&[u8], bool)> {
    in_packet(Link::default(), packet).map(|carried| (carried.payload, carried.envelope.authenticated))
}

#[test]
fn headers_are_taken_off() {
    assert_eq!(message(&ipv4(112, &[], &MESSAGE)), Some((&MESSAGE[..], false)));
    assert_eq!(message(&ipv4(112, &[0x94, 4, 0, 0], &MESSAGE)), Some((&MESSAGE[..], false)));
    let authenticated = [&[112, 4, 0, 0][..], &[0; 20], &MESSAGE].concat();
    assert_eq!(message(&ipv4(51, &[], &authenticated)), Some((&MESSAGE[..], true)));
    assert_eq!(message(&ipv6(112, &MESSAGE)), Some((&MESSAGE[..], false)));
    let extended = [&[60, 0, 1, 4, 0, 0, 0, 0][..], &[112, 1], &[0; 14], &MESSAGE].concat();
    assert_eq!(message(&ipv6(0, &extended)), Some((&MESSAGE[..], false)));
}

#[test]
fn ethernet_padding_is_no_part_of_it() {
    let padded = [ipv4(112, &[], &MESSAGE), vec![0; 14]].concat();
    assert_eq!(message(&padded), Some((&MESSAGE[..], false)));
    let padded = [ipv6(112, &MESSAGE), vec![0; 14]].concat();
    assert_eq!(message(&padded), Some((&MESSAGE[..], false)));
}

#[test]
fn other_packets_are_passed_over() {
    assert_eq!(message(&ipv4(17, &[], &MESSAGE)), None);
    assert_eq!(message(&ipv6(58, &MESSAGE)), None);
    assert_eq!(message(&ipv4(51, &[], &[17, 4, 0, 0])), None);
    for (byte, value) in [(6, 0x20), (7, 1)] {
        let mut fragment = ipv4(112, &[], &MESSAGE);
        fragment[byte] = value;
        assert_eq!(message(&fragment), None);
    }
    let endless = [0, 0, 0, 0, 0, 0, 0, 0].repeat(25);
    assert_eq!(message(&ipv6(0, &endless)), None);
}

#[test]
fn tags_are_taken_off() {
    let frame = |tags: &[u8]| [&[1; 6][..], &[2; 6], tags, &[0x08, 0x00], &ipv4(112, &[], &MESSAGE)].concat();
    for (tags, vlan) in [
        (&[][..], None),
        (&[0x81, 0x00, 0xe0, 0x0a], Some(10)),
        (&[0x81, 0x00, 0xe0, 0x00], None),
        (&[0x88, 0xa8, 0x00, 0x07, 0x81, 0x00, 0x00, 0x08], Some(8)),
    ] {
        let frame = frame(tags);
        let carried = in_frame(&frame).unwrap();
        assert_eq!((carried.link.vlan, carried.link.mac), (vlan, Some(Mac([2; 6]))));
        assert_eq!(carried.payload, MESSAGE);
    }
    assert_eq!(in_frame(&frame(&[0x81, 0, 0, 1].repeat(9))), None);
}

proptest! {
    #[test]
    fn any_bytes_will_do(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = in_frame(&bytes);
        let _ = message(&bytes);
    }

    #[test]
    fn any_damage_will_do(
        at in 0_usize..200, value: u8, end in 0_usize..200, extended: bool, authentication in any::<[u8; 24]>(),
    ) {
        let inner = [&authentication[..], &MESSAGE].concat();
        let packet = if extended { ipv6(0, &inner) } else { ipv4(51, &[1; 8], &inner) };
        let kind = if extended { [0x86, 0xdd] } else { [0x08, 0x00] };
        let mut frame = [&[1; 12][..], &kind, &packet].concat();
        let at = at % frame.len();
        frame[at] = value;
        frame.truncate(end);
        let _ = in_frame(&frame);
    }
}
