use core::{fmt, ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Chance, Random};

/// A network that a [`World`](super::World) has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LanId(pub(super) u16);

impl fmt::Display for LanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lan{}", self.0)
    }
}

/// What a network does to messages. It treats every receiver of a multicast message apart, so that one may lose what
/// another gets.
///
/// By default a message takes 100 to 300 microseconds, and arrives once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lan {
    /// How long a message takes. A wide range reorders by itself.
    pub delay: RangeInclusive<Duration>,
    /// How likely a message is lost.
    pub loss: Chance,
    /// How likely a message arrives twice.
    pub duplication: Chance,
    /// How likely a message is held back, for up to [`hold`](Self::hold), so that later ones overtake it.
    pub reordering: Chance,
    /// How long a message is held back at most.
    pub hold: Duration,
    /// Whether a sender hears its own multicast messages, as behind a bridge that hairpins.
    pub loops_back: bool,
}

impl Default for Lan {
    fn default() -> Self {
        Self {
            delay: Duration::from_micros(100)..=Duration::from_micros(300),
            loss: Chance::NEVER,
            duplication: Chance::NEVER,
            reordering: Chance::NEVER,
            hold: Duration::from_millis(1),
            loops_back: false,
        }
    }
}

impl Lan {
    /// After how long the copies of a message arrive: none, one or two.
    pub(super) fn arrivals(&self, random: &mut Random) -> [Option<Duration>; 2] {
        if random.happens(self.loss) {
            return [None, None];
        }
        let first = self.transit(random);
        let second = random.happens(self.duplication).then(|| self.transit(random));
        [Some(first), second]
    }

    fn transit(&self, random: &mut Random) -> Duration {
        let held = if random.happens(self.reordering) {
            random.duration(&(Duration::ZERO..=self.hold))
        } else {
            Duration::ZERO
        };
        random.duration(&self.delay) + held
    }
}
