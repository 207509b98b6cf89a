//! The schedulers that fill the heaviest destination first: failover and overflow.

use super::{Flow, Pool, PoolChange, Scheduler};

/// `fo` and `ovf`: the highest weight, and of equals the first in the list.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heaviest {
    /// `fo`: of all that are usable.
    Failover,
    /// `ovf`: of those that have no more active connections than their weight, so it fills up to weight + 1.
    Overflow,
}

impl Scheduler for Heaviest {
    fn changed(&mut self, _: &Pool, _: PoolChange) {}

    fn pick(&mut self, pool: &Pool, _: &Flow) -> Option<usize> {
        // Oldest first, since `max_by_key` prefers the last of equals.
        pool.destinations()
            .iter()
            .enumerate()
            .filter(|(_, destination)| {
                let has_room = match self {
                    Self::Failover => true,
                    Self::Overflow => destination.load().active() <= destination.weight(),
                };
                has_room && destination.is_usable()
            })
            .max_by_key(|(_, destination)| destination.weight())
            .map(|(index, _)| index)
    }
}
