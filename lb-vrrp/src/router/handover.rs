//! A planned switch: an Active router that leaves only when another one has taken over.

use core::time::Duration;

use super::{AnnounceReason, Cause, Event, Farewell, State, VirtualRouter};
use crate::Time;

impl VirtualRouter {
    /// Whether it was told to hand over, has resigned, and waits for a successor: it is Active and advertises nothing.
    pub fn is_handing_over(&self) -> bool {
        self.handing_over
    }

    /// Resigns, and waits for a successor for at least `patience`.
    pub(super) fn hand_over(&mut self, now: Time, patience: Duration) {
        // A stall is noticed first: others may have taken over already.
        if self.state != State::Active || self.handing_over || self.notice_stall(now) {
            return;
        }
        if !self.may_linger() {
            return self.step_down(now, Farewell::Resign, Cause::Requested);
        }
        self.advertise(now, true);
        self.handing_over = true;
        self.deadline = Some(now + self.linger_time().max(patience));
    }

    /// Nobody took over: this router goes on as Active.
    pub(super) fn keep_active(&mut self, now: Time) {
        self.handing_over = false;
        self.advertise(now, false);
        // A router that took over and died before it was heard may have announced itself to the link.
        self.announce(now, AnnounceReason::Restored);
        self.deadline = Some(now + self.config.interval.duration());
        self.event(Event::NoSuccessor);
    }

    /// Whether an advertisement that was received at this time is one of a successor: it is not from before the resignation.
    pub(super) fn is_from_successor(&self, received: Time) -> bool {
        self.handing_over && self.last_sent.is_none_or(|sent| received >= sent)
    }
}
