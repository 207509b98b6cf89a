//! The timers of RFC 9568 §6.1 and RFC 3768 §6.1, in nanoseconds: at an interval of 10 ms, a skew time in centiseconds
//! is 0 for everyone.

use core::time::Duration;

use super::VirtualRouter;
use crate::{Interval, Priority, VersionMode};

impl VirtualRouter {
    /// `Skew_Time`: with VRRPv2 it does not depend on the interval (RFC 3768 §6.1).
    pub fn skew_time(&self) -> Duration {
        self.skew_time_at(self.priority)
    }

    /// `Active_Down_Interval`: how long a Backup hears nothing until it takes over. What VRRPv2 has instead
    /// (`Master_Down_Interval`) knows the own interval only.
    pub fn down_interval(&self) -> Duration {
        self.silence() + self.skew_time()
    }

    pub(super) fn skew_time_at(&self, priority: Priority) -> Duration {
        match self.config.version {
            VersionMode::V2 => Interval::DEFAULT.skew_time(priority),
            VersionMode::V3 | VersionMode::Dual => self.interval.skew_time(priority),
        }
    }

    /// The down interval without the skew time: nobody takes over earlier.
    pub(super) fn silence(&self) -> Duration {
        self.interval.duration() * u32::from(self.config.options.down_adverts)
    }
}
