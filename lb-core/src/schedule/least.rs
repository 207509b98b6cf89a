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
    least(candidates, |destination| (destination.load().overhead(), destination.weight()))
}

fn delay(destination: &Destination) -> (u64, u32) {
    (u64::from(destination.load().active()) + 1, destination.weight())
}

/// The candidate with the lowest cost per weight, the first of equals. Compares `a / b < c / d` as `a * d < c * b`,
/// which cannot overflow: a cost has at most 41 bits and a weight 16.
fn least<'a>(
    candidates: impl Iterator<Item = (usize, &'a Destination)>,
    ratio: impl Fn(&Destination) -> (u64, u32),
) -> Option<usize> {
    let measured = candidates.map(|(index, destination)| (index, ratio(destination)));
    let best = measured.reduce(|least, next| {
        let ((_, (cost, weight)), (_, (next_cost, next_weight))) = (least, next);
        if cost * u64::from(next_weight) > next_cost * u64::from(weight) { next } else { least }
    });
    best.map(|(index, _)| index)
}
