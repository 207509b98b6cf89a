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

impl Clock {
    /// Now by the wall clock, which may have been set since the start.
    pub fn wall(&self) -> Time {
        Time::ZERO + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// How far the wall clock has been set since the start.
    pub fn wall_offset(&self) -> WallOffset {
        WallOffset(i128::from(self.wall().as_nanos()) - i128::from(self.now().as_nanos()))
    }
}

/// How far the wall clock is ahead of a [`Clock`]; negative when it was set back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WallOffset(i128);

impl WallOffset {
    /// A time of the [`Clock`] by the wall clock.
    pub fn wall(self, time: Time) -> Time {
        let nanos = (i128::from(time.as_nanos()) + self.0).max(0);
        Time::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// `2026-11-21T21:01:51.123+01:00`, in local time.
pub fn rfc3339(time: Time) -> String {
    let zone = jiff::tz::TimeZone::system();
    timestamp(time).to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

/// Reads a time of RFC 3339, with any zone.
///
/// # Errors
/// Says what would be right.
pub fn parse_rfc3339(text: &str) -> Result<Time, String> {
    let wrong = || format!("`{text}` is not a valid time; write it as 2026-11-21T21:01:51Z");
    let stamp: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    u64::try_from(stamp.as_nanosecond()).map(Time::from_nanos).map_err(|_| wrong())
}

fn timestamp(time: Time) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos())).unwrap_or(jiff::Timestamp::MAX)
}

/// Times of the wall clock in JSON: RFC 3339 in UTC with nanoseconds, for `#[serde(with)]`.
pub mod wall_time {
    use lb_core::Time;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::{parse_rfc3339, timestamp};

    /// Writes it.
    ///
    /// # Errors
    /// Those of the format.
    pub fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.9}", timestamp(*time)))
    }

    /// Reads it.
    ///
    /// # Errors
    /// It is not a time of RFC 3339.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        parse_rfc3339(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    /// The same for a time that may be missing.
    pub mod option {
        use lb_core::Time;
        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        #[derive(Serialize, Deserialize)]
        struct Wrapped(#[serde(with = "super")] Time);

        /// Writes it.
        ///
        /// # Errors
        /// Those of the format.
        pub fn serialize<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
            time.map(Wrapped).serialize(serializer)
        }

        /// Reads it.
        ///
        /// # Errors
        /// It is not a time of RFC 3339.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
            Ok(Option::<Wrapped>::deserialize(deserializer)?.map(|Wrapped(time)| time))
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_rfc_3339_keep_their_nanoseconds_in_json() {
        #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        struct Both {
            #[serde(with = "wall_time")]
            at: Time,
            #[serde(default, with = "wall_time::option")]
            until: Option<Time>,
        }
        let both = Both { at: Time::from_nanos(1_764_556_304_120_000_001), until: Some(Time::ZERO) };
        let text = serde_json::to_string(&both).unwrap();
        assert_eq!(
            text,
            r#"{"at":"2025-12-01T02:31:44.120000001Z","until":"1970-01-01T00:00:00.000000000Z"}"#
        );
        assert_eq!(serde_json::from_str::<Both>(&text).unwrap(), both);
        let local: Both = serde_json::from_str(r#"{"at":"2025-12-01T03:31:44.120000001+01:00"}"#).unwrap();
        assert_eq!((local.at, local.until), (both.at, None));
        for text in ["", "tomorrow", "1969-12-31T00:00:00Z", "9999999-01-01T00:00:00Z"] {
            assert!(parse_rfc3339(text).unwrap_err().contains("write it as"), "{text}");
        }
    }

    #[test]
    fn people_read_milliseconds_and_the_zone() {
        let text = rfc3339(Time::from_nanos(1_764_556_304_123_999_999));
        assert_eq!((text.len(), &text[19..23]), (29, ".123"), "{text}");
        assert_eq!(parse_rfc3339(&text), Ok(Time::from_nanos(1_764_556_304_123_000_000)));
        // Whatever a file says is printed somehow.
        assert!(!rfc3339(Time::MAX).is_empty());
    }

    #[test]
    fn a_wall_clock_that_was_set_moves_times_along() {
        let at = Time::from_secs(100);
        assert_eq!(WallOffset(5_000_000_000).wall(at), Time::from_secs(105));
        assert_eq!(WallOffset(-5_000_000_000).wall(at), Time::from_secs(95));
        assert_eq!(WallOffset(-500_000_000_000).wall(at), Time::ZERO);
    }
}
