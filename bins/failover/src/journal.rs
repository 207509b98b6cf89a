//! What has happened: the newest events of all, and for each subject the whole story of its last change of state, which
//! no noise of others pushes out. Each event is written to the log as well.

mod limit;
mod past;

use std::collections::HashMap;

pub use self::past::Past;
pub use lb_control::story::Story;
use lb_control::{
    event::{Event, Subject, What},
    history::History,
    protocol::Entry,
    story::Chapter,
    wording,
};
use lb_core::Time;
use lb_runtime::log::Log;

use self::limit::{Limits, is_noise};

/// Keeps events, and writes them to the log. `now` is the time of the event, so that nothing here reads a clock.
#[derive(Debug)]
pub struct Journal {
    log: Log,
    /// `-D`: details are written too.
    detail: bool,
    history: History,
    chapters: HashMap<Subject, Chapter>,
    limits: Limits,
    disk_limits: Limits,
}

impl Journal {
    /// Lines go to `log`, those that keepalived writes with `-D` only if `detail` is set; all events go to `history`.
    pub fn new(log: Log, detail: bool, history: History) -> Self {
        let (limits, disk_limits) = (Limits::default(), Limits::of_disk());
        Self { log, detail, history, chapters: HashMap::new(), limits, disk_limits }
    }

    /// Writes an event down.
    ///
    /// What a peer, a script or a link can cause again and again is written to the log once a second for each kind and
    /// subject, with the number of those that were left out; changes of state, ten times a second.
    pub fn record(&mut self, event: Event) {
        if is_usual(&event.what) {
            return;
        }
        let now = event.at;
        let chapter = self.chapters.entry(event.subject.clone()).or_default();
        let logged = self.limits.take(now, &event);
        let lasting = match is_noise(&event.what) {
            true => self.disk_limits.take(now, &event).is_some(),
            false => logged.is_some(),
        };
        if let Some(left_out) = logged {
            for mut line in wording::lines(&event, chapter.known(), self.detail) {
                if left_out > 0 {
                    line += &wording::left_out(left_out);
                }
                self.log.line(&line);
            }
        }
        chapter.add(event.clone());
        self.history.add(Entry::Failover(event), lasting);
    }

    /// Keeps an event of a virtual server, whose log line was written already.
    pub fn keep_service(&mut self, event: lb_core::Event) {
        self.history.add(Entry::Balance(event), true);
    }

    /// Says how many lines were left out of which nothing more is heard. To be called every second or so.
    pub fn tick(&mut self, now: Time) {
        // The log says how many there were.
        self.disk_limits.expire(now);
        for (subject, count) in self.limits.expire(now) {
            self.log.line(&wording::left_out_of(&subject, count));
        }
    }

    /// All events.
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// How the last change of state of an instance or group came about, and what followed.
    pub fn story(&self, subject: &Subject) -> Option<Story> {
        self.chapters.get(subject).map(Chapter::tell)
    }

    /// The newest events of a subject, oldest first; few.
    pub fn lately(&self, subject: &Subject) -> Vec<Event> {
        self.chapters.get(subject).map_or_else(Vec::new, |chapter| chapter.known().since.to_vec())
    }

    /// The instance or group that changed its state last.
    pub fn last_to_change(&self) -> Option<&Subject> {
        self.history.newest().rev().find_map(|record| match &record.entry {
            Entry::Failover(Event {
                subject: subject @ Subject::Instance(_),
                what: What::State { .. },
                ..
            }) => Some(subject),
            _ => None,
        })
    }

    /// Forgets the stories of those that are no longer configured.
    pub fn retain(&mut self, is_configured: impl Fn(&Subject) -> bool) {
        self.chapters.retain(|subject, _| is_configured(subject));
    }

    /// The log behind.
    pub fn log(&self) -> &Log {
        &self.log
    }
}

/// What goes on all the time while an instance takes no part.
fn is_usual(what: &What) -> bool {
    matches!(what, What::Router(lb_vrrp::Event::Dropped { reason: lb_vrrp::DropReason::NotRunning, .. }))
}

#[cfg(test)]
mod tests;
