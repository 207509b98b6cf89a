//! Drives a [`Plan`](crate::Plan) on tokio: starts looks, drops them at their deadline, counts, and tells.

mod board;
mod report;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use lb_core::{Health, Time};
use nix::sys::resource::{Resource, getrlimit};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use self::board::{Board, Job};
pub use self::report::{CheckStatus, Look, RunnerCounts, Verdict};
use crate::{CheckId, Failure, FailureKind, HealthCheck, Outcome, Target, Timing, plan::Pacing};

/// One thing to look at, as a subscriber wants it.
#[derive(Clone, Debug)]
pub struct Check {
    /// How to look.
    pub probe: Arc<dyn HealthCheck>,
    /// At what.
    pub target: Target,
    /// How often, and how many looks make a verdict.
    pub timing: Timing,
    /// What to believe until looks have said otherwise, for a check that is new; [`Health::Unknown`] if nothing is
    /// known, and what the data plane shows if a restart shall not disturb it.
    pub initial: Health,
}

impl Check {
    /// A check of which nothing is known yet.
    pub fn new(probe: Arc<dyn HealthCheck>, target: impl Into<Target>, timing: Timing) -> Self {
        Self { probe, target: target.into(), timing, initial: Health::Unknown }
    }
}

/// What concerns all checks of a runner.
#[derive(Clone, Debug)]
pub struct RunnerSettings {
    /// Looks that may run at the same time; the others wait. Default: 10,000, or less where the limit of open
    /// files (`RLIMIT_NOFILE`) would be met.
    pub in_flight: usize,
    /// Due times and deadlines are rounded up to multiples of this, so that a wake-up handles many. Default 10 ms.
    pub tick: Duration,
    /// New checks have their first look within this time (and within their interval). Default 1 s.
    pub spread: Duration,
    /// Changes phases and jitter. Default: a random number.
    pub seed: u64,
    /// The point that [`Time`]s count from. Default: when the settings were made.
    pub origin: Instant,
    /// Whether [`Runner::verdict`] tells every look, and not only those that are news. Default no.
    pub every_look: bool,
}

impl Default for RunnerSettings {
    fn default() -> Self {
        let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
        Self {
            in_flight: usize::try_from(files.saturating_sub(64)).unwrap_or(usize::MAX).clamp(16, 10_000),
            tick: Duration::from_millis(10),
            spread: Duration::from_secs(1),
            // The only source of entropy in the standard library.
            seed: std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0),
            origin: Instant::now(),
            every_look: false,
        }
    }
}

/// Runs checks until it is dropped.
///
/// All methods return at once; the looks run as tasks of the runtime on which [`Runner::start`] was called. One
/// look costs one task and no timer.
pub struct Runner {
    shared: Arc<Shared>,
    driver: JoinHandle<()>,
}

struct Shared {
    board: Mutex<Board>,
    /// The driver has to look at the plan again.
    replan: Notify,
    /// There is a verdict to fetch.
    news: Notify,
    origin: Instant,
}

