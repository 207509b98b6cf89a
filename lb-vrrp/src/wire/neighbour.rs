use core::net::Ipv6Addr;

use pnet::packet::{
    ethernet::{EtherTypes, MutableEthernetPacket},
    icmpv6::{
        Icmpv6Packet, Icmpv6Types, checksum,
        ndp::{MutableNdpOptionPacket, MutableNeighborAdvertPacket, NdpOptionTypes, NeighborAdvertFlags},
    },
    ip::IpNextHeaderProtocols,
    ipv6::MutableIpv6Packet,
};

use crate::wire::Mac;

/// Bytes of an unsolicited neighbour advertisement frame, Ethernet and IPv6 headers included.
pub const UNSOLICITED_NA_LEN: usize = ETHERNET_LEN + IPV6_LEN + ADVERT_LEN;

const ETHERNET_LEN: usize = 14;
const IPV6_LEN: usize = 40;
/// With one option, the target's link-layer address.
const ADVERT_LEN: usize = 24 + OPTION_LEN;
const OPTION_LEN: usize = 8;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// The Ethernet group that ff02::1 maps to (RFC 2464 §7).
const ALL_NODES_MAC: Mac = Mac([0x33, 0x33, 0, 0, 0, 1]);

/// An unsolicited neighbour advertisement to ff02::1, as an Ethernet frame: `address` is at `mac`. R is set for a
/// `router`, S is clear, O is set, with the target link-layer address option (RFC 9568 §6.4.1, RFC 4861 §4.4).
///
/// `source` is the link-local address that it comes from.
pub fn unsolicited_na(
    mac: Mac,
    source: Ipv6Addr,
    address: Ipv6Addr,
    router: bool,
) -> [u8; UNSOLICITED_NA_LEN] {
    let mut frame = [0; UNSOLICITED_NA_LEN];
    let (ethernet, packet) = frame.split_at_mut(ETHERNET_LEN);
    let (ip, advert) = packet.split_at_mut(IPV6_LEN);

    let mut ethernet = MutableEthernetPacket::new(ethernet).expect("the header has room");
    ethernet.set_destination(ALL_NODES_MAC.0.into());
    ethernet.set_source(mac.0.into());
    ethernet.set_ethertype(EtherTypes::Ipv6);

    let mut ip = MutableIpv6Packet::new(ip).expect("the header has room");
    ip.set_version(6);
    ip.set_payload_length(ADVERT_LEN as u16);
    ip.set_next_header(IpNextHeaderProtocols::Icmpv6);
    // RFC 4861 §7.1.2: anything else is dropped, since it may have come from another link.
    ip.set_hop_limit(255);
    ip.set_source(source.octets().into());
    ip.set_destination(ALL_NODES.octets().into());

    fill_advert(advert, mac, address, router);
    let message = Icmpv6Packet::new(advert).expect("the message has room");
    let sum = checksum(&message, &source.octets().into(), &ALL_NODES.octets().into());
    let mut message = MutableNeighborAdvertPacket::new(advert).expect("the message has room");
    message.set_checksum(sum);
    frame
}

fn fill_advert(bytes: &mut [u8], mac: Mac, address: Ipv6Addr, router: bool) {
    let (advert, option) = bytes.split_at_mut(ADVERT_LEN - OPTION_LEN);
    let mut advert = MutableNeighborAdvertPacket::new(advert).expect("the message has room");
    advert.set_icmpv6_type(Icmpv6Types::NeighborAdvert);
    let role = if router { NeighborAdvertFlags::Router } else { 0 };
    advert.set_flags(role | NeighborAdvertFlags::Override);
    advert.set_target_addr(address.octets().into());

    let mut option = MutableNdpOptionPacket::new(option).expect("the option has room");
    option.set_option_type(NdpOptionTypes::TargetLLAddr);
    // In units of eight bytes.
    option.set_length((OPTION_LEN / 8) as u8);
    option.set_data(&mac.0);
}

#[cfg(test)]
mod tests;
