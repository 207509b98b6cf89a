//! The IP authentication header around a VRRPv2 message (RFC 2338 §5.3.6.3), as keepalived sends it with
//! `auth_type AH`: HMAC-MD5-96 (RFC 2403) in the header of RFC 2402, IPv4 only.
//!
//! It keeps mistakes and passers-by out, and no more than that: MD5 is old, and every router of the group knows the key.
//!
//! [`Guard::seal`] writes the whole packet, since the digest covers the IP header too. Send it through a raw socket with
//! `IP_HDRINCL`:
//!
//! | bytes | what |
//! |---|---|
//! | 0..20 | IPv4 header: TOS 0xc0, identification not 0, not fragmented, TTL 255, protocol 51 |
//! | 20 | next header: 112 |
//! | 21 | length of this header in 32-bit words, less 2: 4 |
//! | 22..24 | reserved: 0 |
//! | 24..28 | security parameters index: the source address |
//! | 28..32 | sequence number, from 1 |
//! | 32..44 | first 12 bytes of HMAC-MD5 over the packet, with these 12 bytes and the mutable fields of the IP header as 0 |
//! | 44.. | the VRRP message |
//!
//! Two things are not in the RFCs, and were measured against keepalived 2.2.7:
//! - The TTL, which RFC 2402 §3.3.3.1.1 counts among the mutable fields, is digested as it stands. [`Guard::open`] takes
//!   packets of either kind, [`Guard::seal`] makes those of keepalived.
//! - Sequence numbers belong to the group, not to the sender: who becomes Active goes on where the one before it was.
//!   [`Guard::seal`] does so too.

mod replay;

use alloc::sync::Arc;
use core::net::Ipv4Addr;

use hmac::{Hmac, KeyInit, Mac as _};
use md5::Md5;
use pnet::packet::{
    Packet,
    ip::{IpNextHeaderProtocol, IpNextHeaderProtocols},
    ipv4::{self, Ipv4Packet, MutableIpv4Packet},
};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::Vrid;

use replay::{Senders, is_newer};

/// Bytes of IPv4 header and authentication header, before the message.
pub const OVERHEAD: usize = IP_LEN + HEADER_LEN;

const IP_LEN: usize = 20;
const HEADER_LEN: usize = FIXED_LEN + ICV_LEN;
/// Up to the integrity check value.
const FIXED_LEN: usize = 12;
const ICV_LEN: usize = 12;
/// In 32-bit words, less 2 (RFC 2402 §2.2).
const LENGTH_FIELD: u8 = (HEADER_LEN / 4 - 2) as u8;

const VRRP: IpNextHeaderProtocol = IpNextHeaderProtocol(112);
/// Internetwork control (RFC 791), as keepalived sends it.
const TOS: u8 = 0xc0;

/// The virtual router id in a packet that is not verified yet: which [`Guard`] to ask.
pub fn vrid(packet: &[u8]) -> Option<u8> {
    packet.get(OVERHEAD + 1).copied()
}

/// Why a packet is not let in. Each is a reason to drop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AhError {
    /// No IPv4 packet, or shorter than it says, or too short for an authentication header and the start of a message.
    #[error("the packet is truncated")]
    Truncated,
    /// The packet has IP options, whose digest depends on which of them routers may change. VRRP has none.
    #[error("the packet has IP options")]
    Options,
    /// The packet is a fragment: it was not put together before it came here.
    #[error("the packet is a fragment")]
    Fragment,
    /// The protocol of the packet is not 51: there is no authentication header.
    #[error("no authentication header, but protocol {0}")]
    Missing(u8),
    /// The authentication header has another length than one with HMAC-MD5-96.
    #[error("the length field of the authentication header is {0}, not 4")]
    Length(u8),
    /// Something else than VRRP is authenticated.
    #[error("the authentication header is around protocol {0}, not 112")]
    NextHeader(u8),
    /// The message is for another virtual router.
    #[error("virtual router id {0} is not that of this guard")]
    Vrid(u8),
    /// The security parameters index is not the source address.
    #[error("security parameters index 0x{0:08x} is not the source address")]
    Spi(u32),
    /// The digest is wrong: another key, or the packet was changed.
    #[error("the digest is wrong")]
    Digest,
    /// The sequence number was seen before from this sender, or is too old to tell.
    #[error("sequence number {0} was seen before, or is too old to tell")]
    Replay(u32),
}

