use core::net::{Ipv4Addr, Ipv6Addr};

use super::*;

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const GROUP: IpAddr = Family::V4.multicast_group();

/// RFC 1071 §3.
#[test]
fn the_example_of_rfc_1071() {
    assert_eq!(fold(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), 0xddf2);
}

#[test]
fn an_odd_byte_is_the_upper_half_of_a_word() {
    assert_eq!(fold(sum(&[0x12])), 0x1200);
    assert_eq!(fold(sum(&[0, 0, 0, 1, 0x12])), 0x1201);
    assert_eq!(fold(sum(&[0, 0, 0, 1, 0, 2, 3])), 0x0303);
}

#[test]
fn the_field_counts_as_zero() {
    let clear = [0x31, 1, 100, 1, 0, 100, 0, 0, 192, 0, 2, 99];
    let mut filled = clear;
    fill_checksum(&mut filled, SOURCE, GROUP, ChecksumForm::PseudoHeader);
    assert_ne!(clear, filled);
    for form in [ChecksumForm::MessageOnly, ChecksumForm::PseudoHeader] {
        assert_eq!(checksum(&clear, SOURCE, GROUP, form), checksum(&filled, SOURCE, GROUP, form));
    }
}

/// Added up by hand from the words of RFC 9293 §3.1 (IPv4) and RFC 8200 §8.1 (IPv6).
#[test]
fn the_pseudo_header_holds_addresses_protocol_and_length() {
    let v4 = pseudo_header(12, SOURCE, GROUP, ChecksumForm::PseudoHeader);
    assert_eq!(fold(v4), fold(0xc000 + 0x0201 + 0xe000 + 0x0012 + 112 + 12));
    let source = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 7));
    let v6 = pseudo_header(24, source, Family::V6.multicast_group(), ChecksumForm::PseudoHeader);
    assert_eq!(fold(v6), fold(0xfe80 + 7 + 0xff02 + 0x12 + 24 + 112));
}

#[test]
fn no_message_is_too_short_or_too_long() {
    for len in [0, 1, 6, 7, 8, 65_535] {
        assert_eq!(checksum(&vec![0xff; len], SOURCE, GROUP, ChecksumForm::MessageOnly), {
            let mut message = vec![0xff; len];
            if let Some(field) = message.get_mut(6..8) {
                field.fill(0);
            }
            !fold(sum(&message))
        });
    }
}

/// A message is made once and filled again for every change of priority: what the field held before, however large, is
/// not part of the sum.
#[test]
fn the_old_checksum_does_not_count() {
    let mut message = [0x31, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 1];
    let fresh = checksum(&message, SOURCE, GROUP, ChecksumForm::MessageOnly);
    for old in [1, 0x7fff, 0x8000, 0xfffe, 0xffff_u16] {
        message[6..8].copy_from_slice(&old.to_be_bytes());
        assert_eq!(checksum(&message, SOURCE, GROUP, ChecksumForm::MessageOnly), fresh, "over {old:#06x}");
    }
}
