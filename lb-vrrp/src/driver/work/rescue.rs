use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use tokio::time::Instant;

/// So often within [`WINDOW`] an address is put back at once.
const AT_ONCE: u32 = 10;
/// What is longer ago does not count.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// From then on it is put back this long after the last time.
const PAUSE: Duration = Duration::from_secs(1);

/// Addresses of an instance that somebody else removed, and that are put back.
#[derive(Debug, Default)]
pub(super) struct Rescue {
    pub(super) relapses: Relapses,
    /// Those that are put back later, and when the first of them is.
    pub(super) held: BTreeSet<(u32, IpAddr)>,
    pub(super) release: Option<Instant>,
    /// What was put back in this batch.
    pub(super) done: Option<Rescued>,
}

/// What was put back in a batch.
#[derive(Debug)]
pub(super) struct Rescued {
    /// The first address, its interface, and how often it was.
    pub(super) address: IpAddr,
    pub(super) interface: u32,
    pub(super) times: u32,
    /// How many others.
    pub(super) more: usize,
}

impl Rescue {
    /// This one is put back then.
    pub(super) fn hold(&mut self, entry: (u32, IpAddr), until: Instant) {
        self.release = Some(self.release.map_or(until, |release| release.min(until)));
        self.held.insert(entry);
    }

    /// Those that were held, when it is time.
    pub(super) fn release(&mut self, now: Instant) -> Option<BTreeSet<(u32, IpAddr)>> {
        self.release.take_if(|release| *release <= now)?;
        Some(std::mem::take(&mut self.held))
    }

    /// This one was put back.
    pub(super) fn count(&mut self, address: IpAddr, interface: u32, now: Instant) {
        let times = self.relapses.count(address, now);
        match &mut self.done {
            Some(done) => done.more += 1,
            none => *none = Some(Rescued { address, interface, times, more: 0 }),
        }
    }
}

/// How often addresses of an instance were put back lately: two programs that undo each other's work at full speed would
/// flood the machine and its link.
#[derive(Debug, Default)]
pub(super) struct Relapses(BTreeMap<IpAddr, Relapse>);

#[derive(Debug)]
struct Relapse {
    /// Since when it counts, and the last time.
    since: Instant,
    last: Instant,
    times: u32,
}

impl Relapses {
    /// When this address may be put back: now, or later.
    pub(super) fn may(&self, address: IpAddr, now: Instant) -> Instant {
        match self.0.get(&address) {
            Some(relapse) if relapse.times >= AT_ONCE && relapse.goes_on(now) => {
                now.max(relapse.last + PAUSE)
            }
            _ => now,
        }
    }

    /// It was put back. Tells how often within the window, or since it goes on without an end.
    pub(super) fn count(&mut self, address: IpAddr, now: Instant) -> u32 {
        self.0.retain(|_, relapse| relapse.goes_on(now));
        let relapse = self.0.entry(address).or_insert(Relapse { since: now, last: now, times: 0 });
        relapse.last = now;
        relapse.times += 1;
        relapse.times
    }
}

impl Relapse {
    /// Few are forgotten when the window is over; many, once it is quiet for as long.
    fn goes_on(&self, now: Instant) -> bool {
        let begun = if self.times >= AT_ONCE { self.last } else { self.since };
        now.saturating_duration_since(begun) < WINDOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_times_at_once_then_once_a_second_until_it_is_quiet() {
        let (one, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let mut relapses = Relapses::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for times in 1..=13 {
            let at = relapses.may(one, now);
            waits.push((at - now).as_millis());
            now = at;
            assert_eq!(relapses.count(one, now), times);
            now += Duration::from_millis(100);
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 900, 900, 900]);
        assert_eq!(relapses.may(other, now), now, "the other one has done nothing");
        now += WINDOW;
        assert_eq!(relapses.may(one, now), now);
        assert_eq!(relapses.count(one, now), 1);
    }

    #[test]
    fn now_and_then_is_never_too_often() {
        let address: IpAddr = [192, 0, 2, 1].into();
        let mut relapses = Relapses::default();
        let mut now = Instant::now();
        for _ in 0..100 {
            assert_eq!(relapses.may(address, now), now);
            relapses.count(address, now);
            now += WINDOW / 5;
        }
        relapses.count([192, 0, 2, 2].into(), now + WINDOW);
        assert_eq!(relapses.0.len(), 1, "what is over is forgotten");
    }
}
