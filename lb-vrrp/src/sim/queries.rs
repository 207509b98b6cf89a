use alloc::{vec, vec::Vec};
use core::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Fault, NodeId, Record, Trace};
use crate::{Cause, Event, State, Time};

/// A time in which a router was Active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenure {
    /// Which router.
    pub node: NodeId,
    /// When it became Active.
    pub from: Time,
    /// When it stopped being so, or its process died; `None` when it still is.
    pub until: Option<Time>,
    /// Why it became Active.
    pub cause: Cause,
}

/// A time in which two routers were Active for the same virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// Which two.
    pub nodes: (NodeId, NodeId),
    /// When the second one became Active.
    pub from: Time,
    /// When the first of them stopped being so; `None` when both still are.
    pub until: Option<Time>,
}

/// A router became Active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Takeover {
    /// Which one.
    pub node: NodeId,
    /// When.
    pub at: Time,
    /// Why.
    pub cause: Cause,
    /// How long no router was Active and running before: the outage as hosts feel it. Zero when another one still was;
    /// `None` when there was none since the beginning.
    pub outage: Option<Duration>,
}

/// A time in which no machine had the addresses of a virtual router, after one had had them: nobody answers its hosts. A
/// machine whose process is dead or stalled goes on answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vacancy {
    /// Who gave them up last.
    pub node: NodeId,
    /// When.
    pub from: Time,
    /// When another one, or the same, had them; `None` when nobody has them yet.
    pub until: Option<Time>,
}

impl Trace {
    /// When nobody had the addresses, in the order in which that began.
    pub fn vacancies(&self) -> Vec<Vacancy> {
        let mut vacancies: Vec<Vacancy> = Vec::new();
        let mut holds = vec![false; self.stations.len()];
        for entry in &self.entries {
            let (installs, node) = match (&entry.what, entry.node) {
                (Record::Installed, Some(node)) => (true, node),
                (Record::Removed, Some(node)) => (false, node),
                _ => continue,
            };
            let held = core::mem::replace(&mut holds[usize::from(node.0)], installs);
            let same = |other: NodeId| self.same_router(node, other);
            if installs {
                let open =
                    vacancies.iter_mut().rfind(|vacancy| same(vacancy.node) && vacancy.until.is_none());
                open.into_iter().for_each(|vacancy| vacancy.until = Some(entry.at));
            } else if held && !(0..holds.len()).any(|other| holds[other] && same(NodeId(other as u16))) {
                vacancies.push(Vacancy { node, from: entry.at, until: None });
            }
        }
        vacancies
    }

    /// When which router was Active, in the order in which that began.
    pub fn tenures(&self) -> Vec<Tenure> {
        let mut tenures: Vec<Tenure> = Vec::new();
        for entry in &self.entries {
            let (node, cause) = match (&entry.what, entry.node) {
                (Record::Event(Event::State { from, to, cause }), Some(node)) if from != to => {
                    (node, (*to == State::Active).then_some(*cause))
                }
                (Record::Fault(Fault::Crash(node)), _) => (*node, None),
                _ => continue,
            };
            if let Some(open) = tenures.iter_mut().rfind(|tenure| tenure.node == node) {
                open.until = open.until.or(Some(entry.at));
            }
            if let Some(cause) = cause {
                tenures.push(Tenure { node, from: entry.at, until: None, cause });
            }
        }
        tenures
    }

    /// When two routers were Active for the same virtual router on the same network, in the order in which that began.
    pub fn overlaps(&self) -> Vec<Overlap> {
        let tenures = self.tenures();
        let mut overlaps = Vec::new();
        for (index, later) in tenures.iter().enumerate() {
            for earlier in &tenures[..index] {
                let apart = earlier.until.is_some_and(|until| until <= later.from);
                if earlier.node == later.node || apart || !self.same_router(earlier.node, later.node) {
                    continue;
                }
                let until = match (earlier.until, later.until) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
                overlaps.push(Overlap { nodes: (earlier.node, later.node), from: later.from, until });
            }
        }
        overlaps
    }

    /// How often the virtual addresses went to another router, and how long they were without one.
    pub fn takeovers(&self) -> Vec<Takeover> {
        let mut takeovers = Vec::new();
        let mut active = vec![false; self.stations.len()];
        let mut stalled = active.clone();
        // When the last serving router of the same virtual router stopped to be so.
        let mut ended: Vec<Option<Time>> = vec![None; self.stations.len()];
        for entry in &self.entries {
            let (node, is_active, is_stalled) = match (&entry.what, entry.node) {
                (Record::Event(Event::State { from, to, cause }), Some(node)) if from != to => {
                    if *to == State::Active {
                        let outage = self.outage(node, entry.at, &active, &stalled, &ended);
                        takeovers.push(Takeover { node, at: entry.at, cause: *cause, outage });
                    }
                    (node, Some(*to == State::Active), None)
                }
                (Record::Fault(Fault::Crash(node)), _) => (*node, Some(false), Some(false)),
                (Record::Fault(Fault::Pause(node) | Fault::Sleep(node)), _) => (*node, None, Some(true)),
                (Record::Fault(Fault::Resume(node) | Fault::Wake(node)), _) => (*node, None, Some(false)),
                _ => continue,
            };
            let index = usize::from(node.0);
            let served = active[index] && !stalled[index];
            active[index] = is_active.unwrap_or(active[index]);
            stalled[index] = is_stalled.unwrap_or(stalled[index]);
            let serves = active[index] && !stalled[index];
            if served && !serves {
                ended[index] = Some(entry.at);
            }
        }
        takeovers
    }

    fn outage(
        &self,
        node: NodeId,
        at: Time,
        active: &[bool],
        stalled: &[bool],
        ended: &[Option<Time>],
    ) -> Option<Duration> {
        let group = || (0..self.stations.len()).filter(|index| self.same_router(node, NodeId(*index as u16)));
        if group().any(|index| active[index] && !stalled[index]) {
            return Some(Duration::ZERO);
        }
        group().filter_map(|index| ended[index]).max().map(|ended| at.since(ended))
    }

    fn same_router(&self, one: NodeId, other: NodeId) -> bool {
        let key = |node: NodeId| self.stations.get(usize::from(node.0)).map(|s| (s.lan, s.family, s.vrid));
        key(one) == key(other)
    }
}

impl fmt::Display for Tenure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is Active from {}", self.node, self.from)?;
        self.until.map_or(Ok(()), |until| write!(f, " to {until}"))?;
        write!(f, ": {:?}", self.cause)
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {} are both Active from {}", self.nodes.0, self.nodes.1, self.from)?;
        self.until.map_or(Ok(()), |until| write!(f, " to {until}"))
    }
}

impl fmt::Display for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} takes over: {:?}", self.at, self.node, self.cause)?;
        match self.outage {
            None => Ok(()),
            Some(Duration::ZERO) => f.write_str(", while another is Active"),
            Some(outage) => write!(f, ", after {outage:?} without an Active router"),
        }
    }
}
