//! How a real server is to be: weight, forwarding method, thresholds.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::names::ParseError;

/// How a real server is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSpec {
    /// Share of new connections.
    pub weight: Weight,
    /// How packets reach the server.
    pub forwarding: Forwarding,
    /// Connection limits.
    #[serde(default, skip_serializing_if = "Thresholds::is_none")]
    pub thresholds: Thresholds,
}

impl ServerSpec {
    /// A server of this weight behind NAT, without limits.
    pub const fn masq(weight: Weight) -> Self {
        Self { weight, forwarding: Forwarding::Masquerade, thresholds: Thresholds::NONE }
    }

    /// The same with another weight.
    #[must_use]
    pub const fn with_weight(mut self, weight: Weight) -> Self {
        self.weight = weight;
        self
    }
}

/// Share of new connections, 0 to 65,535. 0 means "no new connections": established ones go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Weight(u16);

impl Weight {
    /// No new connections.
    pub const ZERO: Self = Self(0);
    /// The default of `ipvsadm` and ldirectord.
    pub const ONE: Self = Self(1);

    /// A weight.
    pub const fn new(weight: u16) -> Self {
        Self(weight)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether new connections are refused.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::ONE
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How packets reach a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Forwarding {
    /// Network address translation; the server answers through the balancer (`masq`, `ipvsadm -m`).
    #[serde(rename = "masq")]
    Masquerade,
    /// Direct routing; the server answers by itself (`gate`, `ipvsadm -g`).
    #[serde(rename = "gate")]
    Direct,
    /// Encapsulated; the server answers by itself (`ipip`, `ipvsadm -i`).
    #[serde(rename = "tunnel")]
    Tunnel(Tunnel),
    /// The balancer itself is the server (the kernel's `Local`).
    Local,
}

impl Forwarding {
    /// The word of ldirectord.cf: `masq`, `gate` or `ipip`; `local` for the balancer itself.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Masquerade => "masq",
            Self::Direct => "gate",
            Self::Tunnel(_) => "ipip",
            Self::Local => "local",
        }
    }

    /// By the word of ldirectord.cf.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        match text {
            "masq" => Ok(Self::Masquerade),
            "gate" => Ok(Self::Direct),
            "ipip" => Ok(Self::Tunnel(Tunnel::IPIP)),
            _ => Err(ParseError::new(text, "a forwarding method: gate, masq or ipip")),
        }
    }
}

impl fmt::Display for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Encapsulation towards a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tunnel {
    /// Which encapsulation.
    pub kind: TunnelKind,
    /// Checksum of the outer header, for GUE and GRE.
    pub checksum: TunnelChecksum,
}

impl Tunnel {
    /// Plain IP in IP.
    pub const IPIP: Self = Self { kind: TunnelKind::Ipip, checksum: TunnelChecksum::None };
}

/// Which encapsulation (`ipvsadm --tun-type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TunnelKind {
    /// IP in IP.
    Ipip,
    /// Generic UDP encapsulation to this port, never 0.
    Gue(std::num::NonZeroU16),
    /// Generic routing encapsulation.
    Gre,
}

/// Checksum of the outer header (`--tun-nocsum`, `--tun-csum`, `--tun-remcsum`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelChecksum {
    /// None.
    #[default]
    None,
    /// Computed.
    Full,
    /// Remote checksum offload.
    Remote,
}

/// Connection limits of a real server. A server that reaches `upper` gets no new connections until it falls
/// below `lower`; with `lower` 0 that is three quarters of `upper`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Thresholds {
    /// Most connections, active and inactive together; 0 = no limit.
    pub upper: u32,
    /// Where new connections are let in again; at most `upper`.
    pub lower: u32,
}

impl Thresholds {
    /// No limit.
    pub const NONE: Self = Self { upper: 0, lower: 0 };

    /// Whether there is no limit.
    pub const fn is_none(&self) -> bool {
        self.upper == 0 && self.lower == 0
    }
}
