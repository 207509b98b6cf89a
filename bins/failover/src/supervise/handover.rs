//! What a successor goes on with, and what is done for a daemon that has none: pure.

use std::{collections::BTreeMap, time::Duration};

use lb_control::event::TrackerId;
use lb_vrrp::{Time, driver::Resignation, track::Status};

use super::message::{Held, Predecessor, Resume};
use crate::inventory::{Entry, Inventory};

/// A successor that goes on within this part of an interval is no reason to move the addresses.
const INTERVAL_PARTS: u32 = 10;
/// Addresses that were resigned stay for so long: until then a peer answers for them, or a successor removes them.
pub(super) const LINGER: Duration = Duration::from_secs(3);

/// What is known of a daemon.
#[derive(Debug, Default)]
pub(super) struct Handover {
    /// Active instances, by name. After [`resume`](Self::resume) they stay until the successor has reported them, or is ready.
    held: BTreeMap<String, Holding>,
    trackers: BTreeMap<TrackerId, Status>,
    inventory: Inventory,
    predecessor: Option<Predecessor>,
    /// When the daemon ended; `None` while there is one that was answered.
    vacant: Option<Time>,
    /// When the last resignation was sent since then.
    resigned: Option<Time>,
}

#[derive(Debug)]
struct Holding {
    held: Held,
    /// Whether the daemon of now has reported it.
    current: bool,
}

impl Handover {
    pub(super) fn active(&mut self, name: String, held: Held) {
        self.held.insert(name, Holding { held, current: true });
    }

    pub(super) fn inactive(&mut self, name: &str) {
        self.held.remove(name);
    }

    pub(super) fn tracker(&mut self, id: TrackerId, status: Status) {
        self.trackers.insert(id, status);
    }

    pub(super) fn install(&mut self, entries: Vec<Entry>) {
        self.inventory.extend(entries);
    }

    pub(super) fn removed(&mut self, entries: &[Entry]) {
        for entry in entries {
            self.inventory.remove(entry);
        }
    }

    /// The daemon has reported all that it goes on with.
    pub(super) fn ready(&mut self) {
        self.held.retain(|_, holding| holding.current);
    }

    /// The daemon died.
    pub(super) fn died(&mut self, now: Time, pid: u32, ended: String) {
        self.vacant.get_or_insert(now);
        let deaths = self.predecessor.as_ref().map_or(0, |predecessor| predecessor.deaths) + 1;
        self.predecessor = Some(Predecessor { pid, ended, at: now, deaths });
    }

    /// The daemon has ended by itself, and has resigned everywhere.
    pub(super) fn parted(&mut self) {
        self.held.clear();
    }

    /// A successor asks what it may go on with. It answers for that from now on.
    pub(super) fn resume(&mut self) -> Resume {
        let vacant = self.vacant.take();
        self.resigned = None;
        let mut resume = Resume {
            predecessor: self.predecessor.clone(),
            trackers: self.trackers.clone().into_iter().collect(),
            inventory: self.inventory.clone(),
            ..Resume::default()
        };
        for (name, Holding { held, current }) in &mut self.held {
            let mut snapshot = held.snapshot.clone();
            if let Some(vacant) = vacant {
                snapshot.extend(vacant);
            }
            *current = false;
            resume.sequences.extend(held.sequence.map(|sequence| (name.clone(), sequence)));
            resume.instances.insert(name.clone(), snapshot);
        }
        resume
    }

    /// When [`due`](Self::due) has something to resign.
    pub(super) fn deadline(&self) -> Option<Time> {
        let vacant = self.vacant?;
        self.held.values().map(|holding| vacant + holding.held.interval / INTERVAL_PARTS).min()
    }

    /// The resignations of instances that no successor has gone on with in time. They are given up.
    pub(super) fn due(&mut self, now: Time) -> Vec<Resignation> {
        let Some(vacant) = self.vacant else { return Vec::new() };
        let late = |holding: &Holding| vacant + holding.held.interval / INTERVAL_PARTS <= now;
        let due: Vec<String> =
            self.held.iter().filter(|(_, holding)| late(holding)).map(|(name, _)| name.clone()).collect();
        self.give_up(now, due)
    }

    /// The resignations of all instances. They are given up.
    pub(super) fn resign_all(&mut self, now: Time) -> Vec<Resignation> {
        self.vacant.get_or_insert(now);
        let all = self.held.keys().cloned().collect();
        self.give_up(now, all)
    }

    fn give_up(&mut self, now: Time, names: Vec<String>) -> Vec<Resignation> {
        if !names.is_empty() {
            self.resigned = Some(now);
        }
        let given_up = names.iter().filter_map(|name| self.held.remove(name));
        given_up.flat_map(|holding| holding.held.resignations).collect()
    }

    /// When [`abandoned`](Self::abandoned) has something to remove: nobody has come to remove it.
    pub(super) fn removal(&self) -> Option<Time> {
        let resigned = self.resigned.filter(|_| self.vacant.is_some() && self.held.is_empty())?;
        Some(resigned + LINGER)
    }

    /// The addresses that were resigned, and that no successor has removed in time.
    pub(super) fn abandoned(&mut self, now: Time) -> Inventory {
        if self.removal().is_none_or(|at| at > now) {
            return Inventory::new();
        }
        self.resigned = None;
        let (addresses, rest) =
            std::mem::take(&mut self.inventory).into_iter().partition(|entry| entry.is_address());
        self.inventory = rest;
        addresses
    }

    /// Everything that may be installed. Nobody will go on with it.
    pub(super) fn take_inventory(&mut self) -> Inventory {
        std::mem::take(&mut self.inventory)
    }
}

#[cfg(test)]
mod tests;
