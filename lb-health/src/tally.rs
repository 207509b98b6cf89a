//! From single looks to a health: rise and fall counting.

#[cfg(test)]
mod tests;

use std::{fmt, num::NonZeroU32};

use lb_core::{Health, Time};
use serde::{Deserialize, Serialize};

/// Counts looks and changes its mind after enough of them in a row.
///
/// It starts [`Health::Unknown`], and there the first look decides: nobody relies on a health that is not known, and
/// a server that answers need not wait. Afterwards `fall` failures in a row take it down and `rise` passes in a row
/// bring it up; one look that agrees with the present health starts the count again.
///
/// ```
/// use std::num::NonZeroU32;
/// use lb_core::{Health, Time};
/// use lb_health::Tally;
///
/// let mut tally = Tally::new(NonZeroU32::MIN, NonZeroU32::new(3).unwrap());
/// assert_eq!(tally.record(true, Time::from_secs(1)).unwrap().to, Health::Up);
/// assert_eq!(tally.record(false, Time::from_secs(2)), None);
/// assert_eq!(tally.leaning().unwrap().to_string(), "failure 1/3");
/// assert_eq!(tally.record(false, Time::from_secs(3)), None);
/// assert_eq!(tally.record(false, Time::from_secs(4)).unwrap().to, Health::Down);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    rise: NonZeroU32,
    fall: NonZeroU32,
    health: Health,
    since: Option<Time>,
    /// Looks in a row that spoke against `health`; below the number that changes it.
    against: u32,
}

/// A health changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// What it was.
    pub from: Health,
    /// What it is now.
    pub to: Health,
    /// When.
    pub at: Time,
}

/// The last looks spoke against the present health, and were not yet enough. Shown as `failure 1/3` or
/// `success 1/2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaning {
    /// What it will be if the looks go on like this.
    pub toward: Health,
    /// Looks in a row until now.
    pub count: u32,
    /// Looks in a row that it takes.
    pub needed: NonZeroU32,
}

impl Tally {
    /// Nothing seen yet; the number of looks in a row that bring it up and take it down.
    pub const fn new(rise: NonZeroU32, fall: NonZeroU32) -> Self {
        Self { rise, fall, health: Health::Unknown, since: None, against: 0 }
    }

    /// Takes over a health that is known from elsewhere, such as the data plane's table at start. Counts start
    /// again, `since` is unknown.
    pub const fn adopt(&mut self, health: Health) {
        self.health = health;
        self.since = None;
        self.against = 0;
    }

    /// Other numbers from now on; what has been seen is kept.
    pub fn set_thresholds(&mut self, rise: NonZeroU32, fall: NonZeroU32) {
        (self.rise, self.fall) = (rise, fall);
        self.against = self.against.min(self.needed().get() - 1);
    }

    /// Counts one look.
    pub fn record(&mut self, up: bool, at: Time) -> Option<Transition> {
        let seen = if up { Health::Up } else { Health::Down };
        if seen == self.health {
            self.against = 0;
            return None;
        }
        self.against += 1;
        if self.against < self.needed().get() {
            return None;
        }
        self.decide(seen, at)
    }

    /// Changes its mind at once, whatever was counted: the operator has said so.
    pub fn decide(&mut self, health: Health, at: Time) -> Option<Transition> {
        self.against = 0;
        if health == self.health {
            return None;
        }
        let from = std::mem::replace(&mut self.health, health);
        self.since = Some(at);
        Some(Transition { from, to: health, at })
    }

    /// The present health.
    pub const fn health(&self) -> Health {
        self.health
    }

    /// When the present health began; `None` before the first decision and for an adopted one.
    pub const fn since(&self) -> Option<Time> {
        self.since
    }

    /// The count towards the other health, if the last look spoke against the present one.
    pub fn leaning(&self) -> Option<Leaning> {
        let toward = if self.health == Health::Up { Health::Down } else { Health::Up };
        (self.against > 0).then(|| Leaning { toward, count: self.against, needed: self.needed() })
    }

    /// Looks against the present health that change it.
    const fn needed(&self) -> NonZeroU32 {
        match self.health {
            Health::Unknown => NonZeroU32::MIN,
            Health::Up => self.fall,
            Health::Down => self.rise,
        }
    }
}

impl fmt::Display for Leaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.toward == Health::Up { "success" } else { "failure" };
        write!(f, "{word} {}/{}", self.count, self.needed)
    }
}
