//! Weighted round robin.

use std::collections::BTreeMap;

use super::{Flow, Pool, PoolChange, Scheduler, gcd};
use crate::model::Weight;

/// `wrr`: rounds of falling weight. In a round for weight `level` every destination of at least that weight gets
/// one connection; the next round's level is lower by the greatest common divisor of all weights.
#[derive(Debug)]
pub(super) struct WeightedRoundRobin {
    /// Where the walk stands; `None` is the head of the list, before its newest destination.
    at: Option<usize>,
    /// Weight that a destination needs in this round.
    level: u32,
    /// Level of the first round; 0 when there is no weight above 0.
    top: u32,
    /// From one round's level to the next: the greatest common divisor of the weights above 0, 1 if there is none.
    step: u32,
    /// How many destinations have each weight above 0, so that a change need not look at all of them.
    census: BTreeMap<u32, u32>,
}

impl Default for WeightedRoundRobin {
    fn default() -> Self {
        Self { at: None, level: 0, top: 0, step: 1, census: BTreeMap::new() }
    }
}

impl WeightedRoundRobin {
    fn count(&mut self, weight: Weight) {
        if !weight.is_zero() {
            *self.census.entry(weight.get().into()).or_default() += 1;
        }
    }

    fn discount(&mut self, weight: Weight) {
        let weight = weight.get().into();
        if let Some(count) = self.census.get_mut(&weight) {
            *count -= 1;
            if *count == 0 {
                self.census.remove(&weight);
            }
        }
    }

    /// The greatest common divisor of all weights above 0, which is often settled by the first few; 1 if none.
    fn divisor(&self) -> u32 {
        let mut divisor = 0;
        for weight in self.census.keys() {
            divisor = gcd(*weight, divisor);
            if divisor == 1 {
                break;
            }
        }
        divisor.max(1)
    }
}

impl Scheduler for WeightedRoundRobin {
    /// Every change begins the walk anew at the head, in a round near the one that it was in.
    fn changed(&mut self, pool: &Pool, change: PoolChange) {
        match change {
            PoolChange::Added => {
                if let Some(newest) = pool.destinations().last() {
                    self.count(newest.spec().weight);
                }
            }
            PoolChange::Removed { weight, .. } => self.discount(weight),
            PoolChange::Edited { index, before } => {
                self.discount(before);
                self.count(pool.destinations()[index].spec().weight);
            }
        }
        self.at = None;
        self.step = self.divisor();
        self.top = self.census.last_key_value().map_or(0, |(most, _)| most - (self.step - 1));
        if self.level > self.top || self.level == 0 {
            self.level = self.top;
        } else if self.step > 1 {
            self.level = self.level / self.step * self.step + 1;
        }
    }

    /// Walks on until a destination fits the level, which falls at each end of the list. When nothing is found,
    /// it has to have looked at every destination in the last round, for weight 1, before it gives up.
    ///
    /// A walk over the whole list in vain tells the highest weight that would have fitted; the rounds above it are
    /// skipped, so that a pick takes a few walks however high the weights are.
    fn pick(&mut self, pool: &Pool, _: &Flow) -> Option<usize> {
        if self.top == 0 {
            return None;
        }
        let destinations = pool.destinations();
        let mut from = self.at.unwrap_or(destinations.len());
        let (mut last_round, mut restarted, mut stop) = (false, false, None);
        loop {
            let mut fitting = if from == destinations.len() { 0 } else { self.level - 1 };
            for index in (0..from).rev() {
                let destination = &destinations[index];
                if !destination.load().is_overloaded() {
                    if destination.weight() >= self.level {
                        self.at = Some(index);
                        return Some(index);
                    }
                    fitting = fitting.max(destination.weight());
                }
                if stop == Some(index) {
                    return None;
                }
            }
            from = destinations.len();
            if self.level > self.step {
                let rounds = (self.level - fitting).div_ceil(self.step).min((self.level - 1) / self.step);
                self.level -= rounds * self.step;
            } else {
                self.level = self.top;
                if last_round || self.at.is_none() {
                    return None;
                }
                restarted = true;
            }
            last_round = self.level <= self.step;
            if last_round && restarted {
                stop = self.at;
            }
        }
    }
}
