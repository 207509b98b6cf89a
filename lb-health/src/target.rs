//! What is looked at, and from where.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// What a check connects to, and how its socket is bound.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// Address and port. Checks that know no ports ignore the port.
    pub address: SocketAddr,
    /// Source address; `None` = the system's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// Interface to send from (`SO_BINDTODEVICE`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Firewall mark of the packets (`SO_MARK`, needs CAP_NET_ADMIN).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<u32>,
}

impl Target {
    /// This address from wherever the system chooses.
    pub const fn new(address: SocketAddr) -> Self {
        Self { address, source: None, interface: None, mark: None }
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self::new(address)
    }
}
