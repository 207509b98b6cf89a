use std::path::PathBuf;

use lb_core::change::Change;
use serde::{Deserialize, Serialize};

/// What a reload would change in the data plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The configuration file that was read.
    pub config: PathBuf,
    /// What is odd about it, one line each, with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The data plane: `ipvs`, `nft`, `relay`, `memory`; `none` while there is no need of one.
    pub data_plane: String,
    /// What changes at once, in order.
    pub steps: Vec<Step>,
    /// What changes after that, when the first checks of servers have passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<Step>,
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
