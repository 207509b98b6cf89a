//! The list of destinations that a scheduler chooses from.

use std::{collections::HashMap, sync::Arc};

use super::Load;
use crate::model::{ServerKey, ServerSpec, Weight};

/// Destinations of one virtual service.
///
/// The kernel keeps them **newest first**: editing keeps the place, removing and adding again moves to the head.
/// Here the head of the list is the **last** index, so that adding is cheap and moves no other index;
/// [`Pool::newest_first`] walks the list as the kernel does.
#[derive(Debug, Default)]
pub struct Pool {
    destinations: Vec<Destination>,
    /// Key to serial number, by which `destinations` is sorted.
    serials: HashMap<ServerKey, u64>,
    next_serial: u64,
}

/// What happened to a [`Pool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolChange {
    /// A destination was put at the head of the list, which is the last index.
    Added,
    /// The destination that had this index and weight is gone; higher indices have moved down by one.
    Removed {
        /// Its index before.
        index: usize,
        /// Its last weight.
        weight: Weight,
    },
    /// The destination at this index was edited, though possibly to what it was.
    Edited {
        /// Its index.
        index: usize,
        /// Its weight before.
        before: Weight,
    },
}

/// One real server as a scheduler sees it.
#[derive(Debug)]
pub struct Destination {
    key: ServerKey,
    spec: ServerSpec,
    load: Arc<Load>,
    serial: u64,
}

impl Pool {
    /// The destinations by index, **oldest first**.
    pub fn destinations(&self) -> &[Destination] {
        &self.destinations
    }

    /// The destinations with their indices in the kernel's order, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = (usize, &Destination)> + Clone {
        self.destinations.iter().enumerate().rev()
    }

    /// Number of destinations.
    pub fn len(&self) -> usize {
        self.destinations.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.destinations.is_empty()
    }

    /// Index of the destination with this key.
    pub fn position(&self, key: &ServerKey) -> Option<usize> {
        let serial = self.serials.get(key)?;
        self.destinations.binary_search_by_key(serial, |destination| destination.serial).ok()
    }

    /// The destination with this key.
    pub fn destination(&self, key: &ServerKey) -> Option<&Destination> {
        self.destinations.get(self.position(key)?)
    }

    /// Adds at the head, or edits in place when the key is there already; `load` is of use only when adding.
    pub(super) fn set(&mut self, key: ServerKey, spec: ServerSpec, load: Option<Arc<Load>>) -> PoolChange {
        if let Some(index) = self.position(&key) {
            let destination = &mut self.destinations[index];
            let before = destination.spec.weight;
            destination.spec = spec;
            destination.load.limit(spec.thresholds);
            return PoolChange::Edited { index, before };
        }
        let load = load.unwrap_or_default();
        load.limit(spec.thresholds);
        let serial = self.next_serial;
        self.next_serial += 1;
        self.serials.insert(key, serial);
        self.destinations.push(Destination { key, spec, load, serial });
        PoolChange::Added
    }

    /// Takes a destination out.
    pub(super) fn remove(&mut self, key: &ServerKey) -> Option<(PoolChange, Destination)> {
        let index = self.position(key)?;
        self.serials.remove(key);
        let destination = self.destinations.remove(index);
        Some((PoolChange::Removed { index, weight: destination.spec.weight }, destination))
    }
}

impl Destination {
    /// Address and port.
    pub const fn key(&self) -> ServerKey {
        self.key
    }

    /// Weight, forwarding method and thresholds.
    pub const fn spec(&self) -> &ServerSpec {
        &self.spec
    }

    /// The weight as a number.
    pub const fn weight(&self) -> u32 {
        self.spec.weight.get() as u32
    }

    /// Its connections.
    pub const fn load(&self) -> &Arc<Load> {
        &self.load
    }

    /// Whether it may get a new connection: weight above 0 and not over its threshold.
    pub fn is_usable(&self) -> bool {
        self.weight() > 0 && !self.load.is_overloaded()
    }
}