/// The key of a group of routers, expanded. It does not show itself in [`Debug`].
#[derive(Clone)]
pub struct Key(Arc<Hmac<Md5>>);

impl Key {
    /// A key of these bytes. keepalived uses the characters of `auth_pass`, at most the first eight (measured against
    /// 2.2.7). Trailing zeros do not count.
    pub fn new(password: &[u8]) -> Self {
        Self(Arc::new(Hmac::new_from_slice(password).expect("HMAC takes keys of any length")))
    }

    /// The digest of a packet whose mutable fields are 0.
    fn digest(&self, ip: &[u8], header: &[u8], message: &[u8]) -> [u8; ICV_LEN] {
        let digest = Hmac::clone(&self.0).chain_update(ip).chain_update(header).chain_update([0; ICV_LEN]);
        let digest = digest.chain_update(message).finalize().into_bytes();
        let mut icv = [0; ICV_LEN];
        icv.copy_from_slice(&digest[..ICV_LEN]);
        icv
    }
}

/// Keys are the same when they seal alike.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.digest(&[], &[], &[]) == other.digest(&[], &[], &[])
    }
}

impl Eq for Key {}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key")
    }
}

/// Seals and opens the packets of one virtual router. It needs no memory after it was made.
#[derive(Clone, Debug)]
pub struct Guard {
    key: Key,
    vrid: Vrid,
    /// Greatest number that was sealed, or opened, so far.
    sequence: u32,
    senders: Senders,
}

impl Guard {
    /// A guard that has seen nothing yet, and will seal with sequence number 1.
    ///
    /// keepalived starts as Backup with this authentication, to hear the number of the Active router first. A router of
    /// this crate does so anyway, unless it is the owner.
    pub fn new(key: Key, vrid: Vrid) -> Self {
        Self { key, vrid, sequence: 0, senders: Senders::new() }
    }

    /// Another key from now on. What was sealed and opened stays known.
    pub fn set_key(&mut self, key: Key) {
        self.key = key;
    }

    /// Goes on after this [`sequence`](Self::sequence) number of a predecessor, so that those who heard the predecessor take
    /// what is sealed now. Nothing happens when a later number was sealed or opened already.
    pub fn resume(&mut self, sequence: u32) {
        self.note(sequence);
    }

    /// Sequence number of the latest packet that was sealed or opened; 0 when there was none.
    pub fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Writes the packet around `message` to the start of `out`, and returns its length: [`OVERHEAD`] more than the
    /// message. After 4294967295 the sequence number is 1 again.
    ///
    /// # Panics
    /// When `out` is shorter than the packet, or the packet longer than 65535 bytes.
    pub fn seal(&mut self, source: Ipv4Addr, destination: Ipv4Addr, message: &[u8], out: &mut [u8]) -> usize {
        let len = OVERHEAD + message.len();
        let total = u16::try_from(len).expect("an IP packet is no longer than 65535 bytes");
        self.sequence = self.sequence.wrapping_add(1).max(1);
        let (ip, rest) = out[..len].split_at_mut(IP_LEN);
        let (header, body) = rest.split_at_mut(HEADER_LEN);
        let (fixed, icv) = header.split_at_mut(FIXED_LEN);
        body.copy_from_slice(message);
        fixed[..4].copy_from_slice(&[VRRP.0, LENGTH_FIELD, 0, 0]);
        fixed[4..8].copy_from_slice(&source.octets());
        fixed[8..].copy_from_slice(&self.sequence.to_be_bytes());

        ip.fill(0);
        let mut ip = MutableIpv4Packet::new(ip).expect("the header has room");
        ip.set_version(4);
        ip.set_header_length((IP_LEN / 4) as u8);
        ip.set_total_length(total);
        // Linux puts its own number where there is 0, and so breaks the digest.
        ip.set_identification((self.sequence as u16).max(1));
        ip.set_ttl(255);
        ip.set_next_level_protocol(IpNextHeaderProtocols::Ah);
        ip.set_source(source.octets().into());
        ip.set_destination(destination.octets().into());
        icv.copy_from_slice(&self.key.digest(ip.packet(), fixed, body));
        ip.set_dscp(TOS >> 2);
        ip.set_checksum(ipv4::checksum(&ip.to_immutable()));
        len
    }

