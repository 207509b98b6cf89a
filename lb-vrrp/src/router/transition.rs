//! State changes and what they do, in order.

use core::{net::IpAddr, time::Duration};

use super::{Action, AnnounceReason, Cause, Event, Farewell, State, VirtualRouter};
use crate::{Priority, Time};

/// Answers to lower priorities are at least so far apart, so that a loop in the network makes no storm.
const REASSERT_SPACING: Duration = Duration::from_millis(10);
/// So many times Active within so many down intervals is worth a word.
const UNSTABLE: (u8, u32) = (3, 10);

impl VirtualRouter {
    /// RFC 9568 §6.4.1.
    pub(super) fn start(&mut self, now: Time) {
        if self.state != State::Initialize {
            return;
        }
        self.interval = self.config.interval;
        self.forget_active();
        if self.priority.is_owner() && !self.held && !self.is_muted() {
            return self.become_active(now, Cause::Owner);
        }
        self.deadline = Some(now + self.down_interval());
        if self.lingers() {
            self.find(now);
        } else {
            // What a predecessor may have left behind when it was killed.
            self.remove();
        }
        self.change_state(now, State::Backup, Cause::Startup);
        if self.priority.is_owner() {
            self.claim(now, Cause::Owner);
        }
    }

    pub(super) fn shut_down(&mut self, now: Time, farewell: Farewell) {
        if self.lingers() && farewell != Farewell::Linger {
            self.remove();
        }
        if self.state == State::Initialize {
            return;
        }
        if self.state == State::Active {
            self.part(now, farewell);
        }
        self.deadline = None;
        self.forget_active();
        self.change_state(now, State::Initialize, Cause::Shutdown);
    }

    /// RFC 9568 §6.4.2: advertise, then announce the addresses.
    pub(super) fn become_active(&mut self, now: Time, cause: Cause) {
        self.advertise(now, false);
        self.lingers = None;
        self.queue.push_back(Action::Install);
        self.announce(now, AnnounceReason::BecameActive);
        self.deadline = Some(now + self.config.interval.duration());
        self.forget_active();
        self.pending = cause;
        self.stats.count_active(cause);
        self.change_state(now, State::Active, cause);
        self.note_stability(now);
    }

    /// Leaves Active to another router, which was heard at this time; the caller has learned its interval.
    pub(super) fn become_backup(&mut self, now: Time, heard: Time, cause: Cause) {
        self.part(now, Farewell::Silent);
        self.deadline = Some(heard + self.down_interval());
        self.change_state(now, State::Backup, cause);
    }

    /// Leaves Active without another router in sight.
    pub(super) fn step_down(&mut self, now: Time, farewell: Farewell, cause: Cause) {
        self.part(now, farewell);
        self.interval = self.config.interval;
        self.forget_active();
        self.deadline = Some(now + self.down_interval());
        self.change_state(now, State::Backup, cause);
    }

    pub(super) fn time_out(&mut self, now: Time, deadline: Time) {
        let late = now.since(deadline);
        match self.state {
            State::Initialize => self.deadline = None,
            State::Backup if late > self.down_interval() => {
                // The machine slept: what others sent meanwhile may be lost, so that silence proves nothing.
                self.note_late(late);
                self.pending = Cause::Silence;
                self.deadline = Some(now + self.down_interval());
                self.withdraw();
            }
            State::Backup => self.claim(now, self.pending),
            State::Active => {
                let interval = self.config.interval.duration();
                let stalled = self.is_stalled(now);
                if stalled {
                    self.note_late(late);
                    if self.steps_down_when_late() {
                        return self.step_down(now, Farewell::Silent, Cause::Stalled);
                    }
                }
                if self.handing_over {
                    return self.keep_active(now);
                }
                self.advertise(now, false);
                if stalled {
                    // Who took over meanwhile announced itself to the link, and may be gone before it is heard.
                    self.announce(now, AnnounceReason::Restored);
                }
                // A late advertisement does not move the ones after it, so that the rate holds.
                let next = deadline + interval;
                self.deadline = Some(if next > now { next } else { now + interval });
            }
        }
    }

