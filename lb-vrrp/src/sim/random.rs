use core::{ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};

/// Numbers that look random and are the same for the same seed, on every machine: SplitMix64 (Steele, Lea and Flood,
/// "Fast splittable pseudorandom number generators", 2014). Not for secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random(u64);

impl Random {
    /// The numbers of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, of all of them equally likely.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one; 0 when there is none.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }

    /// A duration in this range, its ends included.
    pub fn duration(&mut self, range: &RangeInclusive<Duration>) -> Duration {
        let nanos = range.end().saturating_sub(*range.start()).as_nanos() as u64;
        // A range of one point takes no number, so that what it is used for can be turned off without a trace.
        match nanos {
            0 => *range.start(),
            _ => *range.start() + Duration::from_nanos(self.below(nanos + 1)),
        }
    }

    /// One of these, or `None` when there is none.
    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        choices.get(self.below(choices.len() as u64) as usize)
    }

    /// Whether something with this chance happens now.
    pub fn happens(&mut self, chance: Chance) -> bool {
        chance != Chance::NEVER && self.below(u64::from(Chance::ALWAYS.0)) < u64::from(chance.0)
    }
}

/// How likely something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Chance(u32);

impl Chance {
    /// Not at all.
    pub const NEVER: Self = Self(0);
    /// Certain.
    pub const ALWAYS: Self = Self(1_000_000);

    /// So many times in a million; certain above it.
    pub const fn per_million(times: u32) -> Self {
        if times > Self::ALWAYS.0 { Self::ALWAYS } else { Self(times) }
    }

    /// So many times in a hundred; certain above it.
    pub const fn percent(times: u8) -> Self {
        Self::per_million(times as u32 * 10_000)
    }
}
