//! Another router that is Active although this one is, and may stay that.

use core::{net::IpAddr, time::Duration};

use super::{AnnounceReason, Cause, Event, State, VirtualRouter};
use crate::{Interval, Priority, Time, Version};

/// A router that is Active besides this one: [`VirtualRouter::rival`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its address.
    pub source: IpAddr,
    /// Its priority, which is lower.
    pub priority: Priority,
    /// Since when both are Active.
    pub since: Time,
    /// When it was heard last.
    pub last: Time,
    /// How long it may be silent and still count as Active.
    patience: Duration,
    told: bool,
}

impl VirtualRouter {
    /// The router of lower priority that has been Active besides this one for longer than a down interval: it does not
    /// hear this one, or drops what it hears. `None` once it has been silent for a down interval.
    pub fn rival(&self, now: Time) -> Option<Rival> {
        self.anomalies.as_ref()?.rival.filter(|rival| {
            self.state == State::Active && rival.told && now.since(rival.last) <= rival.patience
        })
    }

    /// Whether it took over from this router less than an interval ago: that one may have sent an advertisement before it
    /// heard this one, and one more when it did.
    pub(super) fn has_just_preempted(&self, source: IpAddr, received: Time) -> bool {
        let interval = self.config.interval.duration();
        self.pending == Cause::Preempts(source)
            && self.basis.is_some_and(|basis| received.since(basis.at) <= interval)
    }

    pub(super) fn note_other_active(
        &mut self,
        received: Time,
        source: IpAddr,
        priority: Priority,
        theirs: Interval,
    ) {
        self.note_rival(received, source, priority, theirs);
        let before = self.told.about(source).is_active(received);
        if before.is_none_or(|before| received.since(before) > self.down_interval()) {
            self.event(Event::OtherActive { source, priority });
        }
    }

    /// An Active router stays Active although another is, too.
    pub(super) fn outlast(&mut self, now: Time, received: Time, version: Version) {
        let options = &self.config.options;
        if options.answer_lower && (version == Version::V3 || options.reassert_v2) {
            self.reassert(now, received);
        }
        // The link may have learned the other's Ethernet address.
        let spaced = |at: Time| now.since(at) >= self.config.interval.duration();
        if self.last_announced.is_none_or(spaced) {
            self.announce(now, AnnounceReason::OtherActive);
        }
    }

    /// Takes down that another router is Active, too. Tells it once when it stays that for a down interval.
    fn note_rival(&mut self, at: Time, source: IpAddr, priority: Priority, theirs: Interval) {
        let patience = self.down_interval().max(theirs.duration() * 3);
        let known = self
            .anomalies()
            .rival
            .filter(|known| known.source == source && at.since(known.last) <= known.patience);
        let (since, told) = known.map_or((at, false), |known| (known.since, known.told));
        let stays = at.since(since) > patience;
        if stays && !told {
            self.event(Event::OtherStaysActive { source, priority, lasts: at.since(since) });
        }
        self.anomalies().rival =
            Some(Rival { source, priority, since, last: at, patience, told: told || stays });
    }
}
