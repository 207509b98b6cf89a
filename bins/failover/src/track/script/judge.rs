//! What follows from the runs of a script: pure.

use std::num::NonZeroU32;

use lb_control::wording::tracker::{RETURNING, TIMED_OUT};
use lb_core::{Health, Time};
use lb_health::Tally;
use lb_vrrp::track::Status;

use crate::program::Ended;

/// What came of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Ended(Ended),
    TimedOut,
    NotRun(String),
}

/// Counts runs. The first one decides; then it takes `rise` successes or `fall` failures in a row.
#[derive(Debug)]
pub(super) struct Judge {
    tally: Tally,
    /// What it returned last; 0 before it did.
    returned: i32,
    /// Why the last run failed.
    reason: Option<String>,
}

impl Judge {
    /// Nothing is known yet. 0 counts as 1.
    pub(super) fn new(rise: u32, fall: u32) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self { tally: Tally::new(at_least_one(rise), at_least_one(fall)), returned: 0, reason: None }
    }

    /// It counts as down before its first run.
    pub(super) fn fail_at_first(&mut self) {
        self.tally.adopt(Health::Down);
    }

    /// What it counts as.
    pub(super) fn status(&self) -> Status {
        match self.tally.health() {
            Health::Unknown => Status::Unknown,
            Health::Up => Status::Up,
            Health::Down => Status::Down,
        }
    }

    /// Counts one run; returns what there is to report: that it returns something else, that it changed, that it fails
    /// for another reason.
    pub(super) fn see(&mut self, seen: &Seen, at: Time) -> Vec<(Status, String)> {
        let mut reports = Vec::new();
        if let Seen::Ended(Ended::Exited(status)) = seen
            && *status != self.returned
        {
            self.returned = *status;
            reports.push((self.status(), format!("{RETURNING}{status}")));
        }
        let reason = match seen {
            Seen::Ended(Ended::Exited(0)) => None,
            Seen::Ended(ended) => Some(ended.to_string()),
            Seen::TimedOut => Some(TIMED_OUT.to_owned()),
            Seen::NotRun(error) => Some(error.clone()),
        };
        let transition = self.tally.record(reason.is_none(), at);
        let detail = reason.clone().unwrap_or_else(|| "succeeded".to_owned());
        if transition.is_some() {
            reports.push((self.status(), detail));
        } else if self.status() == Status::Down
            && reports.is_empty()
            && reason.is_some()
            && reason != self.reason
        {
            reports.push((Status::Down, detail));
        }
        self.reason = reason;
        reports
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: Seen = Seen::Ended(Ended::Exited(0));
    const BAD: Seen = Seen::Ended(Ended::Exited(1));

    fn see(judge: &mut Judge, seen: &[Seen]) -> Vec<String> {
        let reports = seen.iter().flat_map(|seen| judge.see(seen, Time::ZERO));
        reports.map(|(status, detail)| format!("{status:?}: {detail}")).collect()
    }

    #[test]
    fn the_first_run_decides() {
        assert_eq!(see(&mut Judge::new(3, 3), &[OK, OK]), ["Up: succeeded"]);
        let mut judge = Judge::new(3, 3);
        assert_eq!(see(&mut judge, &[BAD]), ["Unknown: now returning 1", "Down: exited with status 1"]);
    }

    #[test]
    fn later_it_takes_as_many_in_a_row_as_were_asked_for() {
        let mut judge = Judge::new(2, 3);
        see(&mut judge, &[OK]);
        assert_eq!(see(&mut judge, &[BAD, BAD, OK]), ["Up: now returning 1", "Up: now returning 0"]);
        assert_eq!(see(&mut judge, &[BAD, BAD]), ["Up: now returning 1"]);
        assert_eq!(see(&mut judge, &[BAD]), ["Down: exited with status 1"]);
        assert_eq!(see(&mut judge, &[OK, BAD, OK]).len(), 3, "only what it returns");
        assert_eq!(see(&mut judge, &[OK]), ["Up: succeeded"]);
    }

    #[test]
    fn nothing_new_is_not_reported_and_another_reason_is() {
        let mut judge = Judge::new(1, 1);
        let missing = Seen::NotRun("/x: No such file".into());
        assert_eq!(see(&mut judge, std::slice::from_ref(&missing)), ["Down: /x: No such file"]);
        assert_eq!(see(&mut judge, &[missing.clone(), missing]), [""; 0]);
        assert_eq!(see(&mut judge, &[Seen::TimedOut, Seen::TimedOut]), ["Down: timed out"]);
        assert_eq!(see(&mut judge, &[BAD, BAD]), ["Down: now returning 1"]);
        assert_eq!(see(&mut judge, &[Seen::Ended(Ended::Killed(9))]), ["Down: killed by SIGKILL"]);
    }

    #[test]
    fn who_has_failed_at_first_takes_as_long_to_rise() {
        let mut judge = Judge::new(2, 1);
        judge.fail_at_first();
        assert_eq!(judge.status(), Status::Down);
        assert_eq!(see(&mut judge, &[OK]), [""; 0]);
        assert_eq!(see(&mut judge, &[OK]), ["Up: succeeded"]);
    }
}