impl Runner {
    /// Starts a runner without checks on the current tokio runtime (of either flavour, with time and IO enabled).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(settings: RunnerSettings) -> Self {
        let RunnerSettings { in_flight, tick, spread, seed, origin, every_look } = settings;
        let shared = Arc::new(Shared {
            board: Mutex::new(Board::new(Pacing { in_flight, tick, spread, seed }, every_look)),
            replan: Notify::new(),
            news: Notify::new(),
            origin,
        });
        let driver = tokio::spawn(drive(Arc::clone(&shared)));
        Self { shared, driver }
    }

    /// Makes these, and no others, the checks that run. Returns the name of each, in the order given.
    ///
    /// Checks with the same probe ([`HealthCheck::identity`]), target and timing are one check: it runs once, bears
    /// one name, and what it sees concerns all who have asked for it. A check that has been there before goes on as
    /// if nothing had happened. One of which only the timing has changed starts with the health that it had.
    pub fn set(&self, checks: impl IntoIterator<Item = Check>) -> Vec<CheckId> {
        self.change(|board, now| board.set(checks, now))
    }

    /// Looks as soon as possible; a look that is under way is followed by another one.
    pub fn check_now(&self, check: CheckId) {
        self.change(|board, now| board.check_now(check, now));
    }

    /// Looks no more until [`Runner::resume`]; the health stays. A look that is under way is dropped.
    pub fn pause(&self, check: CheckId) {
        self.change(|board, now| board.pause(check, now));
    }

    /// Ends a pause with a look.
    pub fn resume(&self, check: CheckId) {
        self.change(|board, now| board.resume(check, now));
    }

    /// Waits for the next verdict that is news: a change of health, a look that speaks against the health, a
    /// failure or a [grade](crate::Passed::grade) other than the last, or the first look.
    ///
    /// Per check only the latest one is kept for a reader that is slow; [`Verdict::transition`] then leads from the
    /// health that was told last to the present one, and is empty if that is the same. Cancel safe. Each verdict is
    /// told once, to one caller.
    pub async fn verdict(&self) -> Verdict {
        loop {
            let news = self.shared.news.notified();
            if let Some(verdict) = self.try_verdict() {
                return verdict;
            }
            news.await;
        }
    }

    /// The next verdict, if there is one now.
    pub fn try_verdict(&self) -> Option<Verdict> {
        let mut board = self.shared.board();
        let verdict = board.next_news();
        if board.has_news() {
            self.shared.news.notify_one();
        }
        verdict
    }

    /// All checks by name, with what is known.
    pub fn status(&self) -> Vec<CheckStatus> {
        self.shared.board().status()
    }

    /// One check, with what is known.
    pub fn status_of(&self, check: CheckId) -> Option<CheckStatus> {
        self.shared.board().status_of(check)
    }

    /// What all checks together have done so far.
    pub fn counts(&self) -> RunnerCounts {
        self.shared.board().counts()
    }

    /// The present time on the clock of the verdicts.
    pub fn now(&self) -> Time {
        self.shared.now()
    }

    fn change<R>(&self, act: impl FnOnce(&mut Board, Time) -> R) -> R {
        let now = self.shared.now();
        let result = act(&mut self.shared.board(), now);
        self.shared.replan.notify_one();
        self.shared.news.notify_one();
        result
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.driver.abort();
        self.shared.board().clear();
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        // Nothing in there panics half-way; and if it did, more checks are better than none.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }
}

/// Starts what is due and expires what is late, for ever.
async fn drive(shared: Arc<Shared>) {
    let mut timer = pin!(sleep_until(shared.origin));
    loop {
        if shared.board().is_overdue(shared.now()) {
            // Answers may lie in the sockets that this process had no time to read. Those first: a server is not
            // to blame for a balancer that is late.
            tokio::task::yield_now().await;
        }
        let wake = {
            let now = shared.now();
            let mut board = shared.board();
            board.handle_timeout(now);
            while let Some(job) = board.next_job(now) {
                let task = tokio::spawn(look(Arc::clone(&shared), job.clone())).abort_handle();
                board.started(&job, task);
            }
            if board.has_news() {
                shared.news.notify_one();
            }
            board.arm()
        };
        match wake {
            Some(at) => {
                timer.as_mut().reset(shared.origin + (at - Time::ZERO));
                tokio::select! {
                    () = timer.as_mut() => {}
                    () = shared.replan.notified() => {}
                }
            }
            None => shared.replan.notified().await,
        }
    }
}

/// One look, as a task of its own. Ends early, by abortion, if it is late or no longer wanted.
async fn look(shared: Arc<Shared>, job: Job) {
    let outcome = contained(job.subject.probe.check(&job.subject.target)).await;
    let now = shared.now();
    let mut board = shared.board();
    board.finished(&job, outcome, now);
    if board.needs_driver() {
        shared.replan.notify_one();
    }
    if board.has_news() {
        shared.news.notify_one();
    }
}

/// A probe that panics has failed, and harms no other probe.
async fn contained(check: impl Future<Output = Outcome>) -> Outcome {
    let mut check = pin!(check);
    poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| check.as_mut().poll(context)))
            .unwrap_or_else(|_| Poll::Ready(Err(Failure::new(FailureKind::Panicked, "please report this"))))
    })
    .await
}
