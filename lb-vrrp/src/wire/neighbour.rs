use core::net::Ipv6Addr;

use crate::wire::Mac;

/// Bytes of an unsolicited neighbour advertisement frame, Ethernet and IPv6 headers included.
pub const UNSOLICITED_NA_LEN: usize = 86;

/// An unsolicited neighbour advertisement to ff02::1, as an Ethernet frame: `address` is at `mac`. R is set for a
/// `router`, S is clear, O is set, with the target link-layer address option (RFC 9568 §6.4.1).
///
/// `source` is the link-local address that it comes from.
pub fn unsolicited_na(
    mac: Mac,
    source: Ipv6Addr,
    address: Ipv6Addr,
    router: bool,
) -> [u8; UNSOLICITED_NA_LEN] {
    let _ = (mac, source, address, router);
    todo!()
}
