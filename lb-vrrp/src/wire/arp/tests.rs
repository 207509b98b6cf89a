use super::*;

/// Field by field, as RFC 826 and RFC 5227 §3 have them.
#[test]
fn the_frame_is_that_of_the_rfc() {
    let mac = Mac([0x00, 0x00, 0x5e, 0x00, 0x01, 0x33]);
    let frame = gratuitous_arp(mac, Ipv4Addr::new(192, 0, 2, 99));
    let expected: [&[u8]; 11] = [
        &[0xff; 6],       // to everybody
        &mac.0,           // from
        &[0x08, 0x06],    // ARP
        &[0x00, 0x01],    // hardware: Ethernet
        &[0x08, 0x00],    // protocol: IPv4
        &[6, 4],          // their address lengths
        &[0x00, 0x01],    // request
        &mac.0,           // sender hardware address
        &[192, 0, 2, 99], // sender protocol address
        &[0; 6],          // target hardware address
        &[192, 0, 2, 99], // target protocol address
    ];
    assert_eq!(frame.as_slice(), expected.concat());
}
