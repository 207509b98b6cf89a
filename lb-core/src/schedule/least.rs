//! The schedulers that look for the least load: least connections and its weighted kin.

use super::{Destination, Flow, Pool, PoolChange, Scheduler};

/// `lc`, `wlc`, `sed` and `nq`: the least load for the weight, and of equals the first in the list.
#[derive(Clone, Copy, Debug)]
pub(super) enum Least {
    /// `lc`: the least overhead, whatever the weight.
    Connections,
    /// `wlc`: the least overhead for its weight.
    WeightedConnections,
    /// `sed`: the least active connections for its weight, when it will have got this one.
    ExpectedDelay,
    /// `nq`: the first that is idle, else as `sed`.
    NeverQueue,
}

impl Scheduler for Least {
    fn changed(&mut self, _: &Pool, _: PoolChange) {}

    fn pick(&mut self, pool: &Pool, _: &Flow) -> Option<usize> {
        let usable = || pool.newest_first().filter(|(_, destination)| destination.is_usable());
        match self {
            Self::Connections => least(usable(), |destination| (destination.load().overhead(), 1)),
            Self::WeightedConnections => least_weighted(usable()),
            Self::ExpectedDelay => least(usable(), delay),
            Self::NeverQueue => usable()
                .find(|(_, destination)| destination.load().active() == 0)
                .map(|(index, _)| index)
                .or_else(|| least(usable(), delay)),
        }
    }
}

/// The rule of `wlc`, which `lblc` and `lblcr` use too. The candidates have weights above 0.
pub(super) fn least_weighted<'a>(
    candidates: impl Iterator<Item = (usize, &'a Destination)>,
) -> Option<usize> {
    least(candidates, overhead)
}

/// The opposite: the most overhead for its weight, and of equals the first.
pub(super) fn most_weighted<'a>(candidates: impl Iterator<Item = (usize, &'a Destination)>) -> Option<usize> {
    let measured = candidates.map(|(index, destination)| (index, overhead(destination)));
    let most = measured.reduce(|most, next| if is_less(most.1, next.1) { next } else { most });
    most.map(|(index, _)| index)
}

/// Overhead and weight.
pub(super) fn overhead(destination: &Destination) -> (u64, u32) {
    (destination.load().overhead(), destination.weight())
}

fn delay(destination: &Destination) -> (u64, u32) {
    (u64::from(destination.load().active()) + 1, destination.weight())
}

/// The candidate with the lowest cost per weight, the first of equals.
fn least<'a>(
    candidates: impl Iterator<Item = (usize, &'a Destination)>,
    ratio: impl Fn(&Destination) -> (u64, u32),
) -> Option<usize> {
    let measured = candidates.map(|(index, destination)| (index, ratio(destination)));
    let best = measured.reduce(|least, next| if is_less(next.1, least.1) { next } else { least });
    best.map(|(index, _)| index)
}

/// Compares `a / b < c / d` as `a * d < c * b`, which cannot overflow: a cost has at most 41 bits, a weight 16.
pub(super) fn is_less((a, b): (u64, u32), (c, d): (u64, u32)) -> bool {
    a * u64::from(d) < c * u64::from(b)
}
