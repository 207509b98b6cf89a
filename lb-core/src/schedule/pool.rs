//! The list of destinations that a scheduler chooses from.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

use crate::model::{ServerKey, ServerSpec, Thresholds};

/// Destinations in the kernel's list order: **newest first**. Editing keeps the place, removing and adding again
/// moves to the head.
#[derive(Debug, Default)]
pub struct Pool {
    destinations: Vec<Destination>,
}

/// What happened to a [`Pool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolChange {
    /// A destination was put at the head (index 0).
    Added,
    /// The destination that had this index is gone.
    Removed(usize),
    /// The destination at this index has another weight or other thresholds.
    Edited(usize),
}

/// One real server as a scheduler sees it.
#[derive(Debug)]
pub struct Destination {
    key: ServerKey,
    spec: ServerSpec,
    load: Arc<Load>,
}

/// Connections of one destination. Shared with whoever opens and closes them, on any thread.
#[derive(Debug, Default)]
pub struct Load {
    active: AtomicU32,
    total: AtomicU32,
    upper: AtomicU32,
    lower: AtomicU32,
    overloaded: AtomicBool,
}

impl Pool {
    /// The destinations, newest first.
    pub fn destinations(&self) -> &[Destination] {
        &self.destinations
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
        self.destinations.iter().position(|destination| destination.key == *key)
    }

    /// Adds at the head, or edits in place when the key is there already.
    pub(super) fn set(&mut self, key: ServerKey, spec: ServerSpec, load: Option<Arc<Load>>) -> PoolChange {
        if let Some(index) = self.position(&key) {
            let destination = &mut self.destinations[index];
            destination.spec = spec;
            destination.load.limit(spec.thresholds);
            return PoolChange::Edited(index);
        }
        let load = load.unwrap_or_default();
        load.limit(spec.thresholds);
        self.destinations.insert(0, Destination { key, spec, load });
        PoolChange::Added
    }

    /// Takes a destination out.
    pub(super) fn remove(&mut self, key: &ServerKey) -> Option<(PoolChange, Destination)> {
        let index = self.position(key)?;
        Some((PoolChange::Removed(index), self.destinations.remove(index)))
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

impl Load {
    /// Connections that are open or opening (the kernel's `ActiveConn`).
    pub fn active(&self) -> u32 {
        self.active.load(Relaxed)
    }

    /// Connections that are kept though they are closing or have no state (`InActConn`).
    pub fn inactive(&self) -> u32 {
        self.total().saturating_sub(self.active())
    }

    /// Active and inactive connections.
    pub fn total(&self) -> u32 {
        self.total.load(Relaxed)
    }

    /// Whether the upper threshold was reached and the lower one not yet passed again.
    pub fn is_overloaded(&self) -> bool {
        self.overloaded.load(Relaxed)
    }

    /// The kernel's measure of load: 256 per active connection, 1 per connection.
    pub fn overhead(&self) -> u64 {
        (u64::from(self.active()) << 8) + u64::from(self.total())
    }

    /// Counts a new connection.
    pub fn open(&self, active: bool) {
        if active {
            self.active.fetch_add(1, Relaxed);
        }
        self.total.fetch_add(1, Relaxed);
        self.update();
    }

    /// Counts the end of a connection that was active, or not.
    pub fn close(&self, active: bool) {
        if active {
            self.active.fetch_sub(1, Relaxed);
        }
        self.total.fetch_sub(1, Relaxed);
        self.update();
    }

    /// An active connection has become inactive (`false`), or the other way round.
    pub fn set_active(&self, active: bool) {
        if active {
            self.active.fetch_add(1, Relaxed);
        } else {
            self.active.fetch_sub(1, Relaxed);
        }
    }

    fn limit(&self, thresholds: Thresholds) {
        self.upper.store(thresholds.upper, Relaxed);
        self.lower.store(thresholds.lower, Relaxed);
        self.update();
    }

    /// Kernel rule: on at `upper`; off below `lower`, or below three quarters of `upper` when `lower` is 0.
    fn update(&self) {
        let (upper, lower, total) = (self.upper.load(Relaxed), self.lower.load(Relaxed), self.total());
        if upper == 0 {
            self.overloaded.store(false, Relaxed);
        } else if total >= upper {
            self.overloaded.store(true, Relaxed);
        } else if total < if lower > 0 { lower } else { upper - upper / 4 } {
            self.overloaded.store(false, Relaxed);
        }
    }
}
