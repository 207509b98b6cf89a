//! The line between the daemon and its supervisor: one JSON object a line, over a socket that is the daemon's standard
//! input.

use std::{collections::BTreeMap, time::Duration};

use lb_vrrp::{
    driver::{self, Resignation},
    router::Snapshot,
    track::Status,
};
use serde::{Deserialize, Serialize};

use crate::{control::protocol::DumpKind, failover::track::TrackerId};

/// What the daemon says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Said {
    /// It works in this network namespace, where it is to be resigned.
    Namespace(String),
    /// It is about to begin: what may it go on with? Answered by [`Resume`].
    Resume,
    /// It runs.
    Ready,
    /// An instance is Active, or is so in another way.
    Active(String, Box<Held>),
    /// An instance is not Active any more.
    Inactive(String),
    /// A tracker was found to be something.
    Tracker(TrackerId, Status),
}

/// An Active instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Held {
    /// What resigns it: a message for each destination.
    pub(super) resignations: Vec<Resignation>,
    /// How a successor goes on with it.
    pub(super) snapshot: Snapshot,
    /// Sequence number of its last message, where messages have one.
    pub(super) sequence: Option<u32>,
    /// Its interval.
    pub(super) interval: Duration,
}

/// What the supervisor says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Asked {
    /// Answer to [`Said::Resume`].
    Resume(Resume),
    /// It got a signal that can not be handed on as one: write this dump.
    Dump(DumpKind),
}

/// What a daemon may go on with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// Whether there was a daemon before, which died.
    pub(super) successor: bool,
    /// Instances that were Active and were not resigned.
    pub(super) instances: BTreeMap<String, Snapshot>,
    /// Their sequence numbers, where messages have one.
    pub(super) sequences: BTreeMap<String, u32>,
    /// What was found of trackers.
    pub(super) trackers: Vec<(TrackerId, Status)>,
}

impl Resume {
    /// Whether there is no predecessor that went on to the last.
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    /// Whether this process takes the place of one that died.
    pub fn is_successor(&self) -> bool {
        self.successor
    }

    /// Whether an instance is to go on.
    pub fn has(&self, name: &str) -> bool {
        self.instances.contains_key(name)
    }

    /// For the driver.
    pub fn snapshot(&self) -> driver::Snapshot {
        driver::Snapshot { instances: self.instances.clone(), sequences: self.sequences.clone() }
    }

    /// What was found of trackers.
    pub fn trackers(&self) -> impl Iterator<Item = (TrackerId, Status)> {
        self.trackers.iter().cloned()
    }
}
