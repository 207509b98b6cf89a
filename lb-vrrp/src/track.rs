//! Priorities that follow what is watched: interfaces, scripts, processes, files, BFD sessions.
//!
//! What each is found to be is one thing, what follows from it another: this is the second, pure. A [`Tracking`] knows
//! the configured priority of a router and its trackers, and says what priority it is to run with, or that it is to take
//! no part.

mod weight;

use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};
pub use weight::{Weight, WeightOutOfRange};

use crate::Priority;

/// What a tracker was found to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Status {
    /// Nothing is known yet: a script has not returned for the first time.
    #[default]
    Unknown,
    /// It is as it should be.
    Up,
    /// It is not.
    Down,
    /// The number that stands in a tracked file.
    Value(i32),
}

/// What a tracker does to a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// It keeps the router from taking part.
    Fault,
    /// It adds to the priority: -253 to 253.
    Change(i16),
}

/// What all trackers together do to a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Effective {
    /// It runs with this priority.
    Priority(Priority),
    /// It takes no part.
    Fault,
}

/// A tracker with all that is known about it, for those who ask why a priority is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Contribution {
    /// How much it counts.
    pub weight: Weight,
    /// What it was found to be.
    pub status: Status,
    /// What follows.
    pub effect: Effect,
}

/// The trackers of one router, known by names of the caller's choice, and the priority that they make.
///
/// That is the configured priority and the sum of what the trackers add, kept within 1 to 254. It is worked out anew each
/// time, so that no order of changes makes it drift. An owner, priority 255, is not moved by weights. Any single fault is
/// a fault, the owner's too.
///
/// ```
/// use lb_vrrp::{Priority, track::{Effective, Status, Tracking, Weight}};
///
/// let mut tracking = Tracking::new(Priority::new(100)?);
/// tracking.track("uplink", Weight::new(-30)?);
/// tracking.track("disk", Weight::FAULT);
/// assert_eq!(tracking.effective(), Effective::Fault); // nothing is known of the disk yet
///
/// tracking.set(&"disk", Status::Up);
/// assert_eq!(tracking.effective(), Effective::Priority(Priority::new(100)?));
/// tracking.set(&"uplink", Status::Down);
/// assert_eq!(tracking.effective(), Effective::Priority(Priority::new(70)?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracking<Id> {
    base: Priority,
    trackers: BTreeMap<Id, (Weight, Status)>,
}

impl<Id: Ord> Tracking<Id> {
    /// No trackers, and this priority.
    pub fn new(base: Priority) -> Self {
        Self { base, trackers: BTreeMap::new() }
    }

    /// The configured priority.
    pub fn base(&self) -> Priority {
        self.base
    }

    /// Another configured priority from now on.
    pub fn set_base(&mut self, base: Priority) {
        self.base = base;
    }

    /// Adds a tracker, of which nothing is known yet, or gives the one of this name another weight, and leaves what is
    /// known of it.
    pub fn track(&mut self, id: Id, weight: Weight) {
        self.trackers.entry(id).or_default().0 = weight;
    }

    /// Removes a tracker; returns whether there was one.
    pub fn untrack(&mut self, id: &Id) -> bool {
        self.trackers.remove(id).is_some()
    }

    /// Keeps the trackers that are wanted. After a change of the configuration, those that stay keep what is known of
    /// them.
    pub fn retain(&mut self, mut wanted: impl FnMut(&Id) -> bool) {
        self.trackers.retain(|id, _| wanted(id));
    }

    /// Takes down what a tracker was found to be; returns what all come to if that changed, and `None` also when there
    /// is no such tracker.
    pub fn set(&mut self, id: &Id, status: Status) -> Option<Effective> {
        let before = self.effective();
        self.trackers.get_mut(id)?.1 = status;
        let after = self.effective();
        (before != after).then_some(after)
    }

    /// What all trackers come to.
    pub fn effective(&self) -> Effective {
        let mut total = i64::from(self.base.get());
        for (weight, status) in self.trackers.values() {
            match weight.effect(*status) {
                Effect::Fault => return Effective::Fault,
                Effect::Change(change) => total += i64::from(change),
            }
        }
        if self.base.is_owner() {
            return Effective::Priority(self.base);
        }
        let clamped = u8::try_from(total.clamp(1, 254)).ok();
        Effective::Priority(clamped.and_then(|clamped| Priority::new(clamped).ok()).unwrap_or(self.base))
    }

    /// What each tracker contributes, in the order of their names.
    pub fn explain(&self) -> impl Iterator<Item = (&Id, Contribution)> {
        self.trackers.iter().map(|(id, (weight, status))| {
            let effect = weight.effect(*status);
            (id, Contribution { weight: *weight, status: *status, effect })
        })
    }
}

#[cfg(test)]
mod tests;
