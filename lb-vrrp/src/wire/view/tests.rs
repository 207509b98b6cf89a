use core::net::IpAddr;

use super::*;

#[test]
fn fields_of_both_versions() {
    let view = View::new(Family::V4, &[0x31, 51, 100, 1, 0xff, 0xff, 0x12, 0x34, 192, 0, 2, 99]);
    assert_eq!((view.version(), view.kind(), view.vrid()), (Some(3), Some(1), Some(51)));
    assert_eq!((view.priority(), view.count(), view.auth_type()), (Some(100), Some(1), None));
    assert_eq!((view.interval(), view.checksum()), (Some(4095), Some(0x1234)));
    let view = View::new(Family::V4, &[0x21, 51, 0, 1, 1, 255]);
    assert_eq!((view.auth_type(), view.interval(), view.checksum()), (Some(1), Some(25_500), None));
}

#[test]
fn no_more_addresses_than_counted_and_there() {
    let bytes = [0x31, 1, 1, 2, 0, 1, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 192, 0, 2, 3];
    let count = |bytes| View::new(Family::V4, bytes).addresses().map_or(0, Addresses::len);
    assert_eq!(count(&bytes), 2);
    assert_eq!(count(&bytes[..15]), 1);
    assert_eq!(count(&bytes[..11]), 0);
    assert_eq!(count(&bytes[..3]), 0);
    let first = View::new(Family::V4, &bytes).addresses().unwrap().first();
    assert_eq!(first, Some(IpAddr::from([192, 0, 2, 1])));
}

#[test]
fn a_line_for_the_log() {
    let bytes = [0x21, 51, 0, 2, 1, 3, 0xab, 0xcd, 192, 0, 2, 99, 192, 0, 2, 100, 0];
    assert_eq!(
        View::new(Family::V4, &bytes).to_string(),
        "17 bytes, version 2, type 1, vrid 51, priority 0, auth type 1, interval in cs 300, count 2, checksum 0xabcd, \
         addresses 192.0.2.99 192.0.2.100"
    );
    assert_eq!(View::new(Family::V6, &[0x4f]).to_string(), "1 bytes, version 4, type 15");
    assert_eq!(View::new(Family::V6, &[]).to_string(), "0 bytes");
}

/// The header of CARP, as OpenBSD's ip_carp.h lays it out: version and type, id, skew, authentication length in 32-bit
/// words, padding, base, checksum, 8 bytes of counter, 20 bytes of digest.
#[test]
fn carp_is_recognised() {
    let mut bytes = [0x5a; 36];
    bytes[..8].copy_from_slice(&[0x21, 1, 0, 7, 0, 1, 0x11, 0x22]);
    assert!(View::new(Family::V4, &bytes).looks_like_carp());
    assert_eq!(View::new(Family::V4, &bytes).to_string(), "not VRRP but CARP, it seems, of 36 bytes");
    // A real message of seven addresses is longer.
    let mut bytes = [0; 44];
    bytes[..8].copy_from_slice(&[0x21, 1, 0, 7, 0, 1, 0x11, 0x22]);
    assert!(!View::new(Family::V4, &bytes).looks_like_carp());
}
