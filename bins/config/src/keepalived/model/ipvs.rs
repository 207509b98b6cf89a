use std::net::IpAddr;

/// `lvs_timeouts`: for how many seconds IPVS keeps a connection on which nothing moves, 1 to 2,147,483. `None` = as it was when
/// the daemon started.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct LvsTimeouts {
    /// `tcp`: established. The kernel's default is 900.
    pub tcp: Option<u32>,
    /// `tcpfin`: after a FIN. The kernel's default is 120.
    pub tcp_fin: Option<u32>,
    /// `udp`. The kernel's default is 300.
    pub udp: Option<u32>,
}

/// `lvs_sync_daemon`: IPVS copies its connections to the peer, or takes copies of the peer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LvsSync {
    /// The interface for its multicast, at most 15 bytes.
    pub interface: String,
    /// Connections are sent while this instance is MASTER, and else received. `None` = both, always.
    pub instance: Option<String>,
    /// `id`: both nodes need the same. Default: the `virtual_router_id` of the instance; 0 without one.
    pub id: u8,
    /// `maxlen`: the largest message in bytes, 1 to 65,507. Default: what fits the interface.
    pub max_length: Option<u16>,
    /// `port`. Default 8848.
    pub port: Option<u16>,
    /// `ttl`, 1 to 255. Default 1.
    pub ttl: Option<u8>,
    /// `group`. Default 224.0.0.81.
    pub group: Option<IpAddr>,
}