    /// The message in an IPv4 packet, given from its IP header on, if the packet is authentic and new. Bytes after the end
    /// of the packet are ignored. Give the message to the virtual router with
    /// [`Envelope::authenticated`](crate::Envelope::authenticated) set.
    ///
    /// # Errors
    /// Named in [`AhError`]. The guard is unchanged then.
    pub fn open<'a>(&mut self, packet: &'a [u8]) -> Result<&'a [u8], AhError> {
        let (ip, header, message) = split(packet)?;
        let vrid = message[1];
        if vrid != self.vrid.get() {
            return Err(AhError::Vrid(vrid));
        }
        let (fixed, icv) = header.split_at(FIXED_LEN);
        let source: [u8; 4] = ip.get_source().octets();
        let word = |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let (spi, sequence) = (word(4), word(8));
        if spi != u32::from_be_bytes(source) {
            return Err(AhError::Spi(spi));
        }
        let authentic = immutable_forms(ip.packet())
            .iter()
            .any(|ip| bool::from(self.key.digest(ip, fixed, message).ct_eq(icv)));
        if !authentic {
            return Err(AhError::Digest);
        }
        if !self.senders.accept(source, sequence) {
            return Err(AhError::Replay(sequence));
        }
        self.note(sequence);
        Ok(message)
    }

    fn note(&mut self, sequence: u32) {
        if self.sequence == 0 || is_newer(sequence, self.sequence) {
            self.sequence = sequence;
        }
    }
}

/// The IP header, the authentication header, and at least the first two bytes of a message.
fn split(packet: &[u8]) -> Result<(Ipv4Packet<'_>, &[u8], &[u8]), AhError> {
    let ip = Ipv4Packet::new(packet).filter(|ip| ip.get_version() == 4).ok_or(AhError::Truncated)?;
    if ip.get_header_length() != (IP_LEN / 4) as u8 {
        return Err(AhError::Options);
    }
    let packet = packet.get(..usize::from(ip.get_total_length())).ok_or(AhError::Truncated)?;
    if ip.get_fragment_offset() != 0 || ip.get_flags() & ipv4::Ipv4Flags::MoreFragments != 0 {
        return Err(AhError::Fragment);
    }
    let protocol = ip.get_next_level_protocol();
    if protocol != IpNextHeaderProtocols::Ah {
        return Err(AhError::Missing(protocol.0));
    }
    if packet.len() < OVERHEAD + 2 {
        return Err(AhError::Truncated);
    }
    let (ip, rest) = packet.split_at(IP_LEN);
    let (header, message) = rest.split_at(HEADER_LEN);
    match (header[0], header[1]) {
        (_, length) if length != LENGTH_FIELD => Err(AhError::Length(length)),
        (next, _) if next != VRRP.0 => Err(AhError::NextHeader(next)),
        _ => Ok((Ipv4Packet::new(ip).ok_or(AhError::Truncated)?, header, message)),
    }
}

/// The IP header with its mutable fields as 0: as keepalived has it, with the TTL as it stands, and as RFC 2402
/// §3.3.3.1.1 does.
fn immutable_forms(header: &[u8]) -> [[u8; IP_LEN]; 2] {
    let mut kept = [0; IP_LEN];
    kept.copy_from_slice(&header[..IP_LEN]);
    kept[1] = 0;
    kept[6..8].fill(0);
    kept[10..12].fill(0);
    let mut zeroed = kept;
    zeroed[8] = 0;
    [kept, zeroed]
}

#[cfg(test)]
mod tests;
