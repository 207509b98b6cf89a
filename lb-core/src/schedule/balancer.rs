//! A pool and its scheduler, changed together.

use std::sync::Arc;

use super::{Destination, Flow, Load, Pool, Scheduler, SchedulerFlags, SchedulerKind};
use crate::model::{ServerKey, ServerSpec};

/// What a data plane keeps for each virtual service.
#[derive(Debug)]
pub struct Balancer {
    pool: Pool,
    scheduler: Box<dyn Scheduler>,
}

impl Balancer {
    /// An empty pool with this scheduler; `None` when the scheduler is not one of [`SchedulerKind::KNOWN`].
    ///
    /// `seed` is what `twos` draws from: the same seed makes the same picks.
    pub fn new(kind: &SchedulerKind, flags: SchedulerFlags, seed: u64) -> Option<Self> {
        super::scheduler(kind, flags, seed).map(Self::with_scheduler)
    }

    /// An empty pool with a scheduler of the caller's own.
    pub fn with_scheduler(scheduler: Box<dyn Scheduler>) -> Self {
        Self { pool: Pool::default(), scheduler }
    }

    /// Adds a destination at the head of the list, or edits it in place. `load` carries the connections of a
    /// destination that was removed before and still has some.
    pub fn set(&mut self, key: ServerKey, spec: ServerSpec, load: Option<Arc<Load>>) {
        let change = self.pool.set(key, spec, load);
        self.scheduler.changed(&self.pool, change);
    }

    /// Takes a destination out; its connections are its owner's to end.
    pub fn remove(&mut self, key: &ServerKey) -> Option<Destination> {
        let (change, destination) = self.pool.remove(key)?;
        self.scheduler.changed(&self.pool, change);
        Some(destination)
    }

    /// The destination for a new connection; `None` when none is usable. Does not count the connection.
    pub fn pick(&mut self, flow: &Flow) -> Option<&Destination> {
        let index = self.scheduler.pick(&self.pool, flow)?;
        self.pool.destinations().get(index)
    }

    /// The destinations.
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }
}
