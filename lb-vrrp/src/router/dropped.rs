//! Whose advertisements were dropped lately, and why: for those who have to explain why no other router was heard.

use core::{cmp::Reverse, mem::discriminant, net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Rival, VirtualRouter, unsent::Unsent};
use crate::{DropReason, Time};

/// Advertisements of one sender that were dropped for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedAdverts {
    /// Who sent them, or so they say.
    pub source: IpAddr,
    /// Why the latest one was dropped.
    pub reason: DropReason,
    /// The priority that the latest one says, if it is that long. Nothing of it was verified.
    pub priority: Option<u8>,
    /// How many there were, without a pause that would have ended the account.
    pub count: u64,
    /// When the first one was received.
    pub first: Time,
    /// When the latest one was received.
    pub last: Time,
}

/// So many pairs of sender and reason are kept. One with the fewest messages makes room.
const KEPT: usize = 4;

/// What is not as it should be: with other routers, and with what this one sends.
#[derive(Clone, Debug, Default)]
pub(super) struct Anomalies {
    pub(super) dropped: Dropped,
    /// What of it the latest change of state was based on.
    pub(super) basis: Option<DroppedAdverts>,
    /// Another router that is Active besides this one.
    pub(super) rival: Option<Rival>,
    pub(super) unsent: Unsent,
}

/// The latest dropped advertisements.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dropped([Option<DroppedAdverts>; KEPT]);

impl Dropped {
    /// Takes down a message that was dropped. Those before a pause that is longer than `window` do not count any more.
    pub(super) fn add(
        &mut self,
        at: Time,
        window: Duration,
        source: IpAddr,
        reason: DropReason,
        priority: Option<u8>,
    ) {
        let same = |known: &DroppedAdverts| known.source == source && is_alike(known.reason, reason);
        let is_over = |known: &DroppedAdverts| at.since(known.last) > window;
        let count = |known: &DroppedAdverts| if is_over(known) { 0 } else { known.count };
        let rank = |place: &usize| (self.0[*place].as_ref().map(count), Reverse(*place));
        let known = self.0.iter().position(|known| known.as_ref().is_some_and(same));
        let free = || self.0.iter().position(Option::is_none);
        let place = known.or_else(free).or_else(|| (0..KEPT).min_by_key(rank)).unwrap_or_default();
        let before = self.0[place].filter(|known| same(known) && !is_over(known));
        self.0[place] = Some(DroppedAdverts {
            source,
            reason,
            priority,
            count: before.map_or(0, |known| known.count) + 1,
            first: before.map_or(at, |known| known.first),
            last: at,
        });
    }

    /// Those of which the latest one is no older than this.
    pub(super) fn since(&self, earliest: Time) -> impl Iterator<Item = DroppedAdverts> + '_ {
        self.0.iter().flatten().filter(move |known| known.last >= earliest).copied()
    }
}

impl VirtualRouter {
    /// What was dropped within the last three down intervals, one entry for each sender and reason; four at the most. What a
    /// router drops in the ordinary course is not among it: what it receives while it takes no part, VRRPv2 of a router that
    /// sends VRRPv3 as well, and resignations of routers that are not the Active one.
    pub fn dropped(&self, now: Time) -> impl Iterator<Item = DroppedAdverts> + '_ {
        let earliest = now.earlier(self.drop_window());
        self.anomalies.iter().flat_map(move |anomalies| anomalies.dropped.since(earliest))
    }

    pub(super) fn note_dropped(&mut self, at: Time, source: IpAddr, reason: DropReason, payload: &[u8]) {
        let usual =
            matches!(reason, DropReason::NotRunning | DropReason::HeardInV3 | DropReason::ResignationOfOther);
        if !usual {
            let window = self.drop_window();
            self.anomalies().dropped.add(at, window, source, reason, payload.get(2).copied());
        }
    }

    /// Of what was dropped within the last down interval, what there was most of.
    pub(super) fn mostly_dropped(&self, now: Time) -> Option<DroppedAdverts> {
        let dropped = &self.anomalies.as_ref()?.dropped;
        dropped.since(now.earlier(self.down_interval())).max_by_key(|dropped| dropped.count)
    }

    /// What is kept of anomalies; there is none at first, which takes no room.
    pub(super) fn anomalies(&mut self) -> &mut Anomalies {
        self.anomalies.get_or_insert_default()
    }

    fn drop_window(&self) -> Duration {
        self.down_interval() * 3
    }
}

/// Whether two reasons are the same, whatever numbers they name.
fn is_alike(one: DropReason, other: DropReason) -> bool {
    let inner = match (one, other) {
        (DropReason::Malformed(one), DropReason::Malformed(other)) => {
            discriminant(&one) == discriminant(&other)
        }
        #[cfg(feature = "hmac")]
        (DropReason::Hmac(one), DropReason::Hmac(other)) => discriminant(&one) == discriminant(&other),
        _ => true,
    };
    inner && discriminant(&one) == discriminant(&other)
}
