//! A state that counts only once it has lasted: pure.

use std::time::Duration;

use tokio::time::Instant;

/// What something is held to be while it may change to and fro.
#[derive(Clone, Debug)]
pub(super) struct Lasting<T> {
    settled: Option<T>,
    /// What it may become, and when.
    coming: Option<(T, Instant)>,
}

impl<T> Default for Lasting<T> {
    fn default() -> Self {
        Self { settled: None, coming: None }
    }
}

impl<T: Copy + PartialEq> Lasting<T> {
    /// It is `now` seen to be this, which counts if it stays so for this long. What is seen first counts at once. To be
    /// called again when it is [`due`](Self::due). Returns what it is held to be.
    pub(super) fn see(&mut self, what: T, now: Instant, delay: Duration) -> T {
        let Some(settled) = self.settled.filter(|settled| *settled != what) else {
            (self.settled, self.coming) = (Some(what), None);
            return what;
        };
        let when = match self.coming {
            Some((coming, when)) if coming == what => when,
            _ => now + delay,
        };
        if now < when {
            self.coming = Some((what, when));
            return settled;
        }
        (self.settled, self.coming) = (Some(what), None);
        what
    }

    /// What it is held to be.
    pub(super) fn settled(&self) -> Option<T> {
        self.settled
    }

    /// When it may become something else.
    pub(super) fn due(&self) -> Option<Instant> {
        self.coming.map(|(_, when)| when)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(3);

    #[test]
    fn the_first_counts_at_once_and_a_change_when_it_lasts() {
        let (mut state, start) = (Lasting::default(), Instant::now());
        assert!(state.see(true, start, DELAY));
        assert_eq!(state.due(), None);
        assert!(state.see(false, start, DELAY));
        assert_eq!(state.due(), Some(start + DELAY));
        assert!(state.see(false, start + DELAY / 2, DELAY), "the wait began anew or is over");
        assert!(!state.see(false, start + DELAY, DELAY));
        assert_eq!((state.settled(), state.due()), (Some(false), None));
    }

    #[test]
    fn what_comes_back_in_time_has_not_happened() {
        let (mut state, start) = (Lasting::default(), Instant::now());
        state.see(true, start, DELAY);
        state.see(false, start, DELAY);
        assert!(state.see(true, start + DELAY / 2, DELAY));
        assert_eq!(state.due(), None);
        assert!(state.see(false, start + DELAY, DELAY), "it counts from the first time");
    }

    #[test]
    fn without_a_delay_it_counts_at_once() {
        let (mut state, start) = (Lasting::default(), Instant::now());
        state.see(true, start, Duration::ZERO);
        assert!(!state.see(false, start, Duration::ZERO));
    }
}
