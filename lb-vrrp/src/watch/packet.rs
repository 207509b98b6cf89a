//! From a frame to the VRRP message in it.

use core::net::IpAddr;

use pnet::packet::{
    ethernet::{EtherType, EtherTypes, EthernetPacket},
    ip::{IpNextHeaderProtocol, IpNextHeaderProtocols},
    ipv4::Ipv4Packet,
    ipv6::Ipv6Packet,
    vlan::VlanPacket,
};

use crate::{Envelope, wire::Mac};

const VRRP: IpNextHeaderProtocol = IpNextHeaderProtocols::Vrrp;
/// More tags than any network stacks.
const MAX_TAGS: usize = 4;
/// More extension headers than any advertisement has.
const MAX_EXTENSIONS: usize = 8;

/// A message with protocol 112, and what carried it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Carried<'a> {
    pub(super) link: Link,
    pub(super) envelope: Envelope,
    pub(super) payload: &'a [u8],
}

/// What the Ethernet header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) vlan: Option<u16>,
    pub(super) mac: Option<Mac>,
}

/// The message in an Ethernet frame; `None` when it is about something else.
pub(super) fn in_frame(frame: &[u8]) -> Option<Carried<'_>> {
    let ethernet = EthernetPacket::new(frame)?;
    let mut link = Link { vlan: None, mac: Some(Mac(ethernet.get_source().octets())) };
    let mut kind = ethernet.get_ethertype();
    let mut rest = &frame[EthernetPacket::minimum_packet_size()..];
    for _ in 0..MAX_TAGS {
        if !is_tag(kind) {
            break;
        }
        let tag = VlanPacket::new(rest)?;
        // VLAN 0 is a tag for priority only.
        link.vlan = Some(tag.get_vlan_identifier()).filter(|vlan| *vlan != 0);
        kind = tag.get_ethertype();
        rest = &rest[VlanPacket::minimum_packet_size()..];
    }
    matches!(kind, EtherTypes::Ipv4 | EtherTypes::Ipv6).then(|| in_packet(link, rest))?
}

fn is_tag(kind: EtherType) -> bool {
    matches!(kind, EtherTypes::Vlan | EtherTypes::PBridge)
}

/// The message in an IP packet; `None` when it is about something else.
pub(super) fn in_packet(link: Link, packet: &[u8]) -> Option<Carried<'_>> {
    match packet.first()? >> 4 {
        4 => in_ipv4(link, packet),
        6 => in_ipv6(link, packet),
        _ => None,
    }
}

fn in_ipv4(link: Link, bytes: &[u8]) -> Option<Carried<'_>> {
    let packet = Ipv4Packet::new(bytes)?;
    // Advertisements are not fragmented, and a part of one can not be judged.
    let is_fragment = packet.get_fragment_offset() != 0 || packet.get_flags() & 1 != 0;
    let start = usize::from(packet.get_header_length()) * 4;
    let end = usize::from(packet.get_total_length()).min(bytes.len());
    if is_fragment || start < Ipv4Packet::minimum_packet_size() {
        return None;
    }
    let (payload, authenticated) = skip_headers(packet.get_next_level_protocol(), bytes.get(start..end)?)?;
    let envelope = Envelope {
        source: IpAddr::from(packet.get_source().octets()),
        destination: IpAddr::from(packet.get_destination().octets()),
        ttl: Some(packet.get_ttl()),
        authenticated,
    };
    Some(Carried { link, envelope, payload })
}

fn in_ipv6(link: Link, bytes: &[u8]) -> Option<Carried<'_>> {
    let packet = Ipv6Packet::new(bytes)?;
    let start = Ipv6Packet::minimum_packet_size();
    let end = (start + usize::from(packet.get_payload_length())).min(bytes.len());
    let (payload, authenticated) = skip_headers(packet.get_next_header(), bytes.get(start..end)?)?;
    let envelope = Envelope {
        source: IpAddr::from(packet.get_source().octets()),
        destination: IpAddr::from(packet.get_destination().octets()),
        ttl: Some(packet.get_hop_limit()),
        authenticated,
    };
    Some(Carried { link, envelope, payload })
}

/// What follows the headers that may stand before a VRRP message, and whether an authentication header is among them.
fn skip_headers(mut kind: IpNextHeaderProtocol, mut rest: &[u8]) -> Option<(&[u8], bool)> {
    let mut authenticated = false;
    for _ in 0..=MAX_EXTENSIONS {
        let words = usize::from(rest.get(1).copied().unwrap_or(0));
        let len = match kind {
            VRRP => return Some((rest, authenticated)),
            // RFC 4302 §2.2: in words of 32 bits, less 2.
            IpNextHeaderProtocols::Ah => {
                authenticated = true;
                (words + 2) * 4
            }
            // RFC 8200 §4.2: in units of 8 bytes, the first not counted.
            IpNextHeaderProtocols::Hopopt
            | IpNextHeaderProtocols::Ipv6Route
            | IpNextHeaderProtocols::Ipv6Opts => (words + 1) * 8,
            _ => return None,
        };
        kind = IpNextHeaderProtocol(*rest.first()?);
        rest = rest.get(len..)?;
    }
    None
}

#[cfg(test)]
mod tests;
