//! What `lblc` and `lblcr` remember of each virtual address, and for how long.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use super::{
    Destination, Pool,
    hash::{fold, hash_32},
};
use crate::Time;

/// Buckets that the kernel spreads addresses over. Here they only say in which order it forgets.
const BUCKETS: u32 = 1024;
/// Above this size addresses are forgotten early.
const TARGET: usize = 16 * BUCKETS as usize;
/// At this size no more addresses are remembered until some are forgotten. The kernel has no such bound.
const MOST: usize = TARGET + TARGET / 2;

/// How often the kernel looks for addresses to forget.
const CHECK: Duration = Duration::from_secs(60);
/// Which of these checks goes over the whole table.
const FULL_CHECK: u32 = 30;
/// After so long without use any address is forgotten, and a set of replicas loses its most loaded one: the
/// default of the kernel's `lblc_expiration` and `lblcr_expiration`.
pub(super) const EXPIRATION: Duration = Duration::from_hours(24);
/// After so long without use an address may be forgotten when there are too many.
const IDLE: Duration = Duration::from_mins(6);

/// A memory by virtual address, as large and as lasting as the kernel's.
#[derive(Debug)]
pub(super) struct Cache<V> {
    /// By bucket first. A tree, for the worst that addresses can be chosen to do to it is a logarithm.
    entries: BTreeMap<(u32, IpAddr), Entry<V>>,
    /// When the next check is due; `None` before the first use.
    next_check: Option<Time>,
    /// Counts the checks; at [`FULL_CHECK`] a full one is due.
    checks: u32,
    /// The bucket that was checked last.
    rover: u32,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    used: Time,
}

impl<V> Default for Cache<V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), next_check: None, checks: 1, rover: 0 }
    }
}

impl<V> Cache<V> {
    /// What is remembered of this address. The address counts as used.
    pub(super) fn recall(&mut self, address: IpAddr, now: Time) -> Option<&mut V> {
        self.catch_up(now);
        let entry = self.entries.get_mut(&(bucket(address), address))?;
        entry.used = now;
        Some(&mut entry.value)
    }

    /// Remembers, unless there are too many.
    pub(super) fn remember(&mut self, address: IpAddr, value: V, now: Time) {
        let key = (bucket(address), address);
        if self.entries.len() < MOST || self.entries.contains_key(&key) {
            self.entries.insert(key, Entry { value, used: now });
        }
    }

    /// Makes the checks that have become due since the last use, each as of its own time.
    fn catch_up(&mut self, now: Time) {
        let mut due = self.next_check.unwrap_or(now + CHECK);
        // Nothing outlasts a full check after the expiration; and it bounds the work after a long silence.
        if now.since(due) > EXPIRATION + CHECK * 2 * FULL_CHECK {
            (self.entries, self.checks) = (BTreeMap::new(), 1);
            due = now + CHECK;
        }
        let checks = if due <= now { now.since(due).as_secs() / CHECK.as_secs() + 1 } else { 0 };
        for _ in 0..checks {
            self.check(due);
            due = due + CHECK;
        }
        self.next_check = Some(due);
    }

    fn check(&mut self, now: Time) {
        let idle = |entry: &Entry<V>, limit| now.since(entry.used) >= limit;
        if self.checks.is_multiple_of(FULL_CHECK) {
            self.entries.retain(|_, entry| !idle(entry, EXPIRATION));
            self.checks = 1;
            return;
        }
        let Some(excess) = self.entries.len().checked_sub(TARGET + 1) else {
            self.checks += 1;
            return;
        };
        // A third more than it has to be, and whole buckets, round robin.
        let mut goal = ((excess + 1) * 4 / 3).min(TARGET / 2);
        for _ in 0..BUCKETS {
            self.rover = (self.rover + 1) % BUCKETS;
            let bucket = (self.rover, LOWEST)..(self.rover + 1, LOWEST);
            goal = goal.saturating_sub(self.entries.extract_if(bucket, |_, entry| idle(entry, IDLE)).count());
            if goal == 0 {
                break;
            }
        }
    }
}

/// The address that is ordered before all others.
const LOWEST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

fn bucket(address: IpAddr) -> u32 {
    hash_32(fold(address), BUCKETS.ilog2())
}

/// Whether a destination has more active connections than its weight while another has not even half.
/// Thresholds play no part in it, as in the kernel.
pub(super) fn is_overrun(destination: &Destination, pool: &Pool) -> bool {
    let active = |destination: &Destination| u64::from(destination.load().active());
    active(destination) > destination.weight().into()
        && pool.destinations().iter().any(|other| active(other) * 2 < other.weight().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(n.wrapping_mul(0x9e37_79b9)).into()
    }

    fn minutes(minutes: u64) -> Time {
        Time::from_secs(minutes * 60)
    }

    #[test]
    fn size_is_bounded_and_the_known_are_kept() {
        let mut cache = Cache::default();
        for n in 0..2 * MOST as u32 {
            cache.remember(address(n), n, minutes(0));
        }
        assert_eq!(cache.entries.len(), MOST);
        cache.remember(address(1), 7, minutes(0));
        assert_eq!(cache.recall(address(1), minutes(0)), Some(&mut 7), "the known may change");
        assert_eq!(cache.recall(address(MOST as u32), minutes(0)), None);
    }

    #[test]
    fn too_many_lose_the_idle_ones_a_few_at_a_time() {
        let mut cache = Cache::default();
        cache.recall(address(0), minutes(0));
        (0..MOST as u32).for_each(|n| cache.remember(address(n), n, minutes(0)));
        cache.recall(address(0), minutes(5));
        assert_eq!(cache.entries.len(), MOST, "none has been idle for six minutes");
        cache.recall(address(0), minutes(6));
        let kept = cache.entries.len();
        assert!(kept <= TARGET && kept > TARGET - MOST / 4, "{kept}");
        assert!(cache.recall(address(0), minutes(7)).is_some(), "it was used a minute ago");
        assert_eq!(cache.entries.len(), kept, "no longer too many");
    }

    #[test]
    fn a_day_without_use_is_forgotten_at_the_next_full_check() {
        let mut cache = Cache::default();
        let day = 24 * 60;
        cache.recall(address(1), minutes(0));
        cache.remember(address(1), 1, minutes(1));
        cache.remember(address(2), 2, minutes(1));
        assert!(cache.recall(address(1), minutes(day + 29)).is_some());
        // The full check at a day and half an hour.
        assert!(cache.recall(address(2), minutes(day + 30)).is_none());
        assert!(cache.recall(address(1), minutes(day + 30)).is_some());
    }

    #[test]
    fn no_time_is_too_long_or_too_early() {
        let mut cache = Cache::default();
        cache.recall(address(1), minutes(5));
        cache.remember(address(1), 1, minutes(5));
        assert!(cache.recall(address(1), Time::ZERO).is_some());
        assert!(cache.recall(address(1), Time::MAX).is_none(), "all of it has expired");
        cache.remember(address(1), 1, Time::MAX);
        assert!(cache.recall(address(1), Time::MAX).is_some());
        assert!(cache.recall(address(1), minutes(1)).is_some());
    }
}
