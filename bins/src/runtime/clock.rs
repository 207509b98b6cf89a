//! The one clock of a daemon.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lb_core::Time;

/// Reads the monotonic clock and shows it as time since the Unix epoch: comparable with the wall clock of the
/// daemon's start, never going back when the wall clock is set.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    epoch: Duration,
}

impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { origin: Instant::now(), epoch }
    }

    /// Now.
    pub fn now(&self) -> Time {
        Time::ZERO + (self.epoch + self.origin.elapsed())
    }

    /// When the clock was started.
    pub fn started(&self) -> Time {
        Time::ZERO + self.epoch
    }

    /// When the clock was started, by the monotonic clock: what others can count from.
    pub fn origin(&self) -> Instant {
        self.origin
    }

    /// The time that somebody gives who counts from [`origin`](Self::origin).
    pub fn from_origin(&self, time: Time) -> Time {
        self.started() + time.since(Time::ZERO)
    }
}

/// `Sat Nov 21 21:01:51 2026` in local time, as ctime(3) and ldirectord print it.
pub fn ctime(time: Time) -> String {
    let seconds = i64::try_from(time.as_nanos() / 1_000_000_000).unwrap_or(i64::MAX);
    local(seconds).unwrap_or_else(|| format!("@{seconds}"))
}

fn local(seconds: i64) -> Option<String> {
    let zone = jiff::tz::TimeZone::system();
    let stamp = jiff::Timestamp::from_second(seconds).ok()?.to_zoned(zone);
    Some(stamp.strftime("%a %b %e %H:%M:%S %Y").to_string())
}
