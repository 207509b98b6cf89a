//! Connections of one destination, counted by any number of threads.

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use crate::model::Thresholds;

/// Connections of one destination. Shared with whoever opens and closes them, on any thread.
///
/// Closing more than was opened counts as 0, it never wraps.
#[derive(Debug, Default)]
pub struct Load {
    active: AtomicU32,
    /// Total, overload flag and number of threshold edits in one word: see [`State`]. The flag depends on its own
    /// past, so it has to change in the same step as the total.
    state: AtomicU64,
    upper: AtomicU32,
    lower: AtomicU32,
}

/// [`Load::state`]: 32 bits of total, 1 bit of flag, 31 bits that count edits of the thresholds.
///
/// The edits are counted so that a thread that decided by thresholds that have been replaced meanwhile fails to
/// store its decision and decides again.
#[derive(Clone, Copy)]
struct State(u64);

impl Load {
    /// Connections that are open or opening (the kernel's `ActiveConn`).
    pub fn active(&self) -> u32 {
        self.active.load(Relaxed)
    }

    /// Connections that are kept though they are closing or have no state (`InActConn`).
    pub fn inactive(&self) -> u32 {
        self.total().saturating_sub(self.active())
    }

    /// Active and inactive connections.
    pub fn total(&self) -> u32 {
        State(self.state.load(Relaxed)).total()
    }

    /// Whether the upper threshold was reached and the lower one not yet passed again.
    pub fn is_overloaded(&self) -> bool {
        State(self.state.load(Relaxed)).is_overloaded()
    }

    /// The kernel's measure of load: 256 per active connection, and 1 per connection, active or not.
    pub fn overhead(&self) -> u64 {
        (u64::from(self.active()) << 8) + u64::from(self.total())
    }

    /// Counts a new connection.
    pub fn open(&self, active: bool) {
        if active {
            self.set_active(true);
        }
        self.update(|state| state.with_total(state.total().saturating_add(1)));
    }

    /// Counts the end of a connection that was active, or not.
    pub fn close(&self, active: bool) {
        if active {
            self.set_active(false);
        }
        self.update(|state| state.with_total(state.total().saturating_sub(1)));
    }

    /// An active connection has become inactive (`false`), or the other way round.
    pub fn set_active(&self, active: bool) {
        let step = |count: u32| if active { count.checked_add(1) } else { count.checked_sub(1) };
        // An error is a count that stays at its bound.
        let _ = self.active.fetch_update(Relaxed, Relaxed, step);
    }

    /// Replaces the thresholds.
    pub(super) fn limit(&self, thresholds: Thresholds) {
        self.upper.store(thresholds.upper, Relaxed);
        self.lower.store(thresholds.lower, Relaxed);
        self.update(State::with_edit);
    }

    /// Changes the state and sets its flag by the kernel's rule: on at `upper`; off below `lower`, or below three
    /// quarters of `upper` when `lower` is 0; between the two it stays as it is.
    fn update(&self, change: impl Fn(State) -> State) {
        // Acquire pairs with the release of an edit: whoever sees the edit counted sees its thresholds.
        let _ = self.state.fetch_update(AcqRel, Acquire, |state| {
            let state = change(State(state));
            let (upper, lower) = (self.upper.load(Relaxed), self.lower.load(Relaxed));
            let relief = if lower > 0 { lower } else { upper - upper / 4 };
            let overloaded = match state.total() {
                _ if upper == 0 => false,
                total if total >= upper => true,
                total if total < relief => false,
                _ => state.is_overloaded(),
            };
            Some(state.with_flag(overloaded).0)
        });
    }
}

impl State {
    const TOTAL: u64 = 0xffff_ffff;
    const OVERLOADED: u64 = 1 << 32;
    const EDIT: u64 = 1 << 33;

    const fn total(self) -> u32 {
        (self.0 & Self::TOTAL) as u32
    }

    const fn is_overloaded(self) -> bool {
        self.0 & Self::OVERLOADED != 0
    }

    const fn with_total(self, total: u32) -> Self {
        Self(self.0 & !Self::TOTAL | total as u64)
    }

    const fn with_flag(self, overloaded: bool) -> Self {
        Self(if overloaded { self.0 | Self::OVERLOADED } else { self.0 & !Self::OVERLOADED })
    }

    const fn with_edit(self) -> Self {
        Self(self.0.wrapping_add(Self::EDIT))
    }
}
