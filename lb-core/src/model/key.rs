//! Keys: what identifies a virtual service and a real server.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    str::FromStr,
};

use super::names::{ParseError, serde_as_text};

/// Transport protocol of a virtual service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Transmission Control Protocol, number 6.
    Tcp,
    /// User Datagram Protocol, number 17.
    Udp,
    /// Stream Control Transmission Protocol, number 132.
    Sctp,
}

impl Protocol {
    /// The number in the IP header.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Protocol {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        [Self::Tcp, Self::Udp, Self::Sctp]
            .into_iter()
            .find(|protocol| protocol.name() == text)
            .ok_or_else(|| ParseError::new(text, "a protocol: tcp, udp or sctp"))
    }
}

/// Address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family that an address belongs to.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Number of bits in an address: 32 or 128.
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        })
    }
}

/// What identifies a virtual service. The order is that of `ipvsadm`'s listing: family, protocol, address and
/// port; firewall marks last.
///
/// Text form: `tcp:10.0.0.1:80`, `udp:[2001:db8::1]:53`, `fwmark:7`, `fwmark:7/ipv6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// Packets to one address, port and protocol. Port 0 stands for every port, and needs persistence.
    Address {
        /// Address family, always that of `address`; first, so that it leads the order. Use [`Self::new`].
        family: Family,
        /// Transport protocol.
        protocol: Protocol,
        /// Virtual address.
        address: IpAddr,
        /// Virtual port; 0 = all ports.
        port: u16,
    },
    /// Packets that the firewall has marked.
    FwMark {
        /// The mark, never 0.
        mark: NonZeroU32,
        /// IPv4 and IPv6 services may share a mark.
        family: Family,
    },
}

impl ServiceKey {
    /// A service of one protocol at one address and port.
    pub const fn new(protocol: Protocol, address: SocketAddr) -> Self {
        let ip = address.ip();
        Self::Address { family: Family::of(ip), protocol, address: ip, port: address.port() }
    }

    /// A TCP service.
    pub const fn tcp(address: SocketAddr) -> Self {
        Self::new(Protocol::Tcp, address)
    }

    /// A UDP service.
    pub const fn udp(address: SocketAddr) -> Self {
        Self::new(Protocol::Udp, address)
    }

    /// Address family of the clients.
    pub const fn family(&self) -> Family {
        match self {
            Self::Address { family, .. } | Self::FwMark { family, .. } => *family,
        }
    }

    /// Transport protocol; `None` for a firewall mark, which stands for all.
    pub const fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::Address { protocol, .. } => Some(*protocol),
            Self::FwMark { .. } => None,
        }
    }

    /// Virtual address and port; `None` for a firewall mark.
    pub const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Address { address, port, .. } => Some(SocketAddr::new(*address, *port)),
            Self::FwMark { .. } => None,
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { protocol, address, port, .. } => {
                write!(f, "{protocol}:{}", SocketAddr::new(*address, *port))
            }
            Self::FwMark { mark, family: Family::V4 } => write!(f, "fwmark:{mark}"),
            Self::FwMark { mark, family: Family::V6 } => write!(f, "fwmark:{mark}/ipv6"),
        }
    }
}

impl FromStr for ServiceKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new(text, "a virtual service, such as tcp:10.0.0.1:80 or fwmark:7");
        let (kind, rest) = text.split_once(':').ok_or_else(error)?;
        if kind == "fwmark" {
            let (mark, family) = match rest.strip_suffix("/ipv6") {
                Some(mark) => (mark, Family::V6),
                None => (rest, Family::V4),
            };
            return Ok(Self::FwMark { mark: mark.parse().map_err(|_| error())?, family });
        }
        let protocol = kind.parse().map_err(|_| error())?;
        Ok(Self::new(protocol, rest.parse().map_err(|_| error())?))
    }
}

/// What identifies a real server inside a virtual service. Text form: `192.168.0.1:80`, `[fd00::1]:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerKey {
    /// Address of the server.
    pub address: IpAddr,
    /// Port of the server; 0 = the port that the client asked for.
    pub port: u16,
}

impl ServerKey {
    /// The server at this address and port.
    pub const fn new(address: IpAddr, port: u16) -> Self {
        Self { address, port }
    }

    /// Address and port as one.
    pub const fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

impl From<SocketAddr> for ServerKey {
    fn from(address: SocketAddr) -> Self {
        Self::new(address.ip(), address.port())
    }
}

impl fmt::Display for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket().fmt(f)
    }
}

impl FromStr for ServerKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let address: SocketAddr = text
            .parse()
            .map_err(|_| ParseError::new(text, "a real server, such as 192.168.0.1:80 or [fd00::1]:80"))?;
        Ok(address.into())
    }
}

serde_as_text!(Protocol, ServiceKey, ServerKey);
