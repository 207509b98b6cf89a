//! Jobs in lanes: one after the other within a lane, side by side between lanes: pure.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// Jobs that wait in each lane; when there are more, the oldest ones are left out.
pub(super) const WAITING: usize = 16;
/// Jobs that run at the same time.
pub(super) const RUNNING: usize = 64;

#[derive(Debug)]
pub(super) struct Lanes<Key, Job> {
    lanes: HashMap<Key, Lane<Job>>,
    /// Lanes in which a job may start, in the order in which they came to that.
    ready: VecDeque<Key>,
    running: usize,
    /// Nobody waits for anybody any more.
    hurry: bool,
}

#[derive(Debug)]
struct Lane<Job> {
    waiting: VecDeque<Job>,
    running: usize,
    dropped: u64,
}

impl<Key, Job> Default for Lanes<Key, Job> {
    fn default() -> Self {
        Self { lanes: HashMap::new(), ready: VecDeque::new(), running: 0, hurry: false }
    }
}

impl<Key: Clone + Eq + Hash, Job> Lanes<Key, Job> {
    /// Adds a job; returns whether this is the first time since the lane was empty that one had to be left out.
    pub(super) fn push(&mut self, key: Key, job: Job) -> bool {
        let hurry = self.hurry;
        let lane = self.lanes.entry(key.clone()).or_insert_with(|| Lane {
            waiting: VecDeque::new(),
            running: 0,
            dropped: 0,
        });
        let overflows = lane.waiting.len() >= WAITING;
        if overflows {
            lane.waiting.pop_front();
            lane.dropped += 1;
        } else if lane.running == 0 && lane.waiting.is_empty() || hurry {
            self.ready.push_back(key);
        }
        lane.waiting.push_back(job);
        overflows && lane.dropped == 1
    }

    /// The next job that may start. [`done`](Self::done) has to be called when it has ended.
    pub(super) fn next(&mut self) -> Option<(Key, Job)> {
        while self.running < RUNNING || self.hurry {
            let key = self.ready.pop_front()?;
            if let Some(lane) = self.lanes.get_mut(&key)
                && let Some(job) = lane.waiting.pop_front()
            {
                lane.running += 1;
                self.running += 1;
                return Some((key, job));
            }
        }
        None
    }

    /// A job of this lane has ended; returns how many were left out, when the lane is empty now.
    pub(super) fn done(&mut self, key: &Key) -> u64 {
        self.running = self.running.saturating_sub(1);
        let Some(lane) = self.lanes.get_mut(key) else { return 0 };
        lane.running = lane.running.saturating_sub(1);
        if lane.waiting.is_empty() && lane.running == 0 {
            return self.lanes.remove(key).map_or(0, |lane| lane.dropped);
        }
        if !self.hurry && lane.running == 0 {
            self.ready.push_back(key.clone());
        }
        0
    }

    /// From now on every job may start at once.
    pub(super) fn hurry(&mut self) {
        self.hurry = true;
        self.ready.clear();
        for (key, lane) in &self.lanes {
            self.ready.extend(lane.waiting.iter().map(|_| key.clone()));
        }
    }

    /// Whether nothing waits or runs.
    pub(super) fn is_idle(&self) -> bool {
        self.lanes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_in_order_and_lanes_are_side_by_side() {
        let mut lanes = Lanes::default();
        for (key, job) in [("a", 1), ("a", 2), ("b", 3)] {
            lanes.push(key, job);
        }
        assert_eq!(lanes.next(), Some(("a", 1)));
        assert_eq!(lanes.next(), Some(("b", 3)));
        assert_eq!(lanes.next(), None);
        lanes.done(&"b");
        assert_eq!(lanes.next(), None);
        lanes.done(&"a");
        assert_eq!(lanes.next(), Some(("a", 2)));
        lanes.push("a", 4);
        assert_eq!(lanes.next(), None);
        lanes.done(&"a");
        assert_eq!(lanes.next(), Some(("a", 4)));
        assert!(!lanes.is_idle());
        lanes.done(&"a");
        assert!(lanes.is_idle());
    }

    #[test]
    fn only_so_many_run_at_a_time() {
        let mut lanes = Lanes::default();
        (0..2 * RUNNING).for_each(|number| _ = lanes.push(number, ()));
        let started = std::iter::from_fn(|| lanes.next()).count();
        assert_eq!(started, RUNNING);
        lanes.done(&0);
        assert_eq!(lanes.next(), Some((RUNNING, ())));
        assert_eq!(lanes.next(), None);
    }

    #[test]
    fn the_newest_are_kept_and_the_others_are_counted() {
        let mut lanes = Lanes::default();
        lanes.push("a", 0);
        lanes.next();
        let reports: Vec<_> = (1..=WAITING + 3).map(|job| lanes.push("a", job)).collect();
        assert_eq!(reports.iter().filter(|first| **first).count(), 1);
        assert!(reports[WAITING], "with the first that was left out");
        let mut kept = Vec::new();
        loop {
            let dropped = lanes.done(&"a");
            match lanes.next() {
                Some((_, job)) => kept.push(job),
                None => break assert_eq!(dropped, 3),
            }
        }
        assert_eq!(kept, (4..=WAITING + 3).collect::<Vec<_>>());
    }

    #[test]
    fn in_a_hurry_nobody_waits() {
        let mut lanes = Lanes::default();
        for job in 1..=3 {
            lanes.push("a", job);
        }
        lanes.next();
        lanes.hurry();
        assert_eq!([lanes.next(), lanes.next(), lanes.next()], [Some(("a", 2)), Some(("a", 3)), None]);
        lanes.push("a", 4);
        assert_eq!(lanes.next(), Some(("a", 4)));
        (0..4).for_each(|_| _ = lanes.done(&"a"));
        assert!(lanes.is_idle());
    }
}
