use alloc::vec::Vec;
use core::{fmt, net::IpAddr};

use thiserror::Error;

use crate::{Interval, VersionMode, addresses::AddressError};

/// All that is wrong with a configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    pub(super) fn of(errors: Vec<ConfigError>) -> Self {
        Self(errors)
    }

    /// Each problem.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

/// A configuration is for another virtual router than the one that was to take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the configuration is for another virtual router: identifier, family and version can not be changed")]
pub struct OtherRouter;

/// What may be wrong with a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The addresses can not be advertised together.
    #[error(transparent)]
    Addresses(#[from] AddressError),
    /// VRRPv2 with IPv6 addresses.
    #[error("{0} is for IPv4 only: use VRRPv3 for IPv6 addresses")]
    VersionFamily(VersionMode),
    /// VRRPv2 with an interval that is not a number of seconds.
    #[error("an interval of {0} cs can not be sent by VRRPv2: give whole seconds, 1 to 255, or use VRRPv3")]
    FractionalInterval(Interval),
    /// An interval that VRRPv3 can not say.
    #[error("an interval of {0} cs is too long for VRRPv3: give 4095 at most, or use VRRPv2 alone")]
    IntervalTooLong(Interval),
    /// Text or header authentication without VRRPv2.
    #[error("{0} has no authentication: leave it out, or use VRRPv2")]
    AuthVersion(VersionMode),
    /// Text and header authentication at once.
    #[error("authentication by text and by header exclude each other: choose one")]
    TwoAuthentications,
    /// An authentication text that is empty or too long.
    #[error("the authentication text has {0} bytes: give 1 to 8")]
    AuthTextLength(usize),
    /// A number of intervals out of range.
    #[error("{0} intervals until the Active router counts as down: give 1 to 100")]
    DownAdverts(u8),
    /// A least TTL of 0.
    #[error("a least TTL of 0 says nothing: give 1 to 255, or none")]
    ZeroTtl,
    /// An owner that would not preempt.
    #[error("the owner of the addresses (priority 255) always preempts: leave the preempt option out")]
    OwnerPreempts,
    /// An option that leads away from the RFCs in the strict profile.
    #[error("{0} is not what the RFCs say: leave it out, or use the compatible profile")]
    NotStrict(&'static str),
    /// A multicast group that is none.
    #[error("{0} is not a multicast group")]
    NotAGroup(IpAddr),
    /// A multicast group of another family than the addresses.
    #[error("multicast group {0} is not of the family of the virtual addresses")]
    GroupFamily(IpAddr),
    /// A multicast group and unicast peers.
    #[error("a multicast group and unicast peers exclude each other: leave one out")]
    GroupAndPeers,
    /// Unicast without a peer.
    #[error("no unicast peer is given: give at least one, or use multicast")]
    NoPeer,
    /// A peer of another family than the addresses.
    #[error("peer {0} is not of the family of the virtual addresses")]
    PeerFamily(IpAddr),
    /// A peer that is not a host.
    #[error("peer {0} is not the address of a host")]
    PeerNotAHost(IpAddr),
    /// A peer twice.
    #[error("peer {0} is given twice")]
    PeerTwice(IpAddr),
    /// A source address of another family than the virtual addresses.
    #[error("{0} can not be the source of advertisements: it is not of the family of the virtual addresses")]
    Source(IpAddr),
    /// A source address of IPv6 multicast that is not link-local (RFC 9568 §5.1.2.1).
    #[error("{0} can not be the source of IPv6 advertisements to a group: it is not link-local")]
    SourceNotLinkLocal(IpAddr),
}
