//! What happened, to what, and why, as data: log lines, `lbctl status` and `lbctl explain` are made from it.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use lb_core::Time;
use lb_runtime::clock::{WallOffset, wall_time};
use lb_vrrp::{DropReason, Priority, router::DroppedAdverts, track::Status};
use serde::{Deserialize, Serialize};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    #[serde(with = "wall_time")]
    pub at: Time,
    /// To what.
    pub subject: Subject,
    /// What.
    pub what: What,
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// The daemon as a whole.
    Daemon,
    /// An instance, by name.
    Instance(Arc<str>),
    /// A sync group, by name.
    Group(Arc<str>),
    /// Something that is tracked.
    Tracker(TrackerId),
}

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

/// State of an instance or group as keepalived's users know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Condition {
    /// It takes no part yet: nothing is known of a tracker, or the start is delayed.
    #[default]
    Init,
    /// It listens.
    Backup,
    /// It has the addresses.
    Master,
    /// It can take no part.
    Fault,
}

/// Why the state changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Why {
    /// The protocol decided.
    Protocol(lb_vrrp::Cause),
    /// The interface can not be used: its name, and what is wrong with it.
    Interface(String),
    /// A tracker whose failure is a fault, or nothing is known of it yet.
    Tracker(TrackerId),
    /// Faults are over.
    Recovered,
    /// The sync group follows one of its members.
    Group(Arc<str>),
    /// The operator said so; with the reason.
    Operator(String),
    /// A group: all its members can be what it is.
    Members,
    /// Start, stop or reload of the daemon.
    Lifecycle,
    /// Another process has this virtual router on the same interface, or the configuration can not be put in force.
    Refused(String),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The daemon has started.
    Started,
    /// The process before this one did not stop by itself: it crashed, was killed, or the host went down; in words.
    Crashed(String),
    /// The daemon stops.
    Stopping,
    /// The daemon has stopped.
    Stopped,
    /// A configuration is in force from now on; how many instances are new, changed, gone.
    Configured {
        /// How many are new.
        added: usize,
        /// How many differ.
        changed: usize,
        /// How many are gone.
        removed: usize,
    },
    /// A configuration was refused; the old one stays in force.
    Rejected(String),
    /// The state changed.
    State {
        /// What it was.
        from: Condition,
        /// What it is.
        to: Condition,
        /// Why.
        why: Why,
        /// The priority that it runs with; 0 for a group.
        priority: u8,
    },
    /// What was known when a state was left by a timer or a message: for `explain`.
    Basis {
        /// When the last advertisement of an Active router was heard, and whose.
        #[serde(with = "heard_time")]
        heard: Option<(Time, IpAddr)>,
        /// The timer that fired, as a formula with its numbers: `3 x 1000 ms + 414 ms skew`.
        timer: Option<String>,
        /// When it was due.
        #[serde(default, with = "wall_time::option")]
        due: Option<Time>,
        /// What was received and dropped before, most of all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dropped: Option<Dropped>,
    },
    /// The priority that an instance runs with changed.
    Priority {
        /// What it was.
        from: Priority,
        /// What it is.
        to: Priority,
    },
    /// Another router is MASTER now.
    NewMaster {
        /// Which one.
        source: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// The protocol's machine told something besides changes of state, priority and MASTER, such as a message that was
    /// dropped.
    Router(lb_vrrp::Event),
    /// A tracker was found to be something else.
    Tracked {
        /// What.
        status: Status,
        /// What it said: `exited with status 1`, `timed out`.
        detail: String,
    },
    /// All addresses are installed and announced for the first time.
    Installed(usize),
    /// All addresses are removed.
    Removed(usize),
    /// Somebody else had removed an address; it was put back.
    PutBack(IpAddr),
    /// The operator ordered something; with the reason.
    Ordered(String),
    /// A notification script was started, or has ended.
    Notified {
        /// Which one: `notify_master of VI_1`.
        script: String,
        /// How it ended: `exited with status 0`; `None` = it was started.
        ended: Option<String>,
    },
    /// The process was late by so much.
    Late(Duration),
    /// So many more messages were dropped after the last one that was told.
    Untold(u64),
    /// Something is not as it should be, in words; repeated ones are counted in them.
    Trouble(String),
    /// Something else in words, of no concern to those who look for trouble.
    Note(String),
}

/// Adverts of one sender that were dropped for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Who sent them, or so they say.
    pub source: IpAddr,
    /// The priority that the latest one says.
    pub priority: Option<u8>,
    /// How many there were.
    pub count: u64,
    /// Why the latest one was dropped.
    pub reason: DropReason,
}

impl From<DroppedAdverts> for Dropped {
    fn from(dropped: DroppedAdverts) -> Self {
        let DroppedAdverts { source, priority, count, reason, .. } = dropped;
        Self { source, priority, count, reason }
    }
}

impl Event {
    /// The same with all its times by the wall clock.
    pub fn by_wall_clock(mut self, offset: WallOffset) -> Self {
        self.at = offset.wall(self.at);
        if let What::Basis { heard, due, .. } = &mut self.what {
            for time in heard.iter_mut().map(|(time, _)| time).chain(due) {
                *time = offset.wall(*time);
            }
        }
        self
    }
}

/// A time of RFC 3339, and who was heard then.
mod heard_time {
    use std::net::IpAddr;

    use lb_core::Time;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::wall_time;

    #[derive(Serialize, Deserialize)]
    struct Heard(#[serde(with = "wall_time")] Time, IpAddr);

    pub(super) fn serialize<S: Serializer>(
        heard: &Option<(Time, IpAddr)>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        heard.map(|(time, address)| Heard(time, address)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<(Time, IpAddr)>, D::Error> {
        Ok(Option::<Heard>::deserialize(deserializer)?.map(|Heard(time, address)| (time, address)))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Init => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon => f.write_str("daemon"),
            Self::Instance(name) | Self::Group(name) => f.write_str(name),
            Self::Tracker(id) => id.fmt(f),
        }
    }
}
