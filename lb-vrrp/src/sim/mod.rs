//! A simulator: virtual routers on simulated networks, under a simulated clock, from a seed.
//!
//! It runs [`VirtualRouter`]s as a driver does, with real messages that are encoded, checked and decoded. The network
//! delays, loses, duplicates and reorders them; clocks drift, processes stall and die, machines sleep. All of it is
//! decided by a seed and a [`Schedule`], and the same two make the same [`Trace`], byte for byte: a failure that was
//! found once is found again.
//!
//! ```
//! use lb_vrrp::{Config, Priority, Time, Vrid, sim::{Fault, Lan, Node, Schedule, World}};
//!
//! let config = |priority| -> Result<Config, Box<dyn std::error::Error>> {
//!     Ok(Config::v3(Vrid::new(51)?, ["192.0.2.100".parse()?]).priority(Priority::new(priority)?).build()?)
//! };
//! let mut world = World::new(42, Lan::default());
//! let left = world.add(Node::new(config(200)?, "192.0.2.1".parse()?))?;
//! let right = world.add(Node::new(config(100)?, "192.0.2.2".parse()?))?;
//! world.schedule(Schedule::new().at(Time::from_secs(10), Fault::Crash(left)));
//! world.run_until(Time::from_secs(20));
//!
//! assert!(world.actives().eq([right]));
//! println!("{}", world.trace()); // everything that happened, a line each
//! for takeover in world.trace().takeovers() {
//!     println!("{takeover}");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it does not have: the cost of work (whatever a process does takes no time; see [`Node::latency`] for how long it
//! takes to begin), hosts and their neighbour tables, and switches.

mod clock;
mod fault;
mod lan;
mod node;
mod queries;
mod random;
mod run;
mod trace;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};
use core::time::Duration;

use clock::Clock;
pub use fault::{Fault, Injection, Schedule};
pub use lan::{Lan, LanId};
use node::Machine;
pub use node::{Node, NodeId};
pub use queries::{Overlap, Takeover, Tenure, Vacancy};
pub use random::{Chance, Random};
use run::{Happening, Rank};
pub use trace::{Entry, Loss, Message, Record, Station, Trace};

use crate::{State, Time, VirtualRouter, router::ConfigError};

/// Machines with virtual routers on networks, and what happens to them. It begins at [`Time::ZERO`] and goes on with
/// [`run_until`](Self::run_until), [`run_for`](Self::run_for) or [`step`](Self::step).
#[derive(Clone, Debug)]
pub struct World {
    now: Time,
    random: Random,
    lans: Vec<Lan>,
    machines: Vec<Machine>,
    /// Who is not heard by whom.
    cuts: BTreeSet<(NodeId, NodeId)>,
    /// What is to come, in the order in which it does.
    ahead: BTreeMap<(Time, Rank, u64), Happening>,
    planned: u64,
    trace: Trace,
}

impl World {
    /// A world with one network and no machine. All chances are taken from the seed.
    pub fn new(seed: u64, lan: Lan) -> Self {
        Self {
            now: Time::ZERO,
            random: Random::new(seed),
            lans: vec![lan],
            machines: Vec::new(),
            cuts: BTreeSet::new(),
            ahead: BTreeMap::new(),
            planned: 0,
            trace: Trace { seed, stations: Vec::new(), entries: Vec::new() },
        }
    }

    /// Adds another network. Nothing gets from one to another.
    pub fn add_lan(&mut self, lan: Lan) -> LanId {
        self.lans.push(lan);
        LanId((self.lans.len() - 1) as u16)
    }

    /// Adds a machine, which takes part from now on unless it is [stopped](Node::stopped).
    ///
    /// # Errors
    /// [`ConfigError::Source`] when its address is of another family than its virtual addresses.
    pub fn add(&mut self, node: Node) -> Result<NodeId, ConfigError> {
        VirtualRouter::new(node.config.clone(), node.source)?;
        let id = NodeId(self.machines.len() as u16);
        self.trace.stations.push(Station {
            lan: node.lan,
            vrid: node.config.vrid(),
            family: node.config.family(),
            source: node.source,
            priority: node.config.priority(),
        });
        if !node.stopped {
            self.plan(self.now, Rank::Fault, Happening::Fault(Fault::Start(id)));
        }
        // Nobody may take the clocks of two machines for one.
        let offset = Duration::from_secs(1 + self.random.below(1_000_000));
        let clock = Clock { offset, drift_ppm: node.drift_ppm };
        self.machines.push(Machine::new(node, clock));
        Ok(id)
    }

