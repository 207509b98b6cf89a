use super::*;

const MAC: Mac = Mac([0x00, 0x00, 0x5e, 0x00, 0x02, 0x33]);
const SOURCE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x99);

/// Field by field, as RFC 8200 §3 and RFC 4861 §4.4 and §4.6.1 have them.
#[test]
fn the_frame_is_that_of_the_rfc() {
    for (router, flags) in [(true, 0xa0), (false, 0x20)] {
        let frame = unsolicited_na(MAC, SOURCE, ADDRESS, router);
        let sum = word_sum(router);
        let expected: [&[u8]; 16] = [
            &[0x33, 0x33, 0, 0, 0, 1], // to all nodes
            &MAC.0,                    // from
            &[0x86, 0xdd],             // IPv6
            &[0x60, 0, 0, 0],          // version, class, flow
            &[0, 32],                  // payload length
            &[58],                     // ICMPv6
            &[255],                    // hop limit
            &SOURCE.octets(),
            &ALL_NODES.octets(),
            &[136, 0],          // neighbour advertisement
            &sum.to_be_bytes(), // checksum
            &[flags],           // R, S, O
            &[0; 3],            // reserved
            &ADDRESS.octets(),  // target
            &[2, 1],            // option: target link-layer address, 8 bytes
            &MAC.0,
        ];
        assert_eq!(frame.as_slice(), expected.concat());
    }
}

/// The checksum from the words of pseudo-header (RFC 8200 §8.1) and message, added up on its own.
fn word_sum(router: bool) -> u16 {
    let words: [u32; 18] = [
        0xfe80,
        0x0001, // source
        0xff02,
        0x0001, // destination
        32,
        58,     // length, next header
        0x8800, // type, code
        if router { 0xa000 } else { 0x2000 },
        0x2001,
        0x0db8,
        0x0099, // target
        0x0201,
        0x0000,
        0x5e00,
        0x0233, // option
        0,
        0,
        0,
    ];
    let sum: u32 = words.iter().sum();
    !((sum >> 16) + (sum & 0xffff)) as u16
}
