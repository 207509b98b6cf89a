use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Family, Version};

/// Why bytes are not an advertisement. Each is a reason to drop the message (RFC 9568 §7.1, RFC 3768 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DecodeError {
    /// Fewer bytes than the fixed part, the addresses that it counts and the authentication data take.
    #[error("truncated: {len} bytes where {needed} are needed")]
    Truncated {
        /// How many bytes there are.
        len: usize,
        /// How many the message needs.
        needed: usize,
    },
    /// Bytes after the end of the message.
    #[error("{0} bytes too many")]
    TrailingBytes(usize),
    /// Neither version 2 nor version 3.
    #[error("version {0} is neither 2 nor 3")]
    Version(u8),
    /// Not an advertisement, which is type 1.
    #[error("type {0} is not that of an advertisement, 1")]
    Type(u8),
    /// Virtual router id 0.
    #[error("virtual router id 0")]
    ZeroVrid,
    /// No address is carried (RFC 9568 erratum 8299).
    #[error("no address is carried")]
    NoAddresses,
    /// Advertisement interval 0 (RFC 9568 erratum 8301).
    #[error("advertisement interval 0")]
    ZeroInterval,
    /// The checksum fits none of the accepted forms.
    #[error("checksum 0x{0:04x} is wrong")]
    Checksum(u16),
    /// A VRRPv2 authentication type other than 0 (none), 1 (text) and 2 (IP authentication header).
    #[error("authentication type {0} is unknown")]
    AuthType(u8),
    /// VRRPv2 over IPv6: it is for IPv4 only.
    #[error("{0} can not be carried in {1}")]
    VersionFamily(Version, Family),
    /// Source and destination of the packet are of different families.
    #[error("the source is of {0} and the destination of {1}")]
    Envelope(Family, Family),
}
