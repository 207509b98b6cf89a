//! The last change of state of one subject, with what led to it and what followed.

use lb_core::Time;
use lb_runtime::clock::WallOffset;
use serde::{Deserialize, Serialize};

use crate::{
    event::{Event, What},
    wording::Known,
};

/// Events that led to a change, and that are kept in case of another one.
const BEFORE: usize = 8;
/// Events after a change: the first ones, since they belong to it.
const AFTER: usize = 8;
/// Changes before the last one.
const EARLIER: usize = 4;

/// How a change of state came about, and what followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// Changes before it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Event>,
    /// What led to it, oldest first.
    pub before: Vec<Event>,
    /// The change; `None` if there was none yet.
    pub change: Option<Event>,
    /// What followed, oldest first.
    pub after: Vec<Event>,
}

impl Story {
    /// The same with what earlier processes have recorded of the subject, oldest first.
    pub fn with_past(self, past: impl IntoIterator<Item = Event>) -> Self {
        let Self { earlier, before, change, after } = self;
        let mut chapter = Chapter::default();
        let known = earlier.into_iter().chain(before).chain(change).chain(after);
        past.into_iter().chain(known).for_each(|event| chapter.add(event));
        chapter.tell()
    }

    /// The story as it was at a time, with what followed; `events` are all that were recorded of the subject, oldest
    /// first.
    pub fn at(events: impl IntoIterator<Item = Event>, at: Time) -> Self {
        let mut chapter = Chapter::default();
        let is_later = |event: &Event| event.at > at && matches!(event.what, What::State { .. });
        events.into_iter().take_while(|event| !is_later(event)).for_each(|event| chapter.add(event));
        chapter.tell()
    }

    /// The same by the wall clock.
    pub fn by_wall_clock(self, offset: WallOffset) -> Self {
        let all = |events: Vec<Event>| events.into_iter().map(|event| event.by_wall_clock(offset)).collect();
        Self {
            earlier: all(self.earlier),
            before: all(self.before),
            change: self.change.map(|event| event.by_wall_clock(offset)),
            after: all(self.after),
        }
    }
}

/// What is kept of one subject: each event once, oldest first. Earlier changes, what led to the last one, that, and what
/// followed: the first events, and the latest ones, since the next change may come of those.
#[derive(Debug, Default)]
pub struct Chapter {
    events: Vec<Event>,
    /// How many earlier changes there are.
    earlier: usize,
    /// Where the last change stands.
    change: Option<usize>,
    /// The priority that an instance runs with.
    priority: Option<u8>,
}

impl Chapter {
    /// Adds an event: the newest one.
    pub fn add(&mut self, event: Event) {
        match event.what {
            What::State { priority, .. } => {
                self.priority = Some(priority);
                return self.turn(event);
            }
            // However many messages are dropped, none changes a state.
            What::Router(lb_vrrp::Event::Dropped { .. }) | What::Untold(_) => return,
            // What somebody was told leads to nothing, so it stands among the first events or nowhere.
            What::Notified { .. } if self.events.len() >= self.followed() + AFTER => return,
            What::Priority { to, .. } => self.priority = Some(to.get()),
            _ => {}
        }
        let first = if self.change.is_some() { AFTER } else { 0 };
        let followed = self.followed();
        if self.events.len() == followed + first + BEFORE {
            self.events.remove(followed + first);
        }
        self.events.push(event);
    }

    /// Another change of state.
    fn turn(&mut self, event: Event) {
        let mut led = self.events.split_off(self.since());
        led.retain(|event| !matches!(event.what, What::Notified { .. }));
        match self.change {
            Some(change) => {
                self.events.truncate(change + 1);
                self.events.drain(self.earlier..change);
                self.earlier += 1;
            }
            None => self.events.clear(),
        }
        if self.earlier > EARLIER {
            self.events.remove(0);
            self.earlier -= 1;
        }
        self.events.extend(led);
        self.change = Some(self.events.len());
        self.events.push(event);
    }

    /// Where that begins which happened since the last change.
    fn followed(&self) -> usize {
        self.change.map_or(0, |change| change + 1)
    }

    /// Where the latest events since then begin.
    fn since(&self) -> usize {
        self.followed().max(self.events.len().saturating_sub(BEFORE))
    }

    /// What the wording of the next event depends on.
    pub fn known(&self) -> Known<'_> {
        Known { since: &self.events[self.since()..], priority: self.priority }
    }

    /// The story so far.
    pub fn tell(&self) -> Story {
        let Some(change) = self.change else { return Story::default() };
        let (led, followed) = self.events.split_at(change);
        Story {
            earlier: led[..self.earlier].to_vec(),
            before: led[self.earlier..].to_vec(),
            change: followed.first().cloned(),
            after: followed.iter().skip(1).take(AFTER).cloned().collect(),
        }
    }
}
