use core::net::Ipv4Addr;

use crate::wire::Mac;

/// Bytes of a gratuitous ARP frame, Ethernet header included.
pub const GRATUITOUS_ARP_LEN: usize = 42;

/// A gratuitous ARP request, as an Ethernet broadcast frame: `address` is at `mac` (RFC 9568 §6.4.1 with erratum 7947).
pub fn gratuitous_arp(mac: Mac, address: Ipv4Addr) -> [u8; GRATUITOUS_ARP_LEN] {
    let _ = (mac, address);
    todo!()
}
