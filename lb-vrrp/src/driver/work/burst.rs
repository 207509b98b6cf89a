use std::time::Duration;

use tokio::time::Instant;

use super::super::instance::Announcing;

/// Announcements of an instance that are yet to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Burst {
    /// When to go on.
    pub(super) due: Instant,
    /// Which address is next.
    pub(super) cursor: usize,
    /// Rounds left of this part, the one that is going on included.
    rounds: u8,
    part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    First,
    Second,
    Refresh,
}

/// Frames that are sent in one go.
pub(super) const FRAMES: usize = 64;
/// With an interval between frames, so much of it is slept in one go: timers are no finer.
const NAP: Duration = Duration::from_millis(10);

impl Burst {
    /// The burst of a router that became Active. `begun`: the first round was made already.
    pub(super) fn new(announcing: &Announcing, now: Instant, begun: bool) -> Option<Self> {
        let burst = Self { due: now, cursor: 0, rounds: announcing.repeat, part: Part::First };
        if begun || announcing.repeat == 0 { burst.after_round(announcing, now) } else { Some(burst) }
    }

    /// How many addresses to announce now.
    pub(super) fn count(&self, announcing: &Announcing, addresses: usize) -> usize {
        let paced = match announcing.frame_interval {
            Duration::ZERO => FRAMES,
            interval => (NAP.as_nanos() / interval.as_nanos().max(1)).clamp(1, FRAMES as u128) as usize,
        };
        paced.min(addresses.saturating_sub(self.cursor))
    }

    /// What is left when so many were announced.
    pub(super) fn after(
        mut self,
        count: usize,
        addresses: usize,
        announcing: &Announcing,
        now: Instant,
    ) -> Option<Self> {
        self.cursor += count;
        if self.cursor < addresses {
            self.due = now + announcing.frame_interval * count as u32;
            return Some(self);
        }
        self.after_round(announcing, now)
    }

    fn after_round(self, announcing: &Announcing, now: Instant) -> Option<Self> {
        let left = self.rounds.saturating_sub(1);
        let (wait, rounds, part) = match self.part {
            part if left > 0 => (announcing.spacing, left, part),
            Part::First if announcing.delayed_repeat > 0 => {
                (announcing.delay, announcing.delayed_repeat, Part::Second)
            }
            _ => (announcing.refresh?, 1, Part::Refresh),
        };
        Some(Self { due: now + wait, cursor: 0, rounds, part })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_then_five_then_one_each_minute() {
        let announcing = Announcing { refresh: Some(Duration::from_secs(60)), ..Announcing::default() };
        let start = Instant::now();
        let mut burst = Burst::new(&announcing, start, true);
        let mut waits = Vec::new();
        let mut now = start;
        for _ in 0..11 {
            let this = burst.unwrap();
            waits.push((this.due - now).as_millis());
            now = this.due;
            burst = this.after(1, 1, &announcing, now);
        }
        assert_eq!(waits, [20, 20, 20, 20, 5000, 20, 20, 20, 20, 60_000, 60_000]);
    }

    #[test]
    fn none_when_none_is_configured() {
        let announcing = Announcing { repeat: 0, delayed_repeat: 0, ..Announcing::default() };
        assert_eq!(Burst::new(&announcing, Instant::now(), false), None);
    }

    #[test]
    fn frames_are_paced() {
        let announcing = Announcing { frame_interval: Duration::from_millis(1), ..Announcing::default() };
        let now = Instant::now();
        let burst = Burst::new(&announcing, now, false).unwrap();
        assert_eq!(burst.count(&announcing, 1000), 10);
        let next = burst.after(10, 1000, &announcing, now).unwrap();
        assert_eq!((next.due - now, next.cursor), (Duration::from_millis(10), 10));
    }
}