    /// An Active router that is to step down after a stall does so before anything else: what waited in the socket
    /// buffer is read before the timer is looked at, and an answer to it would set the timer.
    pub(super) fn notice_stall(&mut self, now: Time) -> bool {
        let stalled = self.state == State::Active && self.steps_down_when_late() && self.is_stalled(now);
        if stalled {
            self.handle_timeout(now);
        }
        stalled
    }

    fn steps_down_when_late(&self) -> bool {
        self.config.options.step_down_when_late && !self.priority.is_owner()
    }

    /// Whether this Active router has not advertised for so long that others may have taken over.
    fn is_stalled(&self, now: Time) -> bool {
        let silence = self.config.interval.duration() * u32::from(self.config.options.down_adverts);
        // While it hands over it is silent on purpose, up to the deadline.
        let spoke = if self.handing_over { self.deadline } else { self.last_sent };
        spoke.is_some_and(|spoke| now.since(spoke) > silence)
    }

    pub(super) fn set_priority(&mut self, now: Time, priority: Priority) {
        let from = core::mem::replace(&mut self.priority, priority);
        if from == priority {
            return;
        }
        let state = self.state;
        match state {
            State::Initialize => {}
            // A stall is noticed first, and its down interval is that of the new priority.
            State::Active if self.notice_stall(now) => {}
            State::Backup if priority.is_owner() => self.claim(now, Cause::Owner),
            State::Backup => {
                // Whatever a Backup waits for, it waits for the skew time at the end.
                let (before, after) = (self.skew_time_at(from), self.skew_time_at(priority));
                self.deadline = self.deadline.map(|deadline| match before > after {
                    true => deadline.earlier(before - after),
                    false => deadline + (after - before),
                });
                self.reconsider_preemption();
            }
            State::Active if self.handing_over => {}
            State::Active => {
                self.advertise(now, false);
                self.deadline = Some(now + self.config.interval.duration());
            }
        }
        self.event(Event::Priority { from, to: priority });
    }

    pub(super) fn peer_down(&mut self, now: Time, peer: IpAddr) {
        if self.state == State::Backup && self.active.is_some_and(|active| active.source == peer) {
            self.deadline = self.deadline.min(Some(now + self.skew_time()));
            self.pending = Cause::PeerDown(peer);
        }
    }

    /// RFC 9568 §6.4.3: an Active router that hears a resignation or a lower priority advertises at once. What was
    /// received before the last advertisement is answered by it.
    pub(super) fn reassert(&mut self, now: Time, received: Time) {
        let answered = |sent: Time| sent >= received || now.since(sent) < REASSERT_SPACING;
        if self.last_sent.is_some_and(answered) {
            self.stats.coalesced += 1;
        } else {
            self.advertise(now, false);
            self.deadline = Some(now + self.config.interval.duration());
        }
    }

    pub(super) fn advertise(&mut self, now: Time, resign: bool) {
        for message in 0..self.messages.len() {
            self.queue.push_back(Action::Send { message, resign });
        }
        self.last_sent = Some(now);
        self.resigned = resign;
    }

    pub(super) fn announce(&mut self, now: Time, reason: AnnounceReason) {
        self.queue.push_back(Action::Announce(reason));
        self.last_announced = Some(now);
    }

    pub(super) fn change_state(&mut self, now: Time, to: State, cause: Cause) {
        self.keep_basis(now);
        self.handing_over = false;
        let from = core::mem::replace(&mut self.state, to);
        self.ready = None;
        if let Some(anomalies) = &mut self.anomalies {
            anomalies.rival = None;
        }
        self.try_no_more();
        self.event(Event::State { from, to, cause });
    }

    fn forget_active(&mut self) {
        self.active = None;
        self.lower_since = None;
        self.pending = Cause::Silence;
        self.told.forget_actives();
    }

    fn note_late(&mut self, by: Duration) {
        self.stats.late += 1;
        self.event(Event::Late { by });
    }

    fn note_stability(&mut self, now: Time) {
        let (limit, intervals) = UNSTABLE;
        let window = self.down_interval() * intervals;
        match self.stability.window {
            Some(since) if now.since(since) <= window => {
                self.stability.times = self.stability.times.saturating_add(1)
            }
            _ => {
                self.stability.window = Some(now);
                self.stability.times = 1;
            }
        }
        if self.stability.times >= limit {
            self.event(Event::Unstable { times: self.stability.times });
            self.stability.window = None;
        }
    }
}
