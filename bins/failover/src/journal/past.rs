//! What the journal on disk adds to an explanation.

use std::time::Duration;

use lb_control::{
    event::{Event, Subject},
    protocol::{Entry, Explanation, Record},
    story::Story,
};
use lb_core::Time;
use lb_runtime::clock::WallOffset;

/// Within so long before and after a change, what happened to others may have to do with it.
const NEAR: Duration = Duration::from_secs(10);

/// An explanation that is to be completed.
#[derive(Debug)]
pub struct Past {
    /// What memory knows.
    pub explanation: Explanation,
    /// What has to do with the instance.
    pub related: Vec<Subject>,
    /// The time that is asked for; `None` = now.
    pub at: Option<Time>,
    /// The number of this process: of it, memory knows enough for an explanation of now.
    pub run: u64,
}

impl Past {
    /// The same by the wall clock, as the records are.
    pub fn by_wall_clock(mut self, offset: WallOffset) -> Self {
        let Explanation { story, related, .. } = &mut self.explanation;
        *story = std::mem::take(story).by_wall_clock(offset);
        let events = std::mem::take(related).into_iter();
        related.extend(events.map(|event| event.by_wall_clock(offset)));
        self
    }

    /// Whether a record matters.
    pub fn needs(&self, record: &Record) -> bool {
        let is_past = self.at.is_some() || record.position.run < self.run;
        let Entry::Failover(Event { subject, .. }) = &record.entry else { return false };
        is_past && (self.is_own(subject) || self.related.contains(subject))
    }

    fn is_own(&self, subject: &Subject) -> bool {
        matches!(subject, Subject::Instance(name) if **name == *self.explanation.instance.name)
    }

    /// The whole explanation; `records` are all that matter, oldest first.
    pub fn explain(self, records: Vec<Record>) -> Explanation {
        let events = records.into_iter().filter_map(|record| match record.entry {
            Entry::Failover(event) => Some(event),
            _ => None,
        });
        let (own, others): (Vec<Event>, Vec<Event>) = events.partition(|event| self.is_own(&event.subject));
        let Explanation { instance, story, mut related, .. } = self.explanation;
        let story = match self.at {
            Some(at) => {
                related.clear();
                Story::at(own, at)
            }
            None => story.with_past(own),
        };
        if let Some(change) = &story.change {
            let near = |event: &Event| event.at.since(change.at).max(change.at.since(event.at)) <= NEAR;
            related.extend(others.into_iter().filter(near));
            related.sort_by_key(|event| event.at);
            related.dedup();
        }
        Explanation { instance, at: self.at, story, related }
    }
}
