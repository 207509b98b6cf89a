//! What is watched beside the protocol: interfaces, scripts, processes, files.
//!
//! A tracker says what it found; what that does to a priority is `lb_vrrp::track`'s to say.

use std::fmt;

use lb_vrrp::track::Status;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::config::keepalived::model::Config;

/// Something that is watched. Instances that name the same one share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrackerId {
    /// An interface, by name.
    Interface(String),
    /// A `vrrp_script`, by name.
    Script(String),
    /// A `vrrp_track_process`, by name.
    Process(String),
    /// A `track_file`, by name.
    File(String),
}

impl fmt::Display for TrackerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(name) => write!(f, "interface {name}"),
            Self::Script(name) => write!(f, "script {name}"),
            Self::Process(name) => write!(f, "process {name}"),
            Self::File(name) => write!(f, "file {name}"),
        }
    }
}

/// A tracker was found to be something, or to be it for another reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which one.
    pub id: TrackerId,
    /// What, after rise, fall and delays were counted.
    pub status: Status,
    /// What was seen: `exited with status 1`, `timed out`, `is down`. Empty when there is nothing to add.
    pub detail: String,
}

/// Watches everything that a configuration tracks. Dropping it ends all of it, and the scripts that run.
#[derive(Debug)]
pub struct Trackers {
    _reports: mpsc::UnboundedSender<Report>,
}

impl Trackers {
    /// Watches nothing yet. To be called inside a tokio runtime.
    ///
    /// The queue has no bound, and needs none: each tracker puts into it what changed, and no more than a few times a
    /// second.
    pub fn start() -> (Self, mpsc::UnboundedReceiver<Report>) {
        let (reports, receiver) = mpsc::unbounded_channel();
        (Self { _reports: reports }, receiver)
    }

    /// Watches what this configuration tracks, and no more. What is the same as before goes on, with its counts and
    /// without another report; what is new is reported as soon as something is known of it.
    pub fn set(&mut self, _config: &Config) {}
}
