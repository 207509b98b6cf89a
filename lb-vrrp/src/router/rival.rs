//! Another router that stays Active although this one is.

use core::{net::IpAddr, time::Duration};

use super::{Event, State, VirtualRouter};
use crate::{Interval, Priority, Time};

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

    /// Takes down that another router is Active, too. Tells it once when it stays that for a down interval.
    pub(super) fn note_rival(&mut self, at: Time, source: IpAddr, priority: Priority, theirs: Interval) {
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
