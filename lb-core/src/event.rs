//! What happened, to what, and why, as data: log lines, `status` and `explain` are made from it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Time,
    change::Change,
    desired::ServerState,
    model::{ServerKey, ServiceKey, Weight},
    overrides::Action,
};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Time,
    /// To what.
    pub subject: Subject,
    /// What.
    pub what: What,
    /// Why.
    pub cause: Cause,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// The daemon as a whole.
    Daemon,
    /// A virtual service.
    Service(ServiceKey),
    /// A real server in a virtual service.
    Server(ServiceKey, ServerKey),
    /// The fallback server of a virtual service.
    Fallback(ServiceKey, ServerKey),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum What {
    /// The daemon has started.
    Started,
    /// The daemon stops.
    Stopped,
    /// The process before this one did not stop by itself: it crashed, was killed, or the host went down; in words.
    Crashed(String),
    /// A configuration is in force from now on.
    Configured,
    /// A configuration was refused; the old one stays in force.
    Rejected,
    /// A check failed, but not often enough in a row: so many of so many.
    SoftFailure(u32, u32),
    /// A soft failure was followed by a success.
    SoftFailureOver,
    /// A virtual service was put into the data plane.
    ServiceAdded,
    /// Another scheduler, flags or persistence.
    ServiceChanged,
    /// A virtual service was taken out of the data plane.
    ServiceRemoved,
    /// A real server, or the fallback, is something else to the data plane now.
    Server {
        /// What it is now; `None` for a fallback, or for a server that the configuration no longer names.
        state: Option<ServerState>,
        /// Weight in the data plane before; `None` = it was not in it.
        before: Option<Weight>,
        /// Weight in the data plane now; `None` = it is not in it.
        after: Option<Weight>,
    },
    /// The operator gave an order about a server; `None` = the order that was in force ends.
    Ordered(Option<Action>),
    /// The data plane did not hold what it should; it was put right.
    Repaired,
    /// The data plane holds a service that is not ours; it is left alone.
    Foreign,
    /// The data plane refused a change; it is tried again.
    Refused,
}

/// Why something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cause {
    /// The daemon's start or stop.
    Lifecycle,
    /// The configuration says so now; with the file or the error.
    Configuration(String),
    /// A check ended well or badly; with what it saw.
    Check(String),
    /// The operator said so; with the reason.
    Operator(String),
    /// Too few servers are left, or enough are back.
    Quorum,
    /// Somebody else changed the data plane.
    Interference,
    /// The data plane's own words.
    DataPlane(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lifecycle => f.write_str("start or stop of the daemon"),
            Self::Configuration(text) => write!(f, "configuration {text}"),
            Self::Check(text) => write!(f, "check: {text}"),
            Self::Operator(reason) => write!(f, "operator: {reason}"),
            Self::Quorum => f.write_str("number of servers left"),
            Self::Interference => f.write_str("changed by somebody else"),
            Self::DataPlane(text) => f.write_str(text),
        }
    }
}

impl From<&Change> for Subject {
    fn from(change: &Change) -> Self {
        match change.server() {
            Some(server) => Self::Server(*change.service(), *server),
            None => Self::Service(*change.service()),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon => f.write_str("daemon"),
            Self::Service(service) => service.fmt(f),
            Self::Server(service, server) => write!(f, "{server} ({service})"),
            Self::Fallback(service, server) => write!(f, "fallback {server} ({service})"),
        }
    }
}
