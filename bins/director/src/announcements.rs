//! What was decided, and is told only when the data plane has it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use lb_core::{
    Event,
    event::{Subject, What},
};

/// Events that are not told yet.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    /// Since the last sync.
    new: Vec<Event>,
    /// The latest of each subject that the data plane has refused.
    refused: BTreeMap<Subject, Event>,
}

impl Announcements {
    /// Keeps events until the next sync.
    pub(super) fn extend(&mut self, events: Vec<Event>) {
        self.new.extend(events);
    }

    /// After a sync: the events that may be told, in order. What the data plane refuses is kept until it takes it; something
    /// that it never had needs no word when it goes.
    pub(super) fn take(&mut self, refuses: impl Fn(&Subject) -> bool) -> Vec<Event> {
        let (mut earlier, new) = (std::mem::take(&mut self.refused), std::mem::take(&mut self.new));
        let mut never_held: BTreeSet<Subject> = BTreeSet::new();
        for event in &new {
            if earlier.remove(&event.subject).is_some() {
                never_held.insert(event.subject);
            }
        }
        let mut told = Vec::new();
        for event in earlier.into_values().chain(new) {
            match event.what {
                What::ServiceAdded | What::ServiceChanged | What::Server { after: Some(_), .. }
                    if refuses(&event.subject) =>
                {
                    self.refused.insert(event.subject, event);
                }
                What::ServiceRemoved | What::Server { after: None, .. }
                    if never_held.contains(&event.subject) => {}
                _ => told.push(event),
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use lb_core::{Time, event::Cause, model::Weight};

    use super::*;

    fn event(subject: Subject, what: What) -> Event {
        Event { at: Time::ZERO, subject, what, cause: Cause::Quorum }
    }

    fn server(before: Option<u16>, after: Option<u16>) -> What {
        What::Server { state: None, before: before.map(Weight::new), after: after.map(Weight::new) }
    }

    #[test]
    fn what_is_refused_is_told_later_or_never() {
        let service = Subject::Service("tcp:10.0.0.1:80".parse().unwrap());
        let one = Subject::Server("tcp:10.0.0.1:80".parse().unwrap(), "10.0.1.1:80".parse().unwrap());
        let two = Subject::Server("tcp:10.0.0.2:80".parse().unwrap(), "10.0.1.1:80".parse().unwrap());
        let first = [
            event(service, What::ServiceAdded),
            event(one, server(None, Some(3))),
            event(two, server(None, Some(3))),
        ];
        let mut announcements = Announcements::default();
        announcements.extend(first.to_vec());
        assert_eq!(announcements.take(|subject| *subject != two), first[2..]);
        // It goes before the data plane has taken it.
        announcements.extend(vec![event(one, server(Some(3), None)), event(two, server(Some(3), None))]);
        assert_eq!(announcements.take(|subject| *subject == service), [event(two, server(Some(3), None))]);
        assert_eq!(announcements.take(|_| false), first[..1]);
        assert_eq!(announcements.take(|_| false), []);

        announcements.extend(vec![event(one, server(Some(3), Some(5)))]);
        assert_eq!(announcements.take(|_| true), []);
        let latest = event(one, server(Some(5), Some(7)));
        announcements.extend(vec![latest.clone()]);
        assert_eq!(announcements.take(|_| false), [latest], "the latest of several");
    }
}
