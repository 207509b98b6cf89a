//! Routers that become Active together wait for the word of their group.

use super::{Cause, Event, State, VirtualRouter};
use crate::Time;

impl VirtualRouter {
    /// Whether it is held, and nothing but that keeps it from becoming Active; see
    /// [`Input::Hold`](super::Input::Hold).
    pub fn is_ready(&self) -> bool {
        self.ready.is_some()
    }

    pub(super) fn hold(&mut self, held: bool) {
        self.held = held;
        self.ready = None;
    }

    /// Becomes Active, or says that it could if it is held. Then it asks itself again after another down interval.
    pub(super) fn claim(&mut self, now: Time, cause: Cause) {
        if self.is_muted() {
            return self.try_to_send(now, cause);
        }
        if !self.held {
            return self.become_active(now, cause);
        }
        self.pending = cause;
        self.deadline = Some(now + self.down_interval());
        if self.ready.replace(cause) != Some(cause) {
            self.event(Event::Ready(Some(cause)));
        }
    }

    pub(super) fn take_over(&mut self, now: Time) {
        if self.state == State::Backup {
            let cause = if self.is_ready() { self.pending } else { Cause::Requested };
            match self.is_muted() {
                true => self.try_to_send(now, cause),
                false => self.become_active(now, cause),
            }
        }
    }

    /// Another router is to be Active after all.
    pub(super) fn withdraw(&mut self) {
        if self.ready.take().is_some() {
            self.event(Event::Ready(None));
        }
    }
}

#[cfg(test)]
mod tests;
