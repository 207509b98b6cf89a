//! Places for connections and sessions of one service.

use std::sync::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Relaxed},
};

use lb_core::{Time, model::ServiceKey};
use tracing::{info, warn};

use super::shortage::Shortage;

/// Counts connections and sessions of a service against its limit.
#[derive(Debug)]
pub(crate) struct Places {
    max: u32,
    taken: AtomicU32,
    shortage: Shortage,
}

impl Places {
    pub(crate) fn new(max: u32) -> Self {
        Self { max, taken: AtomicU32::new(0), shortage: Shortage::default() }
    }

    /// Takes a place; how many were taken before. `None` when there is none, which is logged once.
    pub(crate) fn acquire(&self, service: &ServiceKey, now: Time) -> Option<u32> {
        let taken = self.taken.try_update(AcqRel, Relaxed, |taken| (taken < self.max).then_some(taken + 1));
        if taken.is_err() {
            self.shortage.begin(now, |unlogged| {
                warn!(
                    "relay: {service}: its limit of {} connections is reached: new clients wait until some end{unlogged}",
                    self.max
                );
            });
        }
        taken.ok()
    }

    /// Gives a place back.
    pub(crate) fn release(&self, service: &ServiceKey) {
        if self.taken.fetch_sub(1, AcqRel) <= reopen_at(self.max) {
            self.shortage.end(|| info!("relay: {service}: there is room for clients again"));
        }
    }
}

/// The next time that a limit is reached is a new event only after this many places were left, so that the log tells of
/// phases, not of connections.
pub(crate) const fn reopen_at(max: u32) -> u32 {
    max - max / 8
}
