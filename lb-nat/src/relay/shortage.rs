//! Phases in which something has run out, for the log and for counters.

use std::{
    fmt,
    sync::atomic::{
        AtomicBool, AtomicU64,
        Ordering::{AcqRel, Relaxed},
    },
    time::Duration,
};

use lb_core::Time;

/// One line about the beginning of a phase in this time; others are counted.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Whether something has run out at the moment. Any thread may notice.
#[derive(Debug, Default)]
pub(crate) struct Shortage {
    active: AtomicBool,
    /// The beginning of this phase was logged, so its end is, too.
    logged: AtomicBool,
    times: AtomicU64,
    /// In nanoseconds; no line before.
    next_line: AtomicU64,
    unlogged: AtomicU64,
}

/// How many phases were not logged, as the end of the next line; nothing if there were none.
pub(crate) struct Unlogged(u64);

impl Shortage {
    /// It has run out. `log` is called if this is news, and not too soon after the last line.
    pub(crate) fn begin(&self, now: Time, log: impl FnOnce(Unlogged)) {
        if self.active.load(Relaxed) || self.active.swap(true, AcqRel) {
            return;
        }
        self.times.fetch_add(1, Relaxed);
        let next = (now + LINE_INTERVAL).as_nanos();
        let due = self.next_line.try_update(AcqRel, Relaxed, |due| (due <= now.as_nanos()).then_some(next));
        if due.is_ok() {
            self.logged.store(true, Relaxed);
            log(Unlogged(self.unlogged.swap(0, Relaxed)));
        } else {
            self.unlogged.fetch_add(1, Relaxed);
        }
    }

    /// There is enough again. `log` is called if the beginning was logged.
    pub(crate) fn end(&self, log: impl FnOnce()) {
        if self.active.load(Relaxed) && self.active.swap(false, AcqRel) && self.logged.swap(false, AcqRel) {
            log();
        }
    }

    /// How often it has begun.
    pub(crate) fn times(&self) -> u64 {
        self.times.load(Relaxed)
    }
}

impl fmt::Display for Unlogged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            1 => f.write_str(" (once more since the last line)"),
            times => write!(f, " ({times} times more since the last line)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_that_comes_and_goes_is_logged_rarely_and_counted() {
        let shortage = Shortage::default();
        let (mut lines, mut ends) = (Vec::new(), 0);
        for tenth in 0..201 {
            let now = Time::from_secs(5) + Duration::from_millis(100) * tenth;
            shortage.begin(now, |unlogged| lines.push(unlogged.to_string()));
            shortage.begin(now, |_| panic!("it goes on"));
            shortage.end(|| ends += 1);
        }
        let others = " (99 times more since the last line)";
        assert_eq!(lines, ["", others, others]);
        assert_eq!((shortage.times(), ends), (201, 3));
    }
}
