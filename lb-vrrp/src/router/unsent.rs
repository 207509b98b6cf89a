//! Advertisements that could not be sent.
//!
//! Others take over from an Active router that they do not hear. One none of whose advertisements leaves this host steps
//! down within the same time, and becomes Active again only when an advertisement has left: until then it tries one where
//! it would become Active otherwise, and installs nothing.

use super::{Cause, Farewell, State, VirtualRouter};
use crate::Time;

/// Since when nothing could be sent, and whether this router has stepped down for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unsent {
    /// When the first advertisement was made of those that failed in a row.
    since: Option<Time>,
    /// Whether an advertisement has to leave before this router becomes Active again.
    muted: bool,
    /// Whether it waits to hear of such an advertisement, and why it would become Active.
    tries: Option<Cause>,
}

impl VirtualRouter {
    /// Whether it left Active since none of its advertisements could be sent, and none has been since.
    pub fn is_muted(&self) -> bool {
        self.anomalies.as_ref().is_some_and(|anomalies| anomalies.unsent.muted)
    }

    /// So many copies of the latest messages were lost on this host; `all` of them, or some.
    pub(super) fn note_unsent(&mut self, now: Time, copies: u32, all: bool) {
        let copies = u64::from(copies);
        self.stats.sent = self.stats.sent.saturating_sub(copies);
        self.stats.unsent += copies;
        if self.resigned {
            self.stats.priority_zero_sent = self.stats.priority_zero_sent.saturating_sub(copies);
        }
        if !all {
            return self.note_sent(now);
        }
        let first = self.last_sent.unwrap_or(now);
        let unsent = &mut self.anomalies().unsent;
        unsent.tries = None;
        let since = *unsent.since.get_or_insert(first);
        let patience = self.config.interval.duration() * u32::from(self.config.options.down_adverts);
        if self.state == State::Active && now.since(since) >= patience {
            self.mute();
            self.step_down(now, Farewell::Silent, Cause::NothingSent);
        }
    }

    /// An advertisement has left after others could not.
    pub(super) fn note_sent(&mut self, now: Time) {
        let Some(anomalies) = &mut self.anomalies else { return };
        let before = core::mem::take(&mut anomalies.unsent);
        if let Some(cause) = before.tries.filter(|_| self.state == State::Backup) {
            self.claim(now, cause);
        }
    }

    /// From now on, an advertisement has to leave before this router becomes Active.
    pub(super) fn mute(&mut self) {
        self.anomalies().unsent.muted = true;
    }

    /// Sends an advertisement, to become Active if it leaves.
    pub(super) fn try_to_send(&mut self, now: Time, cause: Cause) {
        self.anomalies().unsent.tries = Some(cause);
        self.pending = cause;
        self.deadline = Some(now + self.down_interval());
        self.advertise(now, false);
    }

    /// It does not become Active, even if an advertisement has left.
    pub(super) fn try_no_more(&mut self) {
        if let Some(anomalies) = &mut self.anomalies {
            anomalies.unsent.tries = None;
        }
    }
}
