use std::time::Duration;

use tokio::time::Instant;

use super::super::instance::Announcing;

/// Why addresses are announced; what is greater counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Occasion {
    /// Another router is, or was, Active as well.
    Other,
    /// The router became Active, or was told to.
    Active,
}

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
    First(Occasion),
    Second,
    Refresh,
}

/// Frames that are sent in one go.
pub(super) const FRAMES: usize = 64;
/// With an interval between frames, so much of it is slept in one go: timers are no finer.
const NAP: Duration = Duration::from_millis(10);

impl Burst {
    /// The burst of this occasion; `None` when nothing is to be announced. `begun`: the first round was made already.
    pub(super) fn new(
        announcing: &Announcing,
        occasion: Occasion,
        now: Instant,
        begun: bool,
    ) -> Option<Self> {
        let rounds = match occasion {
            Occasion::Active => announcing.repeat,
            Occasion::Other if announcing.other_repeat == 0 => return None,
            Occasion::Other => announcing.other_repeat,
        };
        let burst = Self { due: now, cursor: 0, rounds, part: Part::First(occasion) };
        if begun || rounds == 0 { burst.after_round(announcing, now) } else { Some(burst) }
    }

    /// Whether its first part is going on.
    pub(super) fn is_first(&self) -> bool {
        matches!(self.part, Part::First(_))
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
        let second = match self.part {
            Part::First(Occasion::Active) => Some((announcing.delay, announcing.delayed_repeat)),
            Part::First(Occasion::Other) => announcing.other_delay.zip(Some(announcing.other_repeat)),
            Part::Second | Part::Refresh => None,
        };
        let (wait, rounds, part) = match second {
            _ if left > 0 => (announcing.spacing, left, self.part),
            Some((delay, rounds)) if rounds > 0 => (delay, rounds, Part::Second),
            _ => (announcing.refresh?, announcing.refresh_repeat.max(1), Part::Refresh),
        };
        Some(Self { due: now + wait, cursor: 0, rounds, part })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times between the first rounds, in milliseconds.
    fn waits(announcing: &Announcing, occasion: Occasion, begun: bool, rounds: usize) -> Vec<u128> {
        let mut now = Instant::now();
        let mut burst = Burst::new(announcing, occasion, now, begun);
        let mut waits = Vec::new();
        while let Some(this) = burst.filter(|_| waits.len() < rounds) {
            waits.push((this.due - now).as_millis());
            now = this.due;
            burst = this.after(1, 1, announcing, now);
        }
        waits
    }

    #[test]
    fn five_then_five_then_two_each_minute() {
        let announcing =
            Announcing { refresh: Some(Duration::from_secs(60)), refresh_repeat: 2, ..Announcing::default() };
        assert_eq!(
            waits(&announcing, Occasion::Active, true, 13),
            [20, 20, 20, 20, 5000, 20, 20, 20, 20, 60_000, 20, 60_000, 20]
        );
    }

    #[test]
    fn another_active_router_has_numbers_of_its_own() {
        let announcing = Announcing {
            other_repeat: 2,
            other_delay: Some(Duration::from_secs(3)),
            refresh: None,
            ..Announcing::default()
        };
        assert_eq!(waits(&announcing, Occasion::Other, false, 9), [0, 20, 3000, 20]);
        let once = Announcing { other_delay: None, ..announcing };
        assert_eq!(waits(&once, Occasion::Other, false, 9), [0, 20]);
    }

    #[test]
    fn none_when_none_is_configured() {
        let announcing =
            Announcing { repeat: 0, delayed_repeat: 0, other_repeat: 0, ..Announcing::default() };
        for occasion in [Occasion::Active, Occasion::Other] {
            assert_eq!(Burst::new(&announcing, occasion, Instant::now(), false), None);
        }
        // What refreshes goes on.
        let refresh = Announcing { refresh: Some(Duration::from_secs(60)), ..announcing };
        assert_eq!(waits(&refresh, Occasion::Active, false, 2), [60_000, 60_000]);
    }

    #[test]
    fn frames_are_paced() {
        let announcing = Announcing { frame_interval: Duration::from_millis(1), ..Announcing::default() };
        let now = Instant::now();
        let burst = Burst::new(&announcing, Occasion::Active, now, false).unwrap();
        assert_eq!(burst.count(&announcing, 1000), 10);
        let next = burst.after(10, 1000, &announcing, now).unwrap();
        assert_eq!((next.due - now, next.cursor), (Duration::from_millis(10), 10));
    }
}
