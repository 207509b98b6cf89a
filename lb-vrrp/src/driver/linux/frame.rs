//! Advertisements as whole frames, from the virtual Ethernet address (RFC 9568 §7.2).

use std::{io, net::IpAddr};

use pnet::packet::{
    ethernet::EtherTypes,
    ip::IpNextHeaderProtocols,
    ipv4::{self, MutableIpv4Packet},
    ipv6::MutableIpv6Packet,
};

use super::{
    packet::{self, PacketSocket},
    sys::Outbox,
};
use crate::{Transmit, driver::platform::Via, wire::Mac};

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;

/// Frames that wait to be sent.
#[derive(Default)]
pub(super) struct Frames {
    outbox: Outbox,
    /// Who sends each of them.
    senders: Vec<usize>,
}

impl Frames {
    /// Queues an advertisement to a group. A `sealed` one has its IP header already.
    pub(super) fn push(&mut self, via: Via, source: Mac, message: Transmit<'_>) {
        self.senders.push(via.sender);
        let header = header(source, message.destination);
        let write = |bytes: &mut Vec<u8>| {
            bytes.extend_from_slice(&header);
            if !via.sealed {
                write_ip(bytes, message);
            }
            bytes.extend_from_slice(message.payload);
        };
        packet::push(&mut self.outbox, via.interface, write, &header);
    }

    /// Sends what is queued. Tells whose advertisements could not be sent.
    pub(super) fn flush(&mut self, socket: &PacketSocket, failed: &mut dyn FnMut(usize, io::Error)) {
        let Self { outbox, senders } = self;
        socket.flush(outbox, &mut |index, error| failed(senders[index], error));
        senders.clear();
    }
}

/// The Ethernet header of a message to a group (RFC 1112 §6.4, RFC 2464 §7).
fn header(source: Mac, group: IpAddr) -> [u8; ETHERNET] {
    let (destination, ethertype) = match group {
        IpAddr::V4(group) => {
            let [_, b, c, d] = group.octets();
            ([0x01, 0x00, 0x5e, b & 0x7f, c, d], EtherTypes::Ipv4)
        }
        IpAddr::V6(group) => {
            let [.., c, d, e, f] = group.octets();
            ([0x33, 0x33, c, d, e, f], EtherTypes::Ipv6)
        }
    };
    let mut header = [0; ETHERNET];
    header[..6].copy_from_slice(&destination);
    header[6..12].copy_from_slice(&source.0);
    header[12..].copy_from_slice(&ethertype.0.to_be_bytes());
    header
}

/// The IP header.
fn write_ip(bytes: &mut Vec<u8>, message: Transmit<'_>) {
    let start = bytes.len();
    let length = message.payload.len();
    match (message.source, message.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            bytes.resize(start + IPV4, 0);
            let Some(mut packet) = MutableIpv4Packet::new(&mut bytes[start..]) else { return };
            packet.set_version(4);
            packet.set_header_length(5);
            packet.set_dscp(0x30);
            packet.set_total_length(u16::try_from(IPV4 + length).unwrap_or(u16::MAX));
            packet.set_flags(ipv4::Ipv4Flags::DontFragment);
            packet.set_ttl(255);
            packet.set_next_level_protocol(IpNextHeaderProtocols::Vrrp);
            packet.set_source(source.octets().into());
            packet.set_destination(destination.octets().into());
            let checksum = ipv4::checksum(&packet.to_immutable());
            packet.set_checksum(checksum);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            bytes.resize(start + IPV6, 0);
            let Some(mut packet) = MutableIpv6Packet::new(&mut bytes[start..]) else { return };
            packet.set_version(6);
            packet.set_traffic_class(0xc0);
            packet.set_payload_length(u16::try_from(length).unwrap_or(u16::MAX));
            packet.set_next_header(IpNextHeaderProtocols::Vrrp);
            packet.set_hop_limit(255);
            packet.set_source(source.octets().into());
            packet.set_destination(destination.octets().into());
        }
        _ => {}
    }
}
