//! What the demo says at its end.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::load::{Failed, Seen};

/// How the demo says that there is no pair; the reason follows.
pub(super) const ALONE: &str = "on loopback, with one balancer and without failovers";

/// The result, as `--json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Report {
    /// Requests that were sent and have ended.
    pub(super) requests: u64,
    /// Requests without a good answer.
    pub(super) failed: u64,
    /// Those among them that were sent after the balancer had noticed the dead server.
    pub(super) failed_after_detection: u64,
    /// Longest time between two good answers, in milliseconds.
    pub(super) longest_gap_ms: f64,
    /// From the server's death until the balancer had noticed it, in milliseconds; `null` if it has not.
    pub(super) detect_ms: Option<f64>,
    /// What each server has answered.
    pub(super) servers: Vec<ServerShare>,
    /// The address moved, and how long nobody answered on it.
    pub(super) failovers: Vec<Failover>,
    /// Why it ran on loopback; absent where the pair ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alone: Option<String>,
    /// What went wrong with the last request that failed.
    #[serde(skip)]
    pub(super) last_failure: Option<String>,
}

/// What one server has answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ServerShare {
    /// Its name.
    pub(super) name: String,
    /// Good answers.
    pub(super) requests: u64,
}

/// The address moved from one director to the other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Failover {
    /// Why.
    pub(super) cause: String,
    /// The longest time between two echo requests of a client that were answered, in milliseconds.
    pub(super) outage_ms: f64,
    /// Requests that were sent meanwhile and got no good answer.
    pub(super) failed: u64,
    /// While it went on.
    #[serde(skip)]
    pub(super) during: Range<Instant>,
}

impl Report {
    /// The result of what the clients have seen.
    pub(super) fn new(seen: &Seen, killed: Option<Instant>, noticed: Option<Instant>) -> Self {
        let late =
            |noticed: Instant| seen.failures.iter().filter(|failed| failed.sent >= noticed).count() as u64;
        let failed = seen.failures.len() as u64;
        Self {
            requests: seen.answered() + failed,
            failed,
            failed_after_detection: noticed.map_or(0, late),
            longest_gap_ms: millis(seen.longest_gap),
            detect_ms: killed.zip(noticed).map(|(killed, noticed)| millis(noticed - killed)),
            servers: seen
                .by_server
                .iter()
                .map(|(name, requests)| ServerShare { name: name.clone(), requests: *requests })
                .collect(),
            failovers: Vec::new(),
            alone: None,
            last_failure: seen.failures.last().map(|failed| failed.why.clone()),
        }
    }

    /// The same with failovers. A request that was on its way when a director died is lost with it; it failed, but not for
    /// the sake of the dead server.
    pub(super) fn with(
        mut self,
        mut failovers: Vec<Failover>,
        seen: &Seen,
        noticed: Option<Instant>,
    ) -> Self {
        for failover in &mut failovers {
            let during = |failed: &&Failed| failover.during.contains(&failed.sent);
            failover.failed = seen.failures.iter().filter(during).count() as u64;
        }
        let moved = |sent: Instant| failovers.iter().any(|failover| failover.during.contains(&sent));
        let late = seen
            .failures
            .iter()
            .filter(|failed| noticed.is_some_and(|noticed| failed.sent >= noticed) && !moved(failed.sent));
        self.failed_after_detection = late.count() as u64;
        self.failovers = failovers;
        self
    }

    /// The same of a demo that ran on loopback for this reason.
    pub(super) fn alone(mut self, reason: String) -> Self {
        self.alone = Some(reason);
        self
    }

    /// The result for people.
    pub(super) fn text(&self) -> String {
        let alone = self.alone.as_ref().map_or_else(String::new, |reason| format!("{ALONE}: {reason}\n"));
        let shares: Vec<String> =
            self.servers.iter().map(|server| format!("{} {}", server.name, server.requests)).collect();
        let detect = match self.detect_ms {
            Some(ms) => format!(
                "the killed server was out after {ms:.0} ms, {} requests failed after that",
                self.failed_after_detection
            ),
            None => "no death of a server was noticed".to_owned(),
        };
        format!(
            "{alone}{} requests ({}), {} failed{}; longest gap between answers {:.0} ms; {detect}\n",
            self.requests,
            shares.join(", "),
            self.failed,
            self.last_failure.as_ref().map_or_else(String::new, |why| format!(" (the last one: {why})")),
            self.longest_gap_ms
        ) + &self.failovers.iter().map(Failover::text).collect::<String>()
    }
}

impl Failover {
    fn text(&self) -> String {
        let Self { cause, outage_ms, failed, .. } = self;
        format!("{cause}: nobody answered for {outage_ms:.1} ms, {failed} requests failed\n")
    }
}

/// Milliseconds with microseconds behind the point.
pub(super) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn only_requests_that_were_sent_after_the_detection_count_as_late() {
        let start = Instant::now();
        let failed = |ms| Failed { sent: start + Duration::from_millis(ms), why: "refused".into() };
        let seen = Seen {
            by_server: BTreeMap::from([("web1".into(), 7), ("web2".into(), 3)]),
            failures: vec![failed(10), failed(99), failed(100)],
            longest_gap: Duration::from_micros(12_345),
        };
        let report = Report::new(&seen, Some(start), Some(start + Duration::from_millis(100)));
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            r#"{"requests":13,"failed":3,"failed_after_detection":1,"longest_gap_ms":12.345,"detect_ms":100.0,"servers":[{"name":"web1","requests":7},{"name":"web2","requests":3}],"failovers":[]}"#
        );
    }
}
