//! `vrrp_script`: a program that is run again and again.
//!
//! Its runs never overlap: one that is due while the last one has not ended is left out. A run that is too long has failed
//! at its time limit, and is ended: SIGTERM to its process group, SIGKILL 2 s later. Whatever keeps it from being run is a
//! failure too, and said with its remedy.

mod judge;
#[cfg(test)]
mod tests;

use std::time::Duration;

use judge::{Judge, Seen};
use lb_config::keepalived::model::{Script, Weight};
use lb_control::{
    event::TrackerId,
    wording::tracker::{NOTE, STILL_RUNNING},
};
use lb_core::Time;
use lb_vrrp::track::Status;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Report, Reports};
use crate::program::{Policy, Program, Running};

/// From the first run of one script to that of the next, when many start at once; they keep that distance.
const STAGGER: Duration = Duration::from_millis(2);
/// Shortest interval: what is less would only keep the machine busy.
const SHORTEST: Duration = Duration::from_millis(10);

/// Everything that makes a difference to how a script is run and counted; its weight does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    script: Script,
    policy: Policy,
}

impl Spec {
    pub(super) fn new(script: &Script, policy: &Policy) -> Self {
        Self { script: Script { weight: Weight::default(), ..script.clone() }, policy: policy.clone() }
    }

    /// Runs it for ever. `place` is its place among those that start at the same time; `known` that something was
    /// reported of it before, so that `init_fail` is not for it.
    pub(super) async fn watch(self, place: u32, known: bool, reports: Reports) {
        let id = TrackerId::Script(self.script.name.clone());
        let interval = self.script.interval.max(SHORTEST);
        let start = Instant::now();
        let mut due = start + offset(place, interval);
        let mut watcher = Watcher {
            program: Program::new(&self.script.command, &self.policy, &[]),
            limit: self.script.timeout,
            judge: Judge::new(self.script.rise, self.script.fall),
            warned: false,
            start,
            report: |status, detail: String| {
                // Nobody listens once the daemon ends.
                let _ = reports.send(Report { id: id.clone(), status, detail });
            },
        };
        if self.script.init_fail && !known {
            watcher.judge.fail_at_first();
            (watcher.report)(Status::Down, "init_fail".to_owned());
        }
        let mut late = false;
        loop {
            sleep_until(due).await;
            if let Some(running) = watcher.look().await {
                running.end().await;
            }
            due += interval;
            let now = Instant::now();
            let missed = missed(now.duration_since(due), interval, now >= due);
            due += interval * missed;
            if missed > 0 && !late {
                (watcher.report)(watcher.judge.status(), STILL_RUNNING.to_owned());
            }
            late = missed > 0;
        }
    }
}

/// When the first run of a script is, so that those of many are spread over the interval.
fn offset(place: u32, interval: Duration) -> Duration {
    let nanos = (STAGGER * place).as_nanos() % interval.as_nanos();
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}

/// How many runs were due, with the next one due `ago`, that can no longer be made up for.
fn missed(ago: Duration, interval: Duration, is_due: bool) -> u32 {
    if !is_due {
        return 0;
    }
    u32::try_from(ago.as_nanos() / interval.as_nanos() + 1).unwrap_or(u32::MAX)
}

struct Watcher<R> {
    program: Program,
    limit: Duration,
    judge: Judge,
    /// That others than root could change it was said.
    warned: bool,
    start: Instant,
    report: R,
}

impl<R: Fn(Status, String)> Watcher<R> {
    /// Runs it once; returns what has to be ended.
    async fn look(&mut self) -> Option<Running> {
        let limit = Instant::now() + self.limit;
        let mut rest = None;
        let seen = match timeout_at(limit, self.program.start()).await {
            Err(_) => Seen::TimedOut,
            Ok(Err(error)) => Seen::NotRun(error.to_string()),
            Ok(Ok(mut running)) => {
                self.warn(&running);
                match timeout_at(limit, running.wait()).await {
                    Err(_) => {
                        rest = Some(running);
                        Seen::TimedOut
                    }
                    Ok(Err(error)) => Seen::NotRun(error.to_string()),
                    Ok(Ok(ended)) => {
                        running.leave();
                        Seen::Ended(ended)
                    }
                }
            }
        };
        let at = Time::ZERO + self.start.elapsed();
        for (status, detail) in self.judge.see(&seen, at) {
            (self.report)(status, detail);
        }
        rest
    }

    fn warn(&mut self, running: &Running) {
        if let Some(place) = running.unsafe_place()
            && !self.warned
        {
            self.warned = true;
            let detail = format!(
                "{NOTE}{} is run as root, though others than root can change {}: chown root and chmod go-w that, and set \
                 enable_script_security",
                self.program.name(),
                place.display()
            );
            (self.report)(self.judge.status(), detail);
        }
    }
}
