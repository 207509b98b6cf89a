//! What the daemon and its supervisor send to each other: one JSON object a line, over a socket that is the daemon's
//! standard input.

use std::{collections::BTreeMap, time::Duration};

use lb_control::{event::TrackerId, protocol::DumpKind};
use lb_vrrp::{
    Time,
    driver::{self, Resignation},
    router::Snapshot,
    track::Status,
};
use serde::{Deserialize, Serialize};

use crate::inventory::{Entry, Inventory};

/// A message of the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Message {
    /// The daemon works in this network namespace, where its instances are to be resigned.
    Namespace(String),
    /// The daemon handles signals from now on, and asks what it may go on with. Answered by [`Request::Resume`].
    Resume,
    /// The daemon runs, and has reported every instance that it goes on with.
    Ready,
    /// An instance is Active, or something about it has changed.
    Active(String, Box<Held>),
    /// An instance is not Active any more.
    Inactive(String),
    /// The status of a tracker.
    Tracker(TrackerId, Status),
    /// These objects are about to be installed.
    Install(Vec<Entry>),
    /// These objects were removed.
    Removed(Vec<Entry>),
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

/// A message of the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Request {
    /// The answer to [`Message::Resume`].
    Resume(Box<Resume>),
    /// Write this dump: the supervisor got the signal for it.
    Dump(DumpKind),
}

/// What a daemon may go on with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// The daemon that died before this one; `None` for the first one.
    pub(super) predecessor: Option<Predecessor>,
    /// Instances that were Active and were not resigned.
    pub(super) instances: BTreeMap<String, Snapshot>,
    /// Their sequence numbers, where messages have one.
    pub(super) sequences: BTreeMap<String, u32>,
    /// The statuses of trackers.
    pub(super) trackers: Vec<(TrackerId, Status)>,
    /// What may be installed.
    pub(super) inventory: Inventory,
}

/// A daemon that died.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predecessor {
    /// Its process id.
    pub pid: u32,
    /// How it ended, such as `signal: 9 (SIGKILL)`.
    pub ended: String,
    /// When it ended, by `CLOCK_BOOTTIME`.
    pub at: Time,
    /// How many daemons of this supervisor have died so far.
    pub deaths: u32,
}

impl Resume {
    /// Whether no instance goes on.
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    /// The daemon whose place this process takes.
    pub fn predecessor(&self) -> Option<&Predecessor> {
        self.predecessor.as_ref()
    }

    /// Whether an instance goes on.
    pub fn has(&self, name: &str) -> bool {
        self.instances.contains_key(name)
    }

    /// For the driver.
    pub fn snapshot(&self) -> driver::Snapshot {
        driver::Snapshot { instances: self.instances.clone(), sequences: self.sequences.clone() }
    }

    /// The statuses of trackers.
    pub fn trackers(&self) -> impl Iterator<Item = (TrackerId, Status)> {
        self.trackers.iter().cloned()
    }

    /// What may be installed.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }
}
