use core::net::IpAddr;

use crate::Family;

/// What the IP packet around a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Envelope {
    /// Source address.
    pub source: IpAddr,
    /// Destination address: the multicast group, or an address of this router for unicast.
    pub destination: IpAddr,
    /// TTL or hop limit; `None` when the platform can not tell, which counts as a wrong one where one is required.
    pub ttl: Option<u8>,
    /// Whether an IP authentication header was around the message, and was verified ([`ah`](crate::wire::ah)).
    pub authenticated: bool,
}

impl Envelope {
    /// The family of the packet; `None` when source and destination are of different ones.
    pub fn family(&self) -> Option<Family> {
        let family = Family::of(self.source);
        (family == Family::of(self.destination)).then_some(family)
    }
}
