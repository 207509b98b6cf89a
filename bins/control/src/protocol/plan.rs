use std::{net::IpAddr, path::PathBuf};

use ipnet::IpNet;
use lb_config::{diagnostic::LocatedDiagnostic, document::Source, keepalived::language::Recording};
use lb_core::change::Change;
use lb_vrrp::Priority;
use serde::{Deserialize, Serialize};

use super::BlockFault;
use crate::event::Condition;

/// A configuration as the client has read it: the daemon opens nothing that a client names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposedConfig {
    /// The file, absolute: what it includes is relative to it.
    pub path: PathBuf,
    /// Its text.
    pub source: Source,
    /// What it includes.
    #[serde(default)]
    pub included: Recording,
}

/// What a reload would change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The configuration file that was read.
    pub config: PathBuf,
    /// What is odd about it; with [`Self::faults`], errors too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<LocatedDiagnostic>,
    /// Blocks that would not be taken, since they have errors; lb-failover only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<BlockFault>,
    /// What changes in virtual routers: those of the new file in its order, then those that are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<InstanceChange>,
    /// What changes in sync groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupChange>,
    /// The data plane: `ipvs`, `nft`, `relay`, `memory`; `none` while there is no need of one.
    pub data_plane: String,
    /// What changes in the data plane at once, in order.
    pub steps: Vec<Step>,
    /// What changes in it after that, when the first checks of servers have passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<Step>,
}

/// What a reload would change in a virtual router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceChange {
    /// Its name.
    pub instance: String,
    /// How it changes.
    pub change: InstanceChangeKind,
    /// What it is now; `None` = it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Condition>,
    /// Its interface and virtual router identifier: `eth0, VRID 51`.
    pub router: String,
    /// What differs: `priority 150 -> 90`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
    /// The addresses that the outcome is about.
    pub addresses: Vec<IpNet>,
    /// What becomes of them.
    pub outcome: Outcome,
}

/// How a virtual router changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is reconfigured, and goes on.
    Changed,
    /// It is stopped and started again, since what differs cannot change while it runs.
    Restarted,
}

/// What becomes of the addresses of a virtual router, as far as this node can know.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// They stay where they are.
    Stays,
    /// This node keeps them, unless a router with a higher priority than this is there: a MASTER does not know the
    /// priorities of the others.
    KeptUnlessAbove(Priority),
    /// They move here from the router that has them now.
    TakenFrom {
        /// Its address.
        master: IpAddr,
        /// Its priority.
        priority: Priority,
        /// Seconds that this takes on purpose (`preempt_delay`).
        #[serde(default, skip_serializing_if = "super::is_zero")]
        delay: f64,
    },
    /// This node gives them up. A peer takes them over, if there is one.
    GivenUp,
    /// This node gives them up until it is MASTER again. A peer takes them over, if there is one.
    Interrupted,
    /// This node takes them, unless a router with a higher priority than this has them.
    Elected(Priority),
}

/// What a reload would change in a sync group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupChange {
    /// Its name.
    pub group: String,
    /// Its instances; none = it is not there.
    pub before: Vec<String>,
    /// Its instances afterwards; none = it is gone.
    pub after: Vec<String>,
}

/// One change, and whom it meets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What changes.
    #[serde(flatten)]
    pub change: Change,
    /// What is connected to a server or service that is removed; `None` for other changes, which meet no connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<Connected>,
}

/// What is connected to a server or service that is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// Connections that are open or opening.
    pub active: u32,
    /// Connections that are closing, or that have no state, as UDP.
    pub inactive: u32,
    /// Whether they end with the removal; if not, they go on until one of their ends closes them.
    pub ends: bool,
}
