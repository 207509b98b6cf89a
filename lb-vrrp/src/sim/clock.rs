use core::time::Duration;

use crate::Time;

const MILLION: i128 = 1_000_000;

/// The clock of a node, as true time goes by: it started at another moment and goes too fast or too slow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// What it shows at the beginning of the world.
    pub(super) offset: Duration,
    /// By how many millionths it goes too fast; negative when too slow.
    pub(super) drift_ppm: i32,
}

impl Clock {
    /// What the clock shows at this time.
    pub(super) fn local(self, true_time: Time) -> Time {
        let elapsed = i128::from(true_time.as_nanos());
        let shown = elapsed + elapsed * i128::from(self.drift_ppm) / MILLION;
        Time::from_nanos(u64::try_from(shown).unwrap_or(u64::MAX)) + self.offset
    }

    /// The first time at which the clock shows this or more.
    pub(super) fn when(self, local: Time) -> Time {
        let shown = i128::from(local.earlier(self.offset).as_nanos());
        let guess = shown * MILLION / (MILLION + i128::from(self.drift_ppm).max(1 - MILLION));
        let mut time = Time::from_nanos(u64::try_from(guess).unwrap_or(u64::MAX));
        // The division rounds down, by a nanosecond or two at most.
        while self.local(time) < local && time < Time::MAX {
            time = time + Duration::from_nanos(1);
        }
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_goes_wrong_still_rings_at_the_first_moment() {
        for drift_ppm in [-100_000, -333, -1, 0, 1, 77, 500, 250_000] {
            let clock = Clock { offset: Duration::from_secs(77), drift_ppm };
            for nanos in [77_000_000_000, 77_000_000_001, 80_123_456_789, 9_999_999_999_999] {
                let local = Time::from_nanos(nanos);
                let when = clock.when(local);
                assert!(clock.local(when) >= local, "{drift_ppm} ppm rings too early for {nanos}");
                let before = when.earlier(Duration::from_nanos(1));
                assert!(
                    when == Time::ZERO || clock.local(before) < local,
                    "{drift_ppm} ppm rings too late for {nanos}"
                );
            }
        }
    }
}
