//! Chance that can be repeated.

/// Numbers that are the same for the same title each time (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(title: &str) -> Self {
        Self(title.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into())))
    }

    /// One of so many numbers, from 0 on.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % u64::from(bound)).try_into().unwrap()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.below(256).try_into().unwrap()
    }
}
