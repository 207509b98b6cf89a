//! How often, how long, and how many looks make a verdict.

use std::{num::NonZeroU32, time::Duration};

use serde::{Deserialize, Serialize};

/// When one check looks, and how many looks change its mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Timing {
    /// From the start of one look to the start of the next. Default 10 s; at least 1 ms.
    pub interval: Duration,
    /// A look that takes longer has failed. Default 5 s. It may exceed the interval: a check never overlaps
    /// itself, and the looks that it had no time for are left out.
    pub timeout: Duration,
    /// Instead of the interval, from the end of a look that speaks against the present health to the start of the
    /// next one, so that a verdict is reached sooner (or later). Default: the interval counts.
    pub retry: Option<Duration>,
    /// Looks in a row that must pass to bring a server up. Default 1.
    pub rise: NonZeroU32,
    /// Looks in a row that must fail to take a server down. Default 1.
    pub fall: NonZeroU32,
    /// Each look starts later by a random time below this, so that many balancers that look at one server drift
    /// apart. Default 0; at most half of the interval counts.
    pub jitter: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            retry: None,
            rise: NonZeroU32::MIN,
            fall: NonZeroU32::MIN,
            jitter: Duration::ZERO,
        }
    }
}

impl Timing {
    /// The default with this interval and timeout.
    pub fn every(interval: Duration, timeout: Duration) -> Self {
        Self { interval, timeout, ..Self::default() }
    }
}
