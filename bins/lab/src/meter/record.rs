//! Which requests were answered. The caller says what time it is.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};

/// An answer that takes longer does not count.
const LATEST: Duration = Duration::from_secs(2);

/// What was seen for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lap {
    /// Requests sent.
    pub sent: u64,
    /// Requests answered.
    pub answered: u64,
    /// The longest time between two requests that were answered, by the time they were sent. One that still lasts counts
    /// until now.
    pub longest_gap: Duration,
}

/// Requests of which it is not known yet whether they will be answered, and the sum of the others.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// In the order they were sent.
    open: VecDeque<Request>,
    /// Number of the first that is open.
    first: u64,
    /// When the last was sent of those that were answered and are not open any more.
    last_answered: Option<Duration>,
    lap: Lap,
}

#[derive(Debug)]
struct Request {
    sent: Duration,
    answered: bool,
}

impl Record {
    /// A request is sent now; returns its number.
    pub(super) fn sent(&mut self, now: Duration) -> u64 {
        while self.open.front().is_some_and(|oldest| now - oldest.sent > LATEST) {
            self.close_oldest();
        }
        self.open.push_back(Request { sent: now, answered: false });
        self.first + self.open.len() as u64 - 1
    }

    /// This request was answered.
    pub(super) fn answered(&mut self, number: u64) {
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(request) = index.and_then(|index| self.open.get_mut(index)) {
            request.answered = true;
        }
    }

    fn close_oldest(&mut self) {
        let Some(request) = self.open.pop_front() else { return };
        self.first += 1;
        self.lap.sent += 1;
        // Until the first answer there is none to be missed; the gap that lasts ends here for the time being.
        let gap = self.last_answered.map_or(Duration::ZERO, |last| request.sent - last);
        self.lap.longest_gap = self.lap.longest_gap.max(gap);
        if request.answered {
            self.lap.answered += 1;
            self.last_answered = Some(request.sent);
        }
    }

    /// What was seen since the last lap.
    pub(super) fn lap(&mut self) -> Lap {
        while !self.open.is_empty() {
            self.close_oldest();
        }
        std::mem::take(&mut self.lap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A request each millisecond; those in the ranges are not answered.
    fn play(record: &mut Record, times: std::ops::Range<u64>, lost: &[std::ops::Range<u64>]) {
        for at in times {
            let number = record.sent(ms(at));
            if !lost.iter().any(|lost| lost.contains(&at)) {
                record.answered(number);
            }
        }
    }

    #[test]
    fn the_longest_gap_lies_between_answered_requests() {
        let mut record = Record::default();
        play(&mut record, 0..5000, &[1000..1400, 3000..3100]);
        // Answered are 999 and 1400.
        assert_eq!(record.lap(), Lap { sent: 5000, answered: 4500, longest_gap: ms(401) });
        play(&mut record, 5000..5010, &[]);
        assert_eq!(record.lap(), Lap { sent: 10, answered: 10, longest_gap: ms(1) });
    }

    #[test]
    fn a_gap_goes_on_over_laps() {
        let mut record = Record::default();
        play(&mut record, 0..100, std::slice::from_ref(&(50..100)));
        assert_eq!(record.lap().longest_gap, ms(50), "it still lasts");
        play(&mut record, 100..200, std::slice::from_ref(&(100..150)));
        assert_eq!(record.lap(), Lap { sent: 100, answered: 50, longest_gap: ms(101) });
    }

    #[test]
    fn before_the_first_answer_nothing_is_missed() {
        let mut record = Record::default();
        play(&mut record, 0..3000, std::slice::from_ref(&(0..2999)));
        assert_eq!(record.lap(), Lap { sent: 3000, answered: 1, longest_gap: Duration::ZERO });
    }

    #[test]
    fn late_and_foreign_answers_do_not_count_and_memory_is_bounded() {
        let mut record = Record::default();
        play(&mut record, 0..10_000, std::slice::from_ref(&(1..10_000)));
        assert!(record.open.len() <= 2001, "{}", record.open.len());
        record.answered(5);
        record.answered(u64::MAX);
        assert_eq!(record.lap(), Lap { sent: 10_000, answered: 1, longest_gap: ms(9999) });
    }
}
