//! Power of two choices.

use super::{
    Flow, Pool, PoolChange, Scheduler,
    least::{is_less, overhead},
};
use crate::rng::Rng;

/// `twos`: draws two usable destinations by weight, and takes the one with the lower overhead for its weight.
#[derive(Debug)]
pub(super) struct TwoChoices {
    rng: Rng,
}

impl TwoChoices {
    pub(super) const fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed) }
    }
}

impl Scheduler for TwoChoices {
    fn changed(&mut self, _: &Pool, _: PoolChange) {}

    fn pick(&mut self, pool: &Pool, _: &Flow) -> Option<usize> {
        let usable = || pool.newest_first().filter(|(_, destination)| destination.is_usable());
        // 65,535 destinations of the highest weight are no more than 2^32; beyond that the last ones are not drawn.
        let total =
            usable().fold(0_u32, |total, (_, destination)| total.saturating_add(destination.weight()));
        if total == 0 {
            return None;
        }
        // As in the kernel, 0 and 1 both fall on the first destination.
        let (one, other) = (self.rng.draw_up_to(total), self.rng.draw_up_to(total));
        let (nearer, farther) = (one.min(other), one.max(other));
        let (mut first, mut second) = (None, None);
        let mut sum = 0_u32;
        for candidate in usable() {
            sum = sum.saturating_add(candidate.1.weight());
            if first.is_none() && nearer <= sum {
                first = Some(candidate);
            }
            // Another thread may fill a server during the walk; then the last one that was seen has to do.
            second = Some(candidate);
            if farther <= sum {
                break;
            }
        }
        let (first, second) = (first.or(second)?, second?);
        let (first, second) = if one <= other { (first, second) } else { (second, first) };
        Some(if is_less(overhead(second.1), overhead(first.1)) { second.0 } else { first.0 })
    }
}
