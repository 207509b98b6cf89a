use core::{fmt, net::Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::{Family, Vrid};

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The link-local IPv6 address that is formed from it (RFC 4291 appendix A).
    pub const fn link_local(self) -> Ipv6Addr {
        let [a, b, c, d, e, f] = self.0;
        Ipv6Addr::from_octets([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The Ethernet address of a virtual router: 00-00-5E-00-01-{VRID} for IPv4, 00-00-5E-00-02-{VRID} for IPv6
/// (RFC 9568 §7.3).
pub const fn virtual_mac(family: Family, vrid: Vrid) -> Mac {
    let block = match family {
        Family::V4 => 1,
        Family::V6 => 2,
    };
    Mac([0x00, 0x00, 0x5e, 0x00, block, vrid.get()])
}
