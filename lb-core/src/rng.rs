//! Seeded randomness: the same seed draws the same numbers.

/// SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014): one word of state,
/// every seed is a good one, and it runs through all 2^64 numbers. Not for secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rng(u64);

impl Rng {
    /// A generator that draws the numbers of this seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number, each of the 2^64 as likely as any other.
    pub(crate) const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound`, both included. The bias, less than 1 in 2^32, is beneath notice.
    pub(crate) const fn draw_up_to(&mut self, bound: u32) -> u32 {
        ((self.draw() as u128 * (bound as u128 + 1)) >> 64) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_the_published_numbers() {
        // First outputs of Vigna's splitmix64.c for the seed 1234567.
        let mut rng = Rng::new(1_234_567);
        let drawn = [rng.draw(), rng.draw(), rng.draw()];
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn bounds_are_reached_and_kept() {
        let mut rng = Rng::new(0);
        let mut seen = [0; 4];
        for _ in 0..4000 {
            seen[rng.draw_up_to(3) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (900..1100).contains(count)), "{seen:?}");
        assert_eq!(rng.draw_up_to(0), 0);
        assert!((0..100).any(|_| rng.draw_up_to(u32::MAX) > u32::MAX / 2));
    }
}
