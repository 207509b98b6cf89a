use core::net::IpAddr;

use serde::{Deserialize, Serialize};

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

/// The checksum of a message whose checksum field is taken as 0 (RFC 9568 §5.2.8). The form decides what is covered
/// besides the message; source and destination are those of the packet.
pub fn checksum(message: &[u8], source: IpAddr, destination: IpAddr, form: ChecksumForm) -> u16 {
    let _ = (message, source, destination, form);
    todo!()
}

/// Writes the [`checksum`] into bytes 6 and 7 of a message.
///
/// # Panics
/// When the message has fewer than 8 bytes.
pub fn fill_checksum(message: &mut [u8], source: IpAddr, destination: IpAddr, form: ChecksumForm) {
    let sum = checksum(message, source, destination, form);
    message[6..8].copy_from_slice(&sum.to_be_bytes());
}
