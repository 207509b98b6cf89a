use alloc::vec::Vec;
use core::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::{Lan, LanId, NodeId};
use crate::{Farewell, Priority, Time};

/// Something that is done to a [`World`](super::World).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Fault {
    /// The process is started, if there is none, and its router takes part.
    Start(NodeId),
    /// The router takes part no longer; its process stays.
    Stop {
        /// Which one.
        node: NodeId,
        /// How.
        farewell: Farewell,
    },
    /// The process dies, with all that it knew and had not read yet. Its addresses stay on the interface.
    Crash(NodeId),
    /// The process does not run. What it receives waits, with the time of its arrival.
    Pause(NodeId),
    /// The process runs again: it reads what waits, then looks at its timer.
    Resume(NodeId),
    /// The machine sleeps: nothing runs, nothing is received, and its clock goes on.
    Sleep(NodeId),
    /// The machine wakes up.
    Wake(NodeId),
    /// The process is replaced by one that goes on from its snapshot.
    Replace(NodeId),
    /// The router runs with another priority.
    Priority(NodeId, Priority),
    /// The interface of the node has another primary address.
    Source(NodeId, IpAddr),
    /// Another detector tells the node that this router is down.
    PeerDown(NodeId, IpAddr),
    /// The router is to become Active.
    TakeOver(NodeId),
    /// The router is to become Backup.
    StepDown {
        /// Which one.
        node: NodeId,
        /// How.
        farewell: Farewell,
    },
    /// The router is to hand over.
    HandOver(NodeId),
    /// The router is to announce its addresses again.
    Announce(NodeId),
    /// What the one sends does not reach the other any more; the other direction is left as it is.
    Cut {
        /// Who is not heard.
        from: NodeId,
        /// Who does not hear.
        to: NodeId,
    },
    /// What the one sends reaches the other again.
    Mend {
        /// Who is heard again.
        from: NodeId,
        /// Who hears again.
        to: NodeId,
    },
    /// These nodes hear the others no longer, and are not heard by them.
    Partition(Vec<NodeId>),
    /// Everyone hears everyone on the same network.
    Heal,
    /// The network behaves in another way from now on. What is on its way is not affected.
    Lan(LanId, Lan),
    /// Someone sends a message that no router of this world has made.
    Inject(Injection),
}

/// A message from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Injection {
    /// Where it appears. It reaches every node there without delay, or the one that has its destination.
    pub lan: LanId,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// The VRRP message, or what pretends to be one.
    pub payload: Vec<u8>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(node) => write!(f, "start {node}"),
            Self::Stop { node, farewell } => write!(f, "stop {node}{}", manner(*farewell)),
            Self::Crash(node) => write!(f, "crash {node}"),
            Self::Pause(node) => write!(f, "pause {node}"),
            Self::Resume(node) => write!(f, "resume {node}"),
            Self::Sleep(node) => write!(f, "put {node} to sleep"),
            Self::Wake(node) => write!(f, "wake {node}"),
            Self::Replace(node) => write!(f, "replace the process of {node}"),
            Self::Priority(node, priority) => write!(f, "priority of {node} is {priority}"),
            Self::Source(node, source) => write!(f, "source of {node} is {source}"),
            Self::PeerDown(node, peer) => write!(f, "tell {node} that {peer} is down"),
            Self::TakeOver(node) => write!(f, "have {node} take over"),
            Self::StepDown { node, farewell } => write!(f, "have {node} step down{}", manner(*farewell)),
            Self::HandOver(node) => write!(f, "have {node} hand over"),
            Self::Announce(node) => write!(f, "have {node} announce its addresses"),
            Self::Cut { from, to } => write!(f, "cut {from} -> {to}"),
            Self::Mend { from, to } => write!(f, "mend {from} -> {to}"),
            Self::Partition(nodes) => {
                f.write_str("cut off")?;
                nodes.iter().try_for_each(|node| write!(f, " {node}"))
            }
            Self::Heal => f.write_str("heal all cuts"),
            Self::Lan(lan, conditions) => write!(f, "{lan} changes: {conditions:?}"),
            Self::Inject(message) => {
                write!(
                    f,
                    "inject {} bytes from {} to {}",
                    message.payload.len(),
                    message.source,
                    message.destination
                )
            }
        }
    }
}

fn manner(farewell: Farewell) -> &'static str {
    match farewell {
        Farewell::Silent => " without a word",
        Farewell::Resign => "",
        Farewell::Linger => ", with its addresses",
    }
}

/// What is done to a world, and when. Together with the seed and the nodes it makes a run that can be repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schedule(Vec<(Time, Fault)>);

impl Schedule {
    /// Nothing is done.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// This is done at this time too. What is at the same time is done in the order given.
    #[must_use]
    pub fn at(mut self, time: Time, fault: Fault) -> Self {
        self.push(time, fault);
        self
    }

    /// Adds this.
    pub fn push(&mut self, time: Time, fault: Fault) {
        self.0.push((time, fault));
    }

    /// What is done, in the order given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &(Time, Fault)> {
        self.0.iter()
    }
}

impl IntoIterator for Schedule {
    type Item = (Time, Fault);
    type IntoIter = alloc::vec::IntoIter<(Time, Fault)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<(Time, Fault)> for Schedule {
    fn from_iter<I: IntoIterator<Item = (Time, Fault)>>(faults: I) -> Self {
        Self(faults.into_iter().collect())
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(time, fault)| writeln!(f, "{time} {fault}"))
    }
}
