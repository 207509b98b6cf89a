use core::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::{Family, Version, wire::DecodeError};

/// What the checksum of a message covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChecksumForm {
    /// The message alone: VRRPv2, and VRRPv3 over IPv4 by RFC 9568 §5.2.8.
    MessageOnly,
    /// The message and the pseudo-header of the packet: VRRPv3 over IPv6, and VRRPv3 over IPv4 by RFC 5798 as keepalived
    /// and FRR read it.
    PseudoHeader,
    /// As [`PseudoHeader`](Self::PseudoHeader), with the multicast group as the destination although the message goes by
    /// unicast: keepalived before 1.3.7.
    GroupPseudoHeader,
}

impl fmt::Display for ChecksumForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MessageOnly => "the message alone",
            Self::PseudoHeader => "the message and its pseudo-header",
            Self::GroupPseudoHeader => "the message and a pseudo-header that names the multicast group",
        })
    }
}

/// The checksum of a message whose checksum field is taken as 0 (RFC 9568 §5.2.8). The form decides what is covered
/// besides the message; source and destination are those of the packet.
pub fn checksum(message: &[u8], source: IpAddr, destination: IpAddr, form: ChecksumForm) -> u16 {
    // The field is the lower half of its word.
    let field = message.get(6..8).map_or(0, |field| u64::from(u16::from_be_bytes([field[0], field[1]])));
    !fold(sum(message) - field + pseudo_header(message.len(), source, destination, form))
}

/// Writes the [`checksum`] into bytes 6 and 7 of a message.
///
/// # Panics
/// When the message has fewer than 8 bytes.
pub fn fill_checksum(message: &mut [u8], source: IpAddr, destination: IpAddr, form: ChecksumForm) {
    let sum = checksum(message, source, destination, form);
    message[6..8].copy_from_slice(&sum.to_be_bytes());
}

/// Whether the checksum in a message has this form. More than one may fit: where source, destination, protocol number and
/// length add up to a multiple of 65,535, the pseudo-header makes no difference.
pub(crate) fn fits(message: &[u8], source: IpAddr, destination: IpAddr, form: ChecksumForm) -> bool {
    fold(sum(message) + pseudo_header(message.len(), source, destination, form)) == u16::MAX
}

/// Which form the checksum of a received message has, the first one of those that fit. The message has at least 8 bytes.
pub(super) fn verify(
    message: &[u8],
    version: Version,
    source: IpAddr,
    destination: IpAddr,
) -> Result<ChecksumForm, DecodeError> {
    use ChecksumForm::{GroupPseudoHeader, MessageOnly, PseudoHeader};

    let accepted: &[ChecksumForm] = match (version, Family::of(source)) {
        (Version::V2, _) => &[MessageOnly],
        (Version::V3, Family::V6) => &[PseudoHeader],
        (Version::V3, Family::V4) if destination.is_multicast() => &[MessageOnly, PseudoHeader],
        (Version::V3, Family::V4) => &[MessageOnly, PseudoHeader, GroupPseudoHeader],
    };
    accepted
        .iter()
        .copied()
        .find(|form| fits(message, source, destination, *form))
        .ok_or_else(|| DecodeError::Checksum(u16::from_be_bytes([message[6], message[7]])))
}

/// Protocol number of VRRP, in the pseudo-header of both families.
const PROTOCOL: u64 = 112;

/// The sum of what is covered besides a message of this many bytes. The pseudo-headers of IPv4 and IPv6 are laid out
/// differently and hold the same numbers, so their sums are the same.
fn pseudo_header(len: usize, source: IpAddr, destination: IpAddr, form: ChecksumForm) -> u64 {
    let destination = match form {
        ChecksumForm::MessageOnly => return 0,
        ChecksumForm::PseudoHeader => destination,
        ChecksumForm::GroupPseudoHeader => Family::of(source).multicast_group(),
    };
    sum_of_address(source) + sum_of_address(destination) + PROTOCOL + len as u64
}

fn sum_of_address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => sum(&address.octets()),
        IpAddr::V6(address) => sum(&address.octets()),
    }
}

/// Sum of the 32-bit words, the last of them filled up with zeros. Folded to 16 bits it is the sum of the 16-bit words,
/// and no message is long enough for it to overflow.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    words.iter().chain([&last]).map(|word| u64::from(u32::from_be_bytes(*word))).sum()
}

/// The ones' complement sum: carries are added back in.
const fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

#[cfg(test)]
mod tests;
