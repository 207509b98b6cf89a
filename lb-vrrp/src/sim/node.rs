use alloc::{boxed::Box, collections::VecDeque};
use core::{fmt, net::IpAddr, ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Fault, LanId, Random, clock::Clock};
use crate::{Config, Envelope, Time, VirtualRouter};

/// A machine in a [`World`](super::World), with one virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub(super) u16);

impl NodeId {
    /// The node that was added as this one, counted from 0. A schedule may name nodes that are yet to be added.
    pub const fn new(index: u16) -> Self {
        Self(index)
    }

    /// As which one the node was added, counted from 0.
    pub const fn index(self) -> u16 {
        self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// What a machine is to be, to [add](super::World::add) it to a world.
#[derive(Clone, Debug)]
#[must_use]
pub struct Node {
    pub(super) config: Config,
    pub(super) source: IpAddr,
    pub(super) lan: LanId,
    pub(super) drift_ppm: i32,
    pub(super) latency: RangeInclusive<Duration>,
    pub(super) buffer: usize,
    pub(super) stopped: bool,
}

impl Node {
    /// A machine with this virtual router and this primary address. It is on the first network, has a perfect clock,
    /// reacts at once, holds 256 messages in its socket buffer, and takes part from the beginning.
    pub fn new(config: Config, source: IpAddr) -> Self {
        Self {
            config,
            source,
            lan: LanId::default(),
            drift_ppm: 0,
            latency: Duration::ZERO..=Duration::ZERO,
            buffer: 256,
            stopped: false,
        }
    }

    /// The network that it is on.
    pub fn on(mut self, lan: LanId) -> Self {
        self.lan = lan;
        self
    }

    /// By how many millionths its clock goes too fast; negative when too slow. Good quartz stays below 50.
    pub fn drift_ppm(mut self, ppm: i32) -> Self {
        self.drift_ppm = ppm;
        self
    }

    /// How long it takes the process to run after a message came or its timer was due, as on a busy machine.
    pub fn latency(mut self, latency: RangeInclusive<Duration>) -> Self {
        self.latency = latency;
        self
    }

    /// How many messages wait in the socket buffer at most. More are lost.
    pub fn buffer(mut self, messages: usize) -> Self {
        self.buffer = messages;
        self
    }

    /// It has no process until [`Fault::Start`](super::Fault::Start).
    pub fn stopped(mut self) -> Self {
        self.stopped = true;
        self
    }
}

/// A machine as it runs.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) node: Node,
    pub(super) clock: Clock,
    /// The primary address now.
    pub(super) source: IpAddr,
    /// `None` without a process.
    pub(super) router: Option<VirtualRouter>,
    /// Whether the addresses are on the interface. It outlives the process.
    pub(super) holds: bool,
    pub(super) paused: bool,
    pub(super) asleep: bool,
    pub(super) inbox: VecDeque<Packet>,
    /// What is done to the router once its process runs.
    pub(super) orders: VecDeque<Fault>,
    /// When the process runs next, in true time.
    pub(super) runs_at: Option<Time>,
}

/// A message on its way, or in a socket buffer.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) envelope: Envelope,
    pub(super) payload: Box<[u8]>,
    /// When it came, by the clock of the receiver.
    pub(super) received: Time,
}

impl Machine {
    pub(super) fn new(node: Node, clock: Clock) -> Self {
        Self {
            clock,
            source: node.source,
            router: None,
            holds: false,
            paused: false,
            asleep: false,
            inbox: VecDeque::new(),
            orders: VecDeque::new(),
            runs_at: None,
            node,
        }
    }

    /// The process has something to do from this time on, unless it is to run earlier.
    pub(super) fn notify(&mut self, now: Time, random: &mut Random) {
        if self.stalled() || self.router.is_none() {
            return;
        }
        let at = now + random.duration(&self.node.latency);
        self.runs_at = Some(self.runs_at.map_or(at, |planned| planned.min(at)));
    }

    /// The process has just run: what waits is next, then its timer.
    pub(super) fn plan(&mut self, now: Time, random: &mut Random) {
        self.runs_at = match &self.router {
            None => None,
            Some(_) if self.stalled() => None,
            Some(_) if !self.inbox.is_empty() || !self.orders.is_empty() => Some(now),
            Some(router) => router.poll_timeout().map(|deadline| match self.clock.when(deadline) {
                when if when <= now => now,
                when => when + random.duration(&self.node.latency),
            }),
        };
    }

    pub(super) fn die(&mut self) {
        self.router = None;
        self.inbox.clear();
        self.orders.clear();
        self.runs_at = None;
        self.paused = false;
        self.asleep = false;
    }

    fn stalled(&self) -> bool {
        self.paused || self.asleep
    }
}
