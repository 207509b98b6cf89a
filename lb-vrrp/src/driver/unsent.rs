//! What becomes of messages that could not be sent.

use std::{io, sync::Arc};

use super::{
    members::Member,
    notice::Happening,
    platform::Platform,
    run::{Driver, TELL_AGAIN},
};
use crate::{Input, Time};

/// How many messages of an instance wait to be sent, or were sent last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Queued {
    /// Which flush they belong to.
    flush: u32,
    count: u32,
}

/// An instance whose messages could not be sent.
#[derive(Debug)]
pub(super) struct Failing {
    /// Why the latest one could not be.
    error: Arc<str>,
    /// How many of this flush were lost.
    lost: u32,
    /// When it was told.
    told: Option<Time>,
    /// Whether messages leave again. It is kept until it may be told again.
    over: bool,
}

impl Failing {
    /// Why nothing can be sent.
    pub(super) fn error(&self) -> Option<&Arc<str>> {
        (!self.over).then_some(&self.error)
    }
}

impl Member {
    /// One more message waits for this flush.
    pub(super) fn count_queued(&mut self, flush: u32) {
        if self.queued.flush != flush {
            self.queued = Queued { flush, count: 0 };
        }
        self.queued.count += 1;
    }
}

impl<P: Platform> Driver<P> {
    /// Sends what is queued, and tells the routers what could not be sent; returns whether any was told.
    pub(super) fn flush(&mut self) -> bool {
        let Self { platform, unsent, .. } = self;
        platform.flush(&mut |sender, error| unsent.push((sender, error)));
        let flush = self.flushes;
        self.flushes = flush.wrapping_add(1);
        if self.unsent.is_empty() && self.failing.is_empty() {
            return false;
        }
        for (id, error) in std::mem::take(&mut self.unsent) {
            self.note_unsent(id, &error);
        }
        let ids: Vec<usize> = self.failing.keys().copied().collect();
        ids.into_iter().fold(false, |told, id| self.note_sending(id, flush) | told)
    }

    fn note_unsent(&mut self, id: usize, error: &io::Error) {
        let error: Arc<str> = error.to_string().into();
        let now = self.platform.now();
        let Some(member) = self.members.get(id) else { return };
        let new = Failing { error: error.clone(), lost: 0, told: None, over: false };
        let failing = self.failing.entry(id).or_insert(new);
        failing.lost += 1;
        failing.over = false;
        failing.error = error.clone();
        if failing.told.is_none_or(|told| now.since(told) >= TELL_AGAIN) {
            failing.told = Some(now);
            let happening = Happening::Failed { what: "sending advertisements", error };
            self.teller.tell(now, &member.name, happening);
        }
    }

    /// Tells a router how its messages of this flush fared, if it sent any; returns whether it was told.
    fn note_sending(&mut self, id: usize, flush: u32) -> bool {
        let now = self.platform.now();
        let Some(failing) = self.failing.get_mut(&id) else { return false };
        let lost = std::mem::take(&mut failing.lost);
        let was_over = failing.over;
        let Some(member) = self.members.get(id) else {
            self.failing.remove(&id);
            return false;
        };
        if member.queued.flush != flush {
            return false;
        }
        let all = lost == member.queued.count;
        failing.over = !all;
        if !all && failing.told.is_none_or(|told| now.since(told) >= TELL_AGAIN) {
            self.failing.remove(&id);
        }
        // Who is to stay Active without its link can not send by it either.
        let counts = member.instance.heeds_link
            || self.platform.link(&member.instance.interface).is_some_and(|link| link.up);
        match lost {
            0 if was_over => false,
            0 => self.input(id, Input::Sent),
            copies => self.input(id, Input::Unsent { copies, all: all && counts }),
        }
    }
}
