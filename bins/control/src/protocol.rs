//! Requests and answers, as they go over the socket and as `lbctl --json` prints them.

mod failover;
mod journal;
mod orders;
mod plan;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    time::Duration,
};

use lb_config::diagnostic::LocatedDiagnostic;
use lb_core::{
    Health, Time,
    dataplane::{Connection, ServerCounters, ServiceCounters},
    desired::ServerState,
    model::{ServerKey, ServiceKey, ServiceTable, Weight},
    overrides::Action,
};
use lb_runtime::{clock::wall_time, printable::printable};
use serde::{Deserialize, Serialize};

pub use failover::{
    DroppedStatus, DumpKind, Explanation, GroupStatus, InstanceStatus, MAX_HAND_OVER, Maintenance,
    MasterStatus, ShareStatus, TrackerStatus,
};
pub use journal::{Entry, EventQuery, MAX_RECORDS, Position, Record, Records};
pub use orders::ServerOrder;
pub use plan::{
    Connected, GroupChange, InstanceChange, InstanceChangeKind, Outcome, Plan, ProposedConfig, Step,
};

/// What a client may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Everything about services, servers and checks, instances, groups and trackers.
    Status,
    /// The same with one instance only, its group and what it tracks; lb-failover only.
    StatusOf(String),
    /// The table and its counters.
    Table,
    /// Up to so many connections.
    Connections(usize),
    /// Events of the journal.
    Events(EventQuery),
    /// Puts a real server under an override.
    Order {
        /// Which server.
        server: ServerKey,
        /// In which service; `None` = in all.
        service: Option<ServiceKey>,
        /// What is to happen; `None` = the override ends.
        action: Option<Action>,
        /// Why.
        reason: String,
        /// For how long; `None` = until it is taken off.
        #[serde(default)]
        lasting: Option<Duration>,
    },
    /// Reads the configuration again, as SIGHUP does.
    Reload,
    /// What a reload would change; with this in the place of the daemon's configuration file.
    Plan(Option<Box<ProposedConfig>>),
    /// How an instance came to be what it is, or was; lb-failover only.
    Explain {
        /// The instance; `None` = that which changed last.
        of: Option<String>,
        /// At this time, by the wall clock; `None` = now.
        #[serde(default, with = "wall_time::option", skip_serializing_if = "Option::is_none")]
        at: Option<Time>,
    },
    /// Hands the addresses over to a peer; lb-failover only. Answered when the outcome is known.
    Failover {
        /// Name of an instance or sync group; `None` = everything.
        of: Option<String>,
        /// Why.
        reason: String,
    },
    /// Takes the whole node out of service, or back into it; lb-failover only. Answered when other nodes have taken over.
    Maintenance {
        /// Out of service?
        on: bool,
        /// Why.
        reason: String,
        /// For how long; `None` = until it is taken off.
        #[serde(default)]
        lasting: Option<Duration>,
        /// Whether addresses are removed that no other node takes over.
        #[serde(default)]
        force: bool,
    },
    /// What keepalived writes to a file when it gets a signal; lb-failover only.
    Dump(DumpKind),
}

/// Longest reason of an order in bytes.
pub const MAX_REASON: usize = 500;

/// Longest request in bytes, apart from those that carry a configuration; the longest legal one is a few hundred.
pub const MAX_REQUEST: usize = 64 << 10;

/// Longest request in bytes that carries a configuration, with all that it includes.
pub const MAX_PROPOSAL: usize = 16 << 20;

impl Request {
    /// How long it may be in bytes.
    pub const fn limit(&self) -> usize {
        if matches!(self, Self::Plan(Some(_))) { MAX_PROPOSAL } else { MAX_REQUEST }
    }

    /// The reason that an order gives.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Order { reason, .. } | Self::Failover { reason, .. } | Self::Maintenance { reason, .. } => {
                Some(reason)
            }
            _ => None,
        }
    }
}

/// What the daemon answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Request::Status`] and [`Request::StatusOf`].
    Status(Box<Status>),
    /// To [`Request::Table`].
    Table(Table),
    /// To [`Request::Connections`].
    Connections(Vec<Connection>),
    /// To [`Request::Events`].
    Events(Records),
    /// To [`Request::Plan`].
    Plan(Plan),
    /// To [`Request::Explain`].
    Explanation(Box<Explanation>),
    /// To [`Request::Dump`].
    Dump(String),
    /// To [`Request::Reload`]: done.
    Reloaded {
        /// What there is to say about it.
        message: String,
        /// What is odd about the configuration; with [`Self::Reloaded::faults`], errors too.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<LocatedDiagnostic>,
        /// Blocks that were not taken, since they have errors; lb-failover only.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        faults: Vec<BlockFault>,
    },
    /// Done; with what there is to say about it.
    Done(String),
    /// Not done, since a configuration has errors.
    Refused {
        /// What was refused, without its problems.
        message: String,
        /// Errors and warnings.
        problems: Vec<LocatedDiagnostic>,
    },
    /// Not done, and why.
    Error(String),
}

