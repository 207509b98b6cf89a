//! Round robin.

use super::{Flow, Pool, PoolChange, Scheduler};

/// `rr`: the next usable destination after the last one, around the list.
#[derive(Debug, Default)]
pub(super) struct RoundRobin {
    /// The last pick; `None` stands for the head of the list, before its newest destination.
    last: Option<usize>,
}

impl Scheduler for RoundRobin {
    /// A removed last pick hands its place to the destination before it, which is the next newer one.
    fn changed(&mut self, pool: &Pool, change: PoolChange) {
        if let (PoolChange::Removed { index, .. }, Some(last)) = (change, self.last) {
            self.last =
                if index < last { Some(last - 1) } else { Some(last).filter(|last| *last < pool.len()) };
        }
    }

    fn pick(&mut self, pool: &Pool, _: &Flow) -> Option<usize> {
        let destinations = pool.destinations();
        let start = self.last.unwrap_or(destinations.len());
        let picked = (0..start)
            .rev()
            .chain((start..destinations.len()).rev())
            .find(|&index| destinations[index].is_usable())?;
        self.last = Some(picked);
        Some(picked)
    }
}
