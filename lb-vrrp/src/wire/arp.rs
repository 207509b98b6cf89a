use core::net::Ipv4Addr;

use pnet::packet::{
    arp::{ArpHardwareTypes, ArpOperations, MutableArpPacket},
    ethernet::{EtherTypes, MutableEthernetPacket},
};

use crate::wire::Mac;

/// Bytes of a gratuitous ARP frame, Ethernet header included.
pub const GRATUITOUS_ARP_LEN: usize = 42;

/// A gratuitous ARP request, as an Ethernet broadcast frame: `address` is at `mac` (RFC 9568 §6.4.1 with erratum 7947).
/// It is laid out as the ARP announcement of RFC 5227 §3: both protocol addresses are `address`, and the target hardware
/// address is zero.
pub fn gratuitous_arp(mac: Mac, address: Ipv4Addr) -> [u8; GRATUITOUS_ARP_LEN] {
    let mut frame = [0; GRATUITOUS_ARP_LEN];
    let (ethernet, arp) = frame.split_at_mut(MutableEthernetPacket::minimum_packet_size());

    let mut ethernet = MutableEthernetPacket::new(ethernet).expect("the header has room");
    ethernet.set_destination([0xff; 6].into());
    ethernet.set_source(mac.0.into());
    ethernet.set_ethertype(EtherTypes::Arp);

    let mut arp = MutableArpPacket::new(arp).expect("the request has room");
    arp.set_hardware_type(ArpHardwareTypes::Ethernet);
    arp.set_protocol_type(EtherTypes::Ipv4);
    arp.set_hw_addr_len(6);
    arp.set_proto_addr_len(4);
    arp.set_operation(ArpOperations::Request);
    arp.set_sender_hw_addr(mac.0.into());
    arp.set_sender_proto_addr(address.octets().into());
    arp.set_target_proto_addr(address.octets().into());
    frame
}

#[cfg(test)]
mod tests;
