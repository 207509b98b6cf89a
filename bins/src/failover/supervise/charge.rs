//! What the supervisor knows of its daemon, and what it does when that dies: pure.

use std::{collections::BTreeMap, time::Duration};

use lb_vrrp::{Time, driver::Resignation, track::Status};

use super::line::{Held, Resume, Said};
use crate::failover::track::TrackerId;

/// A daemon under supervision.
#[derive(Debug, Default)]
pub(super) struct Charge {
    /// Instances that are Active: what the daemon would have sent to resign, and how it can go on.
    held: BTreeMap<String, Held>,
    /// What was found of trackers, so that the next daemon need not wait for them.
    trackers: BTreeMap<TrackerId, Status>,
    /// When it died; `None` while it lives.
    died: Option<Time>,
    /// When it died before, the latest last.
    deaths: Vec<Time>,
}

/// A daemon that died so often within [`WINDOW`] is started again after [`PAUSE`] only.
const MANY: usize = 3;
const WINDOW: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(1);

/// A successor that goes on within this part of an interval is no reason to move the addresses.
const PATIENCE: u32 = 10;

impl Charge {
    /// The daemon said something.
    pub(super) fn hear(&mut self, said: Said) {
        match said {
            Said::Active(name, held) => {
                self.held.insert(name, *held);
            }
            Said::Inactive(name) => {
                self.held.remove(&name);
            }
            Said::Tracker(id, status) => {
                self.trackers.insert(id, status);
            }
            Said::Namespace(_) | Said::Ready | Said::Resume => {}
        }
    }

    /// It died. Returns how long to wait until another one is started.
    pub(super) fn died(&mut self, now: Time) -> Duration {
        self.died = Some(now);
        self.deaths.retain(|death| now.since(*death) < WINDOW);
        self.deaths.push(now);
        if self.deaths.len() > MANY { PAUSE } else { Duration::ZERO }
    }

    /// A successor is ready to go on: it gets what was not given up yet, and answers for it from now on.
    pub(super) fn resume(&mut self) -> Resume {
        let died = self.died.take();
        let trackers = self.trackers.clone().into_iter().collect();
        let mut resume = Resume { successor: died.is_some(), trackers, ..Resume::default() };
        for (name, Held { mut snapshot, sequence, .. }) in std::mem::take(&mut self.held) {
            if let Some(died) = died {
                snapshot.extend(died);
            }
            resume.sequences.extend(sequence.map(|sequence| (name.clone(), sequence)));
            resume.instances.insert(name, snapshot);
        }
        resume
    }

    /// When [`due`](Self::due) has something to resign.
    pub(super) fn deadline(&self) -> Option<Time> {
        let died = self.died?;
        self.held.values().map(|held| died + held.interval / PATIENCE).min()
    }

    /// What is to be resigned now, since no successor came in time. It is given up then.
    pub(super) fn due(&mut self, now: Time) -> Vec<Resignation> {
        let Some(died) = self.died else { return Vec::new() };
        let late = |held: &Held| died + held.interval / PATIENCE <= now;
        let due: Vec<String> =
            self.held.iter().filter(|(_, held)| late(held)).map(|(name, _)| name.clone()).collect();
        due.iter().filter_map(|name| self.held.remove(name)).flat_map(|held| held.resignations).collect()
    }
}

#[cfg(test)]
mod tests;
