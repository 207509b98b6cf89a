//! What a change of state was based on, for those who have to explain it.

use core::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{DroppedAdverts, State, VirtualRouter};
use crate::{Interval, Priority, Time, VersionMode};

/// What was known when the state changed the last time: [`VirtualRouter::basis`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// When it changed.
    pub at: Time,
    /// The latest advertisement of another router that was accepted until then, resignations aside.
    pub heard: Option<Heard>,
    /// Of what was dropped within the down interval before, what there was most of.
    #[serde(default)]
    pub dropped: Option<DroppedAdverts>,
    /// When the timer was due, if it was a timer that changed the state: it was late by `at` minus this.
    pub due: Option<Time>,
    /// How many intervals without an advertisement make an Active router count as down.
    pub adverts: u8,
    /// The interval that this router waited by: that of the Active router, if it was heard, else its own.
    pub interval: Interval,
    /// The skew time of this router at that interval.
    pub skew: Duration,
}

/// An advertisement of another router that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Heard {
    /// When it was received.
    pub at: Time,
    /// Who sent it.
    pub source: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// Its interval.
    pub interval: Interval,
}

impl Basis {
    /// `Active_Down_Interval`: `adverts` x `interval` + `skew`. How long a Backup waits after an advertisement; after a
    /// resignation it waits for `skew` alone.
    pub fn down_interval(&self) -> Duration {
        self.interval.duration() * u32::from(self.adverts) + self.skew
    }

    /// By how much the timer was late; `None` if it was no timer.
    pub fn late(&self) -> Option<Duration> {
        self.due.map(|due| self.at.since(due))
    }
}

/// What is kept of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) at: Time,
    heard: Option<Heard>,
    due: Option<Time>,
    interval: Interval,
    priority: Priority,
}

impl VirtualRouter {
    /// What the latest change of state was based on; `None` before the first one. An address that is heard later, or a
    /// configuration that changes, makes no difference.
    pub fn basis(&self) -> Option<Basis> {
        let Kept { at, heard, due, interval, priority } = self.basis?;
        let dropped = self.anomalies.as_ref().and_then(|anomalies| anomalies.basis);
        let skewed = if self.config.version == VersionMode::V2 { Interval::DEFAULT } else { interval };
        let adverts = self.config.options.down_adverts;
        Some(Basis { at, heard, dropped, due, adverts, interval, skew: skewed.skew_time(priority) })
    }

    /// The latest advertisement of another router that was accepted, resignations aside.
    pub fn heard(&self) -> Option<Heard> {
        self.heard
    }

    /// Takes down what led to a change of state.
    pub(super) fn keep_basis(&mut self, at: Time) {
        let Self { heard, interval, priority, .. } = *self;
        let dropped = self.mostly_dropped(at);
        if let Some(anomalies) = &mut self.anomalies {
            anomalies.basis = dropped;
        }
        self.basis = Some(Kept { at, heard, due: None, interval, priority });
    }

    /// A timer that was due then has done something, which may have been a change from this state.
    pub(super) fn note_due(&mut self, from: State, due: Time) {
        if let Some(basis) = self.basis.as_mut().filter(|_| self.state != from) {
            basis.due = Some(due);
        }
    }
}
