//! What has happened, as it is asked for, answered, and kept on disk.

use lb_core::{
    Time,
    event::{Cause, Subject, What},
};
use lb_runtime::clock::wall_time;
use serde::{Deserialize, Serialize};

use crate::event::Event;

/// Records that are answered at most.
pub const MAX_RECORDS: usize = 10_000;

/// Which records are asked for; all conditions hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventQuery {
    /// So many at most: the first ones if `from` is set, else the newest. The daemon has a limit of its own,
    /// [`MAX_RECORDS`].
    pub count: usize,
    /// Not before this time.
    #[serde(default, with = "wall_time::option", skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Not after this time.
    #[serde(default, with = "wall_time::option", skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// About this instance, group, service, server or tracker, or `daemon`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Recorded at this position or after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Position>,
}

/// Records, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// Those that were asked for.
    pub records: Vec<Record>,
    /// Where a query for what comes later begins.
    pub next: Position,
    /// There are more than were answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Greater with each process that uses the same folder for its state.
    pub run: u64,
    /// Counts the records of a process.
    pub number: u64,
}

/// An event of the journal, by the wall clock as it was set when the event was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it happened.
    #[serde(with = "wall_time")]
    pub time: Time,
    /// Where the record stands.
    #[serde(flatten)]
    pub position: Position,
    /// What happened.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// An instance, a group, a tracker, or lb-failover itself.
    Failover(Event),
    /// A virtual server, or lb-director itself.
    Balance(#[serde(with = "ServiceEvent")] lb_core::Event),
    /// So many records are missing here: they could not be written to disk.
    Lost(u64),
}

/// [`lb_core::Event`], whose origin of time is 1970 here.
#[derive(Serialize, Deserialize)]
#[serde(remote = "lb_core::Event")]
struct ServiceEvent {
    #[serde(with = "wall_time")]
    at: Time,
    subject: Subject,
    what: What,
    cause: Cause,
}

impl Entry {
    /// Whether it is about this, which may be written as a whole, or be one word of it: `10.0.0.1:80` is in
    /// `10.0.0.1:80 (tcp:192.168.0.1:80)`.
    fn is_about(&self, text: &str) -> bool {
        let subject = match self {
            Self::Failover(event) => event.subject.to_string(),
            Self::Balance(event) => event.subject.to_string(),
            Self::Lost(_) => return true,
        };
        let protocols = ["tcp:", "udp:", "sctp:"];
        let bare = |word: &str| protocols.iter().any(|protocol| word.strip_prefix(protocol) == Some(text));
        subject == text
            || subject.split([' ', '(', ')']).any(|word| !word.is_empty() && (word == text || bare(word)))
    }
}

impl EventQuery {
    /// Whether a record is among those that are asked for, `count` aside.
    pub fn matches(&self, record: &Record) -> bool {
        self.since.is_none_or(|since| since <= record.time)
            && self.until.is_none_or(|until| record.time <= until)
            && self.from.is_none_or(|from| from <= record.position)
            && self.subject.as_ref().is_none_or(|subject| record.entry.is_about(subject))
    }

    /// How many are answered at most.
    pub fn limit(&self) -> usize {
        self.count.min(MAX_RECORDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(subject: Subject) -> Record {
        let at = Time::from_secs(5);
        let event =
            lb_core::Event { at, subject, what: What::Crashed("x".to_owned()), cause: Cause::Lifecycle };
        Record { time: at, position: Position { run: 1, number: 2 }, entry: Entry::Balance(event) }
    }

    #[test]
    fn records_have_times_of_rfc_3339_in_json() {
        let record = record(Subject::Daemon);
        let text = serde_json::to_string(&record).unwrap();
        assert!(
            text.starts_with(
                r#"{"time":"1970-01-01T00:00:05.000000000Z","run":1,"number":2,"balance":{"at":"1970-"#
            ),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }

    #[test]
    fn a_subject_is_found_by_each_of_its_names() {
        let (service, server) = ("tcp:10.0.0.1:80".parse().unwrap(), "192.168.0.1:80".parse().unwrap());
        let record = record(Subject::Server(service, server));
        let asked = |subject: &str| {
            EventQuery { subject: Some(subject.to_owned()), ..EventQuery::default() }.matches(&record)
        };
        let whole = "192.168.0.1:80 (tcp:10.0.0.1:80)";
        for subject in [whole, "192.168.0.1:80", "tcp:10.0.0.1:80", "10.0.0.1:80"] {
            assert!(asked(subject), "{subject}");
        }
        for subject in ["", "192.168.0.1", "0.0.1:80", "daemon"] {
            assert!(!asked(subject), "{subject}");
        }
    }

    #[test]
    fn the_ends_of_a_query_are_part_of_it() {
        let record = record(Subject::Daemon);
        let at = |seconds| Some(Time::from_secs(seconds));
        let query = |since, until, from| EventQuery { since, until, from, ..EventQuery::default() };
        assert!(query(at(5), at(5), None).matches(&record));
        assert!(!query(at(6), None, None).matches(&record) && !query(None, at(4), None).matches(&record));
        let from = |run, number| query(None, None, Some(Position { run, number })).matches(&record);
        assert!(from(0, 9) && from(1, 2) && !from(1, 3) && !from(2, 0));
    }
}
