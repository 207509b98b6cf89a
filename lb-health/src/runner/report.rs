//! What the runner tells.

use std::time::Duration;

use lb_core::{Health, Time};

use crate::{CheckId, Leaning, Outcome, Target, Timing, Transition};

/// One look, and what became of the health by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which check.
    pub check: CheckId,
    /// The health now.
    pub health: Health,
    /// The look that this is about.
    pub look: Look,
    /// How the health changed since the last verdict about this check that was fetched.
    pub transition: Option<Transition>,
    /// The count of looks that speak against the health: the soft failure.
    pub leaning: Option<Leaning>,
    /// Looks that have ended since the last verdict about this check that was fetched, this one included.
    pub looks: u64,
}

/// One look at a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// What it saw.
    pub outcome: Outcome,
    /// When it ended.
    pub at: Time,
    /// How long it took.
    pub latency: Duration,
}

/// What is known of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckStatus {
    /// Its name.
    pub check: CheckId,
    /// The probe's kind.
    pub kind: &'static str,
    /// What it looks at.
    pub target: Target,
    /// How it is timed.
    pub timing: Timing,
    /// The health now.
    pub health: Health,
    /// Since when; `None` if nothing has been seen yet, or if the health was given and not seen.
    pub since: Option<Time>,
    /// The count of looks that speak against the health.
    pub leaning: Option<Leaning>,
    /// The last look that ended.
    pub last: Option<Look>,
    /// Looks that have ended.
    pub looks: u64,
    /// Whether it is paused.
    pub paused: bool,
}

/// Sums over all checks of a runner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunnerCounts {
    /// Checks there are.
    pub checks: usize,
    /// Looks that are running.
    pub in_flight: usize,
    /// Looks that passed.
    pub passed: u64,
    /// Looks that failed, those that ran out of time among them.
    pub failed: u64,
    /// Looks that ran out of time.
    pub expired: u64,
    /// Looks that could not be made ([`crate::FailureKind::Local`]); they do not change any health.
    pub inconclusive: u64,
}
