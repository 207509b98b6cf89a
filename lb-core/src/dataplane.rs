//! What every data plane can do: kernel IPVS, nftables, the relay in user space, or memory.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    change::Change,
    model::{Protocol, ServerKey, ServiceKey, ServiceTable},
};

/// Holds virtual services and moves the packets or bytes. Object safe, so that a daemon chooses at run time.
#[async_trait]
pub trait DataPlane: Send + Sync {
    /// One word: `ipvs`, `nft`, `relay`, `memory`.
    fn name(&self) -> &'static str;

    /// The whole table as it is now, foreign entries too.
    async fn snapshot(&self) -> Result<ServiceTable, DataPlaneError>;

    /// Makes the changes in order. One that is refused is reported and does not keep the others from being made.
    ///
    /// # Errors
    /// When nothing can be said about any of the changes, such as a lost connection to the kernel.
    async fn apply(&self, batch: &[Change]) -> Result<Vec<Refused>, DataPlaneError>;

    /// Connections and traffic of every service and server.
    async fn counters(&self) -> Result<BTreeMap<ServiceKey, ServiceCounters>, DataPlaneError>;

    /// Up to `limit` connections, in no promised order.
    async fn connections(&self, limit: usize) -> Result<Vec<Connection>, DataPlaneError>;

    /// Whether this service, or a server of it, takes its open connections along when it is removed; if not, they go on
    /// until one of their ends closes them. Default: it does, as in IPVS.
    fn removal_ends_connections(&self, _service: &ServiceKey) -> bool {
        true
    }

    /// Whether nobody else puts services into it. A service that is not desired was left behind by a predecessor then,
    /// and is removed. Default: others may, as in IPVS.
    fn is_exclusive(&self) -> bool {
        false
    }

    /// Returns when somebody else has changed the data plane, as far as it can notice that; a
    /// [full sync](crate::Reconciler::full_sync) is due then. Changes in quick succession are reported once. Must be
    /// called inside a tokio runtime where the data plane needs one. Cancel safe. Default: never returns.
    async fn changed(&self) {
        std::future::pending().await
    }

    /// What of this host keeps traffic from the services of this table although the data plane holds them, such as a filter of
    /// somebody else: one line each, with the remedy. Default: nothing is looked for.
    async fn obstacles(&self, _table: &ServiceTable) -> Vec<String> {
        Vec::new()
    }

    /// The caller ends: removes what was made for services as a whole, such as hooks, unless a service is left.
    /// Default: there is no such thing.
    ///
    /// # Errors
    /// When the data plane does not answer.
    async fn release(&self) -> Result<(), DataPlaneError> {
        Ok(())
    }
}

/// A change that the data plane did not make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Index in the batch.
    pub index: usize,
    /// Why.
    pub error: DataPlaneError,
}

/// What went wrong in a data plane, to what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{kind}: {detail}")]
pub struct DataPlaneError {
    /// What the caller can act on.
    pub kind: ErrorKind,
    /// What was being done to what, and the remedy, in one line.
    pub detail: String,
}

impl DataPlaneError {
    /// An error.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

/// What a caller can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// Such an entry is there already: the caller's picture is old, it should take a snapshot.
    #[error("exists already")]
    Exists,
    /// No such entry: the caller's picture is old, it should take a snapshot.
    #[error("not found")]
    NotFound,
    /// The data plane has no such feature; trying again will not help.
    #[error("not supported")]
    Unsupported,
    /// The privilege is missing.
    #[error("permission denied")]
    Denied,
    /// The address is in use, or not on this machine.
    #[error("address unavailable")]
    Address,
    /// A limit is reached: file descriptors, memory, table size.
    #[error("limit reached")]
    Limit,
    /// The data plane does not answer or is not there; trying again may help.
    #[error("unavailable")]
    Unavailable,
    /// The values make no sense to it.
    #[error("invalid")]
    Invalid,
}

/// Traffic since the entry was added, as `ipvsadm --stats` shows it. Relays count payload bytes and, as packets,
/// the reads that delivered them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets to clients.
    pub out_packets: u64,
    /// Bytes from clients.
    pub in_bytes: u64,
    /// Bytes to clients.
    pub out_bytes: u64,
}

/// Counters of one virtual service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceCounters {
    /// Traffic of the whole service.
    pub traffic: Traffic,
    /// New connections for which no server could be used.
    pub refused: u64,
    /// By server.
    pub servers: BTreeMap<ServerKey, ServerCounters>,
}

/// Counters of one real server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCounters {
    /// Connections that are open or opening (`ActiveConn`).
    pub active: u32,
    /// Connections that are closing, or that have no state, as UDP (`InActConn`).
    pub inactive: u32,
    /// Clients that are bound to the server by persistence.
    pub persistent: u32,
    /// Connections that could not be opened towards the server; 0 where the data plane cannot know.
    pub failed: u64,
    /// Traffic since the server was added.
    pub traffic: Traffic,
}

/// One connection through a data plane, as `ipvsadm -L -c` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Transport protocol.
    pub protocol: Protocol,
    /// State by the kernel's names: `SYN_SENT`, `ESTABLISHED`, `FIN_WAIT`, `UDP`, or `NONE` for a persistence
    /// template.
    pub state: String,
    /// Time until it is forgotten if nothing happens.
    pub expires: Duration,
    /// Client; port 0 in a persistence template.
    pub source: SocketAddr,
    /// The virtual address and port.
    pub virtual_address: SocketAddr,
    /// The real server.
    pub destination: SocketAddr,
}

impl Connection {
    /// Whether it is open or opening (`ActiveConn`), rather than closing or without states.
    pub fn is_open(&self) -> bool {
        matches!(
            self.state.as_str(),
            "SYN_SENT" | "SYN_SENT2" | "SYN_RECV" | "ESTABLISHED" | "COOKIE_WAIT" | "COOKIE_ECHOED"
        )
    }
}
