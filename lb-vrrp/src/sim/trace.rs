use alloc::vec::Vec;
use core::{fmt, net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Fault, LanId, NodeId};
use crate::{AnnounceReason, Envelope, Event, Family, Priority, Time, Vrid};

/// Everything that happened in a [`World`](super::World), in order. The same nodes, seed and schedule make the same
/// trace, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    pub(super) seed: u64,
    pub(super) stations: Vec<Station>,
    pub(super) entries: Vec<Entry>,
}

/// What a trace knows of a node: which virtual router it takes part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Station {
    /// The network that it is on.
    pub lan: LanId,
    /// The virtual router.
    pub vrid: Vrid,
    /// Family of its addresses.
    pub family: Family,
    /// Primary address of the interface at the beginning.
    pub source: IpAddr,
    /// Configured priority.
    pub priority: Priority,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, in true time.
    pub at: Time,
    /// Where; `None` for what is done to the world.
    pub node: Option<NodeId>,
    /// What.
    pub what: Record,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Record {
    /// Something was done to the world, by its schedule.
    Fault(Fault),
    /// The router sent this.
    Sent(Message),
    /// This did not reach the node.
    Lost(Message, Loss),
    /// The router was given this.
    Received {
        /// What it says.
        message: Message,
        /// How long it waited to be read.
        waited: Duration,
    },
    /// The router was given what was done to its node. A stalled one is so later than it was done.
    Ordered(Fault),
    /// The timer of the router fired.
    Timeout {
        /// How late, by the clock of the node.
        late: Duration,
    },
    /// The router had its addresses put on the interface.
    Installed,
    /// The router had its addresses taken off the interface.
    Removed,
    /// The router had its addresses announced.
    Announced(AnnounceReason),
    /// The router told this.
    Event(Event),
}

/// Why a message did not reach a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Loss {
    /// The network lost it.
    Network,
    /// The network is cut between the sender and the node.
    Cut,
    /// No process listens.
    NoProcess,
    /// The machine sleeps.
    Asleep,
    /// The socket buffer is full.
    Full,
}

/// The fields of a message that make it readable, as they stand; 0 where the message is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Version.
    pub version: u8,
    /// Virtual router id.
    pub vrid: u8,
    /// Priority; 0 when the sender resigns.
    pub priority: u8,
    /// Interval in centiseconds.
    pub interval: u16,
    /// Bytes of the VRRP message.
    pub len: usize,
}

impl Message {
    pub(super) fn read(envelope: &Envelope, payload: &[u8]) -> Self {
        let byte = |index: usize| payload.get(index).copied().unwrap_or_default();
        let version = byte(0) >> 4;
        Self {
            source: envelope.source,
            destination: envelope.destination,
            version,
            vrid: byte(1),
            priority: byte(2),
            interval: match version {
                2 => u16::from(byte(5)) * 100,
                _ => u16::from_be_bytes([byte(4) & 0x0f, byte(5)]),
            },
            len: payload.len(),
        }
    }
}

impl Trace {
    /// The seed of the world.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The nodes, in the order of their [`NodeId`]s.
    pub fn stations(&self) -> &[Station] {
        &self.stations
    }

    /// What happened, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The events that a node told, and when.
    pub fn events(&self, node: NodeId) -> impl Iterator<Item = (Time, Event)> + '_ {
        self.entries.iter().filter(move |entry| entry.node == Some(node)).filter_map(|entry| {
            match entry.what {
                Record::Event(event) => Some((entry.at, event)),
                _ => None,
            }
        })
    }

    /// The messages that a node sent, and when.
    pub fn sent(&self, node: NodeId) -> impl Iterator<Item = (Time, Message)> + '_ {
        self.entries.iter().filter(move |entry| entry.node == Some(node)).filter_map(|entry| {
            match entry.what {
                Record::Sent(message) => Some((entry.at, message)),
                _ => None,
            }
        })
    }

    pub(super) fn push(&mut self, at: Time, node: Option<NodeId>, what: Record) {
        self.entries.push(Entry { at, node, what });
    }
}

/// One line for each entry.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        for (index, station) in self.stations.iter().enumerate() {
            let Station { lan, vrid, family, source, priority } = station;
            let node = NodeId(index as u16);
            writeln!(f, "{node} is {source} on {lan}: {family} virtual router {vrid}, priority {priority}")?;
        }
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.at.as_nanos();
        write!(f, "{:5}.{:06} ", nanos / 1_000_000_000, nanos / 1000 % 1_000_000)?;
        match self.node {
            Some(node) => write!(f, "{node} {}", self.what),
            None => write!(f, "-- {}", self.what),
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => fault.fmt(f),
            Self::Sent(message) => write!(f, "sends {message} to {}", message.destination),
            Self::Lost(message, loss) => write!(f, "misses {message} of {}: {loss}", message.source),
            Self::Received { message, waited } => {
                write!(f, "receives {message} of {}", message.source)?;
                if waited.is_zero() { Ok(()) } else { write!(f, ", which waited {waited:?}") }
            }
            Self::Ordered(order) => write!(f, "does: {order}"),
            Self::Timeout { late } if late.is_zero() => f.write_str("timer fires"),
            Self::Timeout { late } => write!(f, "timer fires {late:?} late"),
            Self::Installed => f.write_str("installs its addresses"),
            Self::Removed => f.write_str("removes its addresses"),
            Self::Announced(reason) => write!(f, "announces its addresses: {reason:?}"),
            Self::Event(Event::State { from, to, cause }) => write!(f, "{from} -> {to}: {cause:?}"),
            Self::Event(event) => write!(f, "{event:?}"),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "lost",
            Self::Cut => "cut off",
            Self::NoProcess => "no process",
            Self::Asleep => "asleep",
            Self::Full => "socket buffer full",
        })
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "v{} vrid {} priority {} every {} cs",
            self.version, self.vrid, self.priority, self.interval
        )
    }
}
