//! Make before break: addresses that stay until another router has them.
//!
//! A router that resigns and takes its addresses away at once leaves them without an owner until another one has waited
//! for its skew time: most of an interval. One that lingers goes on answering for them. It takes them away when it hears
//! an advertisement of another router, which has them then; or after [`linger_time`](VirtualRouter::linger_time), when
//! nobody can be expected to come any more.

use core::time::Duration;

use super::{Action, Farewell, Profile, VirtualRouter};
use crate::{Interval, Priority, Time, VersionMode};

/// For the way of the resignation and of what answers it, and for a peer that is late.
const MARGIN: Duration = Duration::from_millis(50);

impl VirtualRouter {
    /// Whether the addresses are on the interface although this router is not Active: it left with
    /// [`Farewell::Linger`], or was told that they were [found](super::Input::Found) there, and has heard nobody since.
    pub fn lingers(&self) -> bool {
        self.lingers.is_some()
    }

    /// How long this router lingers after a resignation at most: the longest skew time that a peer may have, which is that
    /// of priority 1, and 50 ms for the messages. So 255/256 of an interval and 50 ms, or 1.046 s with VRRPv2.
    pub fn linger_time(&self) -> Duration {
        // Peers wait by our interval, which they have learned; a Backup may have learned another one since.
        let interval = match self.config.version {
            VersionMode::V2 => Interval::DEFAULT,
            VersionMode::V3 => self.config.interval,
            VersionMode::Dual => self.config.interval.max(Interval::DEFAULT),
        };
        interval.skew_time(Priority::LEAST) + MARGIN
    }

    /// Parts from being Active: tells the others or does not, and lets the addresses go, now or later.
    pub(super) fn part(&mut self, now: Time, farewell: Farewell) {
        if farewell != Farewell::Silent {
            self.advertise(now, true);
        }
        self.stats.released += 1;
        if farewell == Farewell::Linger && self.may_linger() {
            self.lingers = Some(now + self.linger_time());
        } else {
            self.remove();
        }
    }

    /// The addresses were found on the interface: whoever is Active is heard within a down interval, and who is not
    /// Active by then takes over; a member of a group may have to wait for others a little longer.
    pub(super) fn find(&mut self, now: Time) {
        if self.may_linger() {
            self.lingers = Some(now + self.down_interval() * 2);
        }
    }

    /// An advertisement of another router was received at this time. One from before the resignation is of no account.
    pub(super) fn note_successor(&mut self, received: Time) {
        if self.lingers() && self.last_sent.is_none_or(|sent| received >= sent) {
            self.remove();
        }
    }

    pub(super) fn end_lingering(&mut self, now: Time) {
        if self.lingers.is_some_and(|until| until <= now) {
            self.remove();
        }
    }

    pub(super) fn remove(&mut self) {
        self.lingers = None;
        self.queue.push_back(Action::Remove);
    }

    /// To the letter, nobody but the Active router answers for the addresses.
    pub(super) fn may_linger(&self) -> bool {
        self.config.profile == Profile::Compatible
    }
}
