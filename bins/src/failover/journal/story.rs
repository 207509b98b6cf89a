//! The last change of state of one subject, with what led to it and what followed.

use serde::{Deserialize, Serialize};

use crate::failover::{
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

/// What is kept of one subject.
#[derive(Debug, Default)]
pub(super) struct Chapter {
    story: Story,
    /// What happened since the change: the next change may come of it.
    since: Vec<Event>,
    /// The priority that an instance runs with.
    priority: Option<u8>,
}

impl Chapter {
    pub(super) fn add(&mut self, event: Event) {
        match event.what {
            What::State { priority, .. } => self.priority = Some(priority),
            What::Priority { to, .. } => self.priority = Some(to.get()),
            _ => {}
        }
        if let What::State { .. } = event.what {
            if let Some(change) = self.story.change.replace(event) {
                if self.story.earlier.len() == EARLIER {
                    self.story.earlier.remove(0);
                }
                self.story.earlier.push(change);
            }
            self.story.before = std::mem::take(&mut self.since);
            self.story.after.clear();
            return;
        }
        // However many messages are dropped, none changes a state.
        if matches!(event.what, What::Router(lb_vrrp::Event::Dropped { .. }) | What::Untold(_)) {
            return;
        }
        if self.story.change.is_some() && self.story.after.len() < AFTER {
            self.story.after.push(event.clone());
        }
        if self.since.len() == BEFORE {
            self.since.remove(0);
        }
        self.since.push(event);
    }

    pub(super) fn known(&self) -> Known<'_> {
        Known { since: &self.since, priority: self.priority }
    }

    pub(super) fn tell(&self) -> Story {
        self.story.clone()
    }
}