    /// Has this happen. What is past happens now; what names a node or a network that does not exist does nothing.
    pub fn schedule(&mut self, schedule: Schedule) {
        for (time, fault) in schedule {
            self.plan(time.max(self.now), Rank::Fault, Happening::Fault(fault));
        }
    }

    /// Has this happen now, before anything else.
    pub fn inflict(&mut self, fault: Fault) {
        self.apply(fault);
    }

    /// Goes on until this time: what happens at it has happened then.
    pub fn run_until(&mut self, time: Time) {
        while self.next_time().is_some_and(|next| next <= time) {
            self.step();
        }
        self.now = self.now.max(time);
    }

    /// Goes on for so long.
    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    /// When the next thing happens; `None` when nothing ever does.
    pub fn next_time(&self) -> Option<Time> {
        let ahead = self.ahead.first_key_value().map(|((time, ..), _)| *time);
        self.machines.iter().filter_map(|machine| machine.runs_at).chain(ahead).min()
    }

    /// Lets one thing happen: something is done to the world, a message arrives, or one router is given one input or
    /// its timeout. Returns when it happened; `None` when nothing ever will.
    pub fn step(&mut self) -> Option<Time> {
        let time = self.next_time()?;
        self.now = time;
        match self.ahead.first_entry().filter(|entry| entry.key().0 <= time) {
            Some(entry) => match entry.remove() {
                Happening::Fault(fault) => self.apply(fault),
                Happening::Arrival(to, packet) => self.arrive(to, packet),
            },
            None => {
                let due = |machine: &Machine| machine.runs_at.is_some_and(|at| at <= time);
                if let Some(index) = self.machines.iter().position(due) {
                    self.run(NodeId(index as u16));
                }
            }
        }
        Some(time)
    }

    /// True time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// What the clock of this node shows.
    pub fn local_time(&self, node: NodeId) -> Time {
        self.machine(node).map_or(self.now, |machine| machine.clock.local(self.now))
    }

    /// The nodes, in the order in which they were added.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeId> + use<> {
        (0..self.machines.len()).map(|index| NodeId(index as u16))
    }

    /// The router of this node; `None` when no process runs there.
    pub fn router(&self, node: NodeId) -> Option<&VirtualRouter> {
        self.machine(node)?.router.as_ref()
    }

    /// The state of a router, Initialize when no process runs. One that is paused or asleep keeps its state.
    pub fn state(&self, node: NodeId) -> State {
        self.router(node).map_or(State::Initialize, VirtualRouter::state)
    }

    /// The Active routers, of all virtual routers and networks.
    pub fn actives(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes().filter(|node| self.state(*node) == State::Active)
    }

    /// Since when this router is Active; `None` when it is not.
    pub fn active_since(&self, node: NodeId) -> Option<Time> {
        let tenures = self.trace.tenures();
        tenures
            .iter()
            .rev()
            .find(|tenure| tenure.node == node && tenure.until.is_none())
            .map(|tenure| tenure.from)
    }

    /// Whether the virtual addresses are on the interface of this node, whether its router is Active or long dead.
    pub fn holds_addresses(&self, node: NodeId) -> bool {
        self.machine(node).is_some_and(|machine| machine.holds)
    }

    /// How many messages are on their way; each receiver counts.
    pub fn in_flight(&self) -> usize {
        self.ahead.values().filter(|happening| matches!(happening, Happening::Arrival(..))).count()
    }

    /// What happened until now.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    fn machine(&self, node: NodeId) -> Option<&Machine> {
        self.machines.get(usize::from(node.0))
    }
}

#[cfg(test)]
mod tests;