impl Answer {
    /// Not done, since a configuration has these problems; without any, since there was this error.
    pub fn refused(what: &str, error: &dyn fmt::Display, problems: &[LocatedDiagnostic]) -> Self {
        let errors = problems.iter().filter(|problem| problem.is_error()).count();
        match errors {
            0 => Self::Error(format!("{what}: {error}")),
            1 => Self::Refused { message: format!("{what}: 1 error"), problems: problems.to_vec() },
            _ => Self::Refused { message: format!("{what}: {errors} errors"), problems: problems.to_vec() },
        }
    }
}

/// A daemon as a whole. Every answer says how old it is by `now`, so that stale can not look fresh.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `lb-director` or `lb-failover`.
    #[serde(default = "director")]
    pub program: String,
    /// Version of the daemon.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Seconds since the Unix epoch, when this was said.
    pub now: f64,
    /// Seconds since the daemon started.
    pub uptime: f64,
    /// The configuration file.
    pub config: PathBuf,
    /// What `@` conditions of the configuration are compared with; lb-failover only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_id: Option<String>,
    /// Why the newest configuration was not taken; the one before it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_error: Option<String>,
    /// The data plane, and why it is this one; `None` when there are no virtual servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_plane: Option<DataPlaneStatus>,
    /// The services of the configuration.
    pub services: Vec<ServiceStatus>,
    /// Services in the data plane that are not ours.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub foreign: BTreeSet<ServiceKey>,
    /// Blocks of the configuration that have errors; lb-failover only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<BlockFault>,
    /// What else is wrong with the daemon.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Set while the whole node is in maintenance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Maintenance>,
    /// Orders about real servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<ServerOrder>,
    /// Virtual routers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<InstanceStatus>,
    /// Sync groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupStatus>,
    /// What is watched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trackers: Vec<TrackerStatus>,
}

fn director() -> String {
    "lb-director".to_owned()
}

/// A block of a configuration that has an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockFault {
    /// The block as the file names it: `vrrp_instance VI_1`.
    pub block: String,
    /// Whether what was in force for it stays; if not, it is left out.
    pub kept: bool,
    /// Its first error; `None` when the file has so many that it was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<LocatedDiagnostic>,
}

impl fmt::Display for BlockFault {
    /// `vrrp_instance VI_1 is left out: k.conf:3:1: error: …`, always a single line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", printable(&self.summary()))?;
        match &self.error {
            Some(error) => write!(f, ": {}", error.line()),
            None => Ok(()),
        }
    }
}

impl BlockFault {
    /// `vrrp_instance VI_1 is left out`.
    pub fn summary(&self) -> String {
        let what = if self.kept { "keeps what was in force" } else { "is left out" };
        format!("{} {what}", self.block)
    }
}

/// The data plane in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataPlaneStatus {
    /// `ipvs`, `nft`, `relay` or `memory`.
    pub name: String,
    /// Why it was chosen.
    pub why: String,
    /// What is wrong with it at the moment: changes that it refuses, no answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// What of the kernel's settings would be better for these services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<String>,
}

/// A virtual service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Which service.
    pub service: ServiceKey,
    /// Scheduler by the kernel's name.
    pub scheduler: String,
    /// Whether enough servers are active; `None` while servers are unchecked.
    pub quorum: Option<bool>,
    /// The fallback server, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<ServerKey>,
    /// Whether the fallback answers.
    pub fallback_active: bool,
    /// The real servers.
    pub servers: Vec<ServerStatus>,
}

/// A real server in a virtual service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Which server.
    pub server: ServerKey,
    /// What it is to the data plane.
    pub state: ServerState,
    /// Seconds for which it has been that.
    pub since: f64,
    /// Why.
    pub cause: String,
    /// Weight in the data plane; `None` = not in it.
    pub weight: Option<Weight>,
    /// Connections and traffic.
    pub counters: ServerCounters,
    /// Its check.
    pub check: CheckStatus,
}

/// The check of a real server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// `tcp`, `http`, …
    pub kind: String,
    /// What the checks say of the server.
    pub health: Health,
    /// What the last check saw; empty before the first.
    pub seen: String,
    /// How long the last check took, in milliseconds.
    pub latency_ms: Option<f64>,
    /// Seconds since the last check ended.
    pub age: Option<f64>,
    /// Failures in a row.
    pub failures: u32,
}

/// The table of the data plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The first line of a listing.
    pub header: String,
    /// Services and servers, foreign ones too.
    pub table: ServiceTable,
    /// Their counters.
    pub counters: BTreeMap<ServiceKey, ServiceCounters>,
    /// The same per second, averaged over some seconds.
    pub rates: BTreeMap<ServiceKey, ServiceCounters>,
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
}
