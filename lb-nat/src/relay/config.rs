//! What a relay is started with.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    num::NonZeroUsize,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use lb_core::model::ServiceKey;

/// What a [`Relay`](super::Relay) is started with. [`RelayConfig::default`] is right for most machines.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Worker threads, each with its own listeners; `None` (default) = one per usable core.
    pub threads: Option<NonZeroUsize>,
    /// Cores to pin the threads to, in turn. Empty (default) = the kernel places them.
    pub cores: Vec<usize>,
    /// Most TCP connections and UDP sessions at once; `None` (default) = what the descriptor limit allows. The
    /// soft limit is raised to the hard one at start. Where there are several services, a quarter is kept for those
    /// that have less than their part of that quarter.
    pub max_connections: Option<u32>,
    /// When things are given up.
    pub timeouts: Timeouts,
    /// What is different for single services, whether they are there already or not. Default: nothing.
    pub services: BTreeMap<ServiceKey, ServiceLimits>,
    /// How payload is moved.
    pub splice: SpliceMode,
    /// A header that tells TCP servers who the client is. Default: none.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Other servers to try when one does not accept a connection. Default 3.
    pub retries: u8,
    /// Whether removing a server resets the connections that it still has, which is right for a server that a
    /// health check has found dead (the kernel's `expire_nodest_conn`). Default: they go on until they end.
    pub reset_removed: bool,
    /// For which addresses services may be added before this machine has them. Default: for none.
    pub freebind: Freebind,
    /// Length of the queue of connections that are not accepted yet; the kernel cuts it to
    /// `net.core.somaxconn`. Default 65,535.
    pub backlog: u16,
    /// Persistent clients remembered per service; one more is scheduled, but not remembered. Default 1,000,000.
    pub max_templates: usize,
    /// Bytes per thread that may wait in memory for slow readers; beyond it, reads become small. Default 64 MiB.
    pub buffer_budget: usize,
    /// Seed of the schedulers that draw; `None` (default) = a random one.
    pub seed: Option<u64>,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            threads: None,
            cores: Vec::new(),
            max_connections: None,
            timeouts: Timeouts::default(),
            services: BTreeMap::new(),
            splice: SpliceMode::Adaptive,
            proxy_protocol: None,
            retries: 3,
            reset_removed: false,
            freebind: Freebind::Never,
            backlog: u16::MAX,
            max_templates: 1_000_000,
            buffer_budget: 64 << 20,
            seed: None,
        }
    }
}

/// For which addresses the relay listens before this machine has them (`IP_FREEBIND`, which needs no privilege). A backup
/// router needs it: its listeners are there when the address arrives, and no client is refused.
#[derive(Clone, Debug, Default)]
pub enum Freebind {
    /// For none: a service at an address that this machine lacks is refused.
    #[default]
    Never,
    /// For the addresses in this set.
    Only(AddressSet),
    /// For all.
    Always,
}

impl Freebind {
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        match self {
            Self::Never => false,
            Self::Only(set) => set.contains(address),
            Self::Always => true,
        }
    }
}

/// Addresses that may change while the relay runs. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct AddressSet(Arc<RwLock<BTreeSet<IpAddr>>>);

impl AddressSet {
    /// Replaces all addresses. Services that are there already are not touched.
    pub fn set(&self, addresses: BTreeSet<IpAddr>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    /// Whether the address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&address)
    }
}

/// When things are given up. Checked about twice a second, so anything may last up to 0.7 s longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A server has not accepted a connection. Default 5 s.
    pub connect: Duration,
    /// An established TCP connection on which nothing moves. Default 900 s, as in IPVS.
    pub tcp: Duration,
    /// A TCP connection of which one direction has ended and on which nothing moves. Default 120 s, as in IPVS.
    pub tcp_fin: Duration,
    /// A UDP session on which nothing moves. Default 300 s, as in IPVS.
    pub udp: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            tcp: Duration::from_secs(900),
            tcp_fin: Duration::from_secs(120),
            udp: Duration::from_secs(300),
        }
    }
}

/// Limits of one service; what is `None` is as for the whole relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceLimits {
    /// Most connections or sessions at once. Further TCP clients wait in the listen queue; a further UDP client takes
    /// the place of the one that was idle longest.
    pub max_connections: Option<u32>,
    /// See [`Timeouts::connect`].
    pub connect: Option<Duration>,
    /// See [`Timeouts::tcp`].
    pub tcp: Option<Duration>,
    /// See [`Timeouts::tcp_fin`].
    pub tcp_fin: Option<Duration>,
    /// See [`Timeouts::udp`].
    pub udp: Option<Duration>,
}

impl ServiceLimits {
    /// The time limits of the service in a relay that has these.
    pub fn timeouts(&self, relay: Timeouts) -> Timeouts {
        Timeouts {
            connect: self.connect.unwrap_or(relay.connect),
            tcp: self.tcp.unwrap_or(relay.tcp),
            tcp_fin: self.tcp_fin.unwrap_or(relay.tcp_fin),
            udp: self.udp.unwrap_or(relay.udp),
        }
    }
}

/// How payload moves from one socket to the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpliceMode {
    /// Copied while reads are small, spliced through a kernel pipe once a direction carries bulk.
    #[default]
    Adaptive,
    /// Always copied.
    Never,
    /// Always spliced, for tests and comparisons.
    Always,
}

/// The header that HAProxy's PROXY protocol puts before the client's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// Version 1: one line of text.
    V1,
    /// Version 2: binary.
    V2,
}
