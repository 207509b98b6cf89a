//! Why messages are dropped.

use core::{fmt, net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Family, Interval, Version, wire::DecodeError};

/// Why a message was dropped. Every message that was not acted on has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DropReason {
    /// It is no advertisement.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The TTL or hop limit shows that it did not come from this link (RFC 9568 §5.1.1.3), or it is not known.
    #[error("{} where at least {min} is required", Named(*ttl))]
    Ttl {
        /// What it is.
        ttl: Option<u8>,
        /// What it has to be at least.
        min: u8,
    },
    /// The TTL or hop limit is not what is configured for this unicast peer, or it is not known.
    #[error("{} where {min} to {max} is configured for this peer", Named(*ttl))]
    PeerTtl {
        /// What it is.
        ttl: Option<u8>,
        /// What it has to be at least.
        min: u8,
        /// And at most.
        max: u8,
    },
    /// It is of a version that this router does not speak.
    #[error("{0} is not spoken here")]
    Version(Version),
    /// It is for another virtual router.
    #[error("virtual router id {0} is not configured here")]
    Vrid(u8),
    /// It is of another family than the virtual router.
    #[error("{0} is not the family of the virtual router")]
    Family(Family),
    /// An IPv6 message that does not come from a link-local address (RFC 9568 §5.1.2.1).
    #[error("the source is not a link-local address")]
    SourceNotLinkLocal,
    /// It comes from none of the unicast peers.
    #[error("the source is not one of the peers")]
    NotAPeer,
    /// By unicast where multicast is configured, or the other way round.
    #[error("destination {0} does not fit: multicast and unicast do not mix")]
    Destination(IpAddr),
    /// It has our own source address (looped back, or an address that is used twice).
    #[error("it comes from our own address")]
    OwnAddress,
    /// It is authenticated in another way than configured (RFC 2338 §5.3.6).
    #[error("its way of authentication is not the one configured")]
    AuthType,
    /// The authentication text is wrong.
    #[error("the authentication text is wrong")]
    AuthText,
    /// It says that it has an IP authentication header, and none was verified.
    #[error("the IP authentication header is missing or was not verified")]
    AuthHeader,
    /// Its HMAC trailer is not right.
    #[cfg(feature = "hmac")]
    #[error(transparent)]
    Hmac(#[from] crate::wire::hmac::HmacError),
    /// VRRPv2: its interval is not ours (RFC 3768 §7.1).
    #[error("interval of {theirs} cs where {ours} cs is configured")]
    Interval {
        /// Its interval.
        theirs: Interval,
        /// Ours.
        ours: Interval,
    },
    /// It lists other addresses, and that is not allowed.
    #[error("it lists other addresses than configured")]
    Addresses,
    /// Its IPv6 addresses do not start with a link-local one (RFC 9568 erratum 8300), and that is required.
    #[error("the first address is not link-local")]
    FirstAddressNotLinkLocal,
    /// It was received longer ago than others are waited for.
    #[error("it was received {:.3} s ago", .0.as_secs_f64())]
    Stale(Duration),
    /// A resignation of a router that is not the Active one.
    #[error("a resignation of a router that is not the Active one")]
    ResignationOfOther,
    /// VRRPv2 from a router that is heard in VRRPv3 too, when both are spoken (RFC 9568 §8.4.2).
    #[error("its sender is heard in VRRPv3 too")]
    HeardInV3,
    /// This router takes no part (RFC 9568 §6.4.1).
    #[error("this virtual router takes no part")]
    NotRunning,
}

/// A TTL or hop limit in words.
struct Named(Option<u8>);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(ttl) => write!(f, "TTL {ttl}"),
            None => f.write_str("an unknown TTL"),
        }
    }
}
