//! The runner's state: the plan, the tallies, and what has not been told yet.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use lb_core::{Health, Time};
use tokio::task::AbortHandle;

use super::{Check, CheckStatus, Look, RunnerCounts, Verdict};
use crate::{
    CheckId, Failure, FailureKind, HealthCheck, Outcome, Plan, Tally, Target, Timing, Transition,
    plan::{ById, Input, Output, Pacing},
};

/// The driver comes some milliseconds late as a rule. Later than this, the machine has no time for this program,
/// and servers are not to be blamed for what it did not hear.
const STALL: Duration = Duration::from_millis(20);

pub(super) struct Board {
    plan: Plan,
    checks: ById<Entry>,
    names: HashMap<Arc<Subject>, CheckId>,
    next_name: u64,
    /// Checks with an untold verdict, each once.
    news: VecDeque<CheckId>,
    every_look: bool,
    counts: RunnerCounts,
    /// When the driver will wake up by itself.
    armed: Option<Time>,
}

/// What is looked at, how, and how often: what makes two checks one.
#[derive(Debug)]
pub(super) struct Subject {
    identity: Arc<str>,
    pub(super) probe: Arc<dyn HealthCheck>,
    pub(super) target: Target,
    timing: Timing,
}

/// One look to be made.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) subject: Arc<Subject>,
    check: CheckId,
    flight: u64,
    started: Time,
}

struct Entry {
    subject: Arc<Subject>,
    tally: Tally,
    flight: Option<Flight>,
    /// Looks that were started.
    flights: u64,
    last: Option<Look>,
    looks: u64,
    untold: Option<Untold>,
    /// `looks` when a verdict was fetched last.
    told_looks: u64,
}

/// The look that is running.
struct Flight {
    number: u64,
    started: Time,
    /// Its task, as soon as there is one.
    task: Option<AbortHandle>,
}

struct Untold {
    transition: Option<Transition>,
}

impl Board {
    pub(super) fn new(pacing: Pacing, every_look: bool) -> Self {
        Self {
            plan: Plan::new(pacing),
            checks: ById::default(),
            names: HashMap::new(),
            next_name: 1,
            news: VecDeque::new(),
            every_look,
            counts: RunnerCounts::default(),
            armed: None,
        }
    }

    pub(super) fn set(&mut self, wanted: impl IntoIterator<Item = Check>, now: Time) -> Vec<CheckId> {
        let mut identities = Identities::of(self.names.keys());
        let before = std::mem::take(&mut self.names);
        let mut ids = Vec::new();
        let mut fresh = Vec::new();
        for Check { probe, target, timing, initial } in wanted {
            let identity = identities.intern(&probe);
            let subject = Arc::new(Subject { identity, probe, target, timing });
            let id = match (self.names.get(&subject), before.get_key_value(&subject)) {
                (Some(&id), _) => id,
                (None, Some((known, &id))) => {
                    self.names.insert(Arc::clone(known), id);
                    id
                }
                (None, None) => {
                    let id = CheckId::new(self.next_name);
                    self.next_name += 1;
                    self.names.insert(Arc::clone(&subject), id);
                    fresh.push((id, subject, initial));
                    id
                }
            };
            ids.push(id);
        }

        let mut gone = HashMap::new();
        for (subject, id) in before {
            if !self.names.contains_key(&subject) {
                self.plan.handle_input(now, Input::Remove(id));
                if let Some(mut entry) = self.checks.remove(&id) {
                    entry.abort();
                    gone.insert(
                        (Arc::clone(&subject.identity), subject.target.clone()),
                        entry.tally.health(),
                    );
                }
            }
        }
        self.news.retain(|id| self.checks.contains_key(id));
        for (id, subject, initial) in fresh {
            let mut tally = Tally::new(subject.timing.rise, subject.timing.fall);
            let heir = gone.get(&(Arc::clone(&subject.identity), subject.target.clone()));
            tally.adopt(heir.copied().unwrap_or(initial));
            self.plan.handle_input(now, Input::Set(id, subject.timing));
            self.checks.insert(id, Entry::new(subject, tally));
        }
        ids
    }

    pub(super) fn clear(&mut self) {
        self.set([], Time::ZERO);
    }

    pub(super) fn check_now(&mut self, id: CheckId, now: Time) {
        self.plan.handle_input(now, Input::Now(id));
    }

    pub(super) fn pause(&mut self, id: CheckId, now: Time) {
        self.plan.handle_input(now, Input::Pause(id));
        self.cancel(id);
    }

    pub(super) fn resume(&mut self, id: CheckId, now: Time) {
        self.plan.handle_input(now, Input::Resume(id));
    }

    pub(super) fn handle_timeout(&mut self, now: Time) {
        let late = self.armed.map_or(Duration::ZERO, |armed| now - armed);
        if late > STALL {
            self.plan.handle_input(now, Input::Stalled(late));
        }
        self.plan.handle_timeout(now);
    }

    /// The next look to start; expires and cancels others on the way.
    pub(super) fn next_job(&mut self, now: Time) -> Option<Job> {
        while let Some(output) = self.plan.poll_output() {
            match output {
                Output::Start(check) => {
                    if let Some(entry) = self.checks.get_mut(&check) {
                        entry.flights += 1;
                        entry.flight = Some(Flight { number: entry.flights, started: now, task: None });
                        let subject = Arc::clone(&entry.subject);
                        return Some(Job { subject, check, flight: entry.flights, started: now });
                    }
                }
                Output::Expire(check) => self.expire(check, now),
                Output::Cancel(check) => self.cancel(check),
            }
        }
        None
    }

    pub(super) fn started(&mut self, job: &Job, task: AbortHandle) {
        if let Some(flight) = self.checks.get_mut(&job.check).and_then(|entry| entry.flight.as_mut()) {
            flight.task = Some(task);
        }
    }

    pub(super) fn finished(&mut self, job: &Job, outcome: Outcome, now: Time) {
        let Some(entry) = self.checks.get_mut(&job.check) else { return };
        // A look that was given up may still get this far before its task notices.
        if entry.flight.take_if(|flight| flight.number == job.flight).is_none() {
            return;
        }
        self.plan.handle_input(now, Input::Finished(job.check));
        self.seen(job.check, Look { outcome, at: now, latency: now - job.started });
    }

    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    pub(super) fn next_news(&mut self) -> Option<Verdict> {
        while let Some(check) = self.news.pop_front() {
            let Some(entry) = self.checks.get_mut(&check) else { continue };
            let (Some(untold), Some(look)) = (entry.untold.take(), entry.last.clone()) else { continue };
            let looks = entry.looks - std::mem::replace(&mut entry.told_looks, entry.looks);
            return Some(Verdict {
                check,
                health: entry.tally.health(),
                look,
                transition: untold.transition,
                leaning: entry.tally.leaning(),
                looks,
            });
        }
        None
    }

    pub(super) fn status(&self) -> Vec<CheckStatus> {
        let mut ids: Vec<_> = self.checks.keys().copied().collect();
        ids.sort_unstable();
        ids.into_iter().filter_map(|id| self.status_of(id)).collect()
    }

    pub(super) fn status_of(&self, check: CheckId) -> Option<CheckStatus> {
        let entry = self.checks.get(&check)?;
        Some(CheckStatus {
            check,
            kind: entry.subject.probe.kind(),
            target: entry.subject.target.clone(),
            timing: entry.subject.timing,
            health: entry.tally.health(),
            since: entry.tally.since(),
            leaning: entry.tally.leaning(),
            last: entry.last.clone(),
            looks: entry.looks,
            paused: self.plan.is_paused(check),
        })
    }

    pub(super) fn counts(&self) -> RunnerCounts {
        RunnerCounts { checks: self.checks.len(), in_flight: self.plan.in_flight(), ..self.counts }
    }

    /// Whether a look has passed its deadline.
    pub(super) fn is_overdue(&self, now: Time) -> bool {
        self.plan.is_overdue(now)
    }

    /// When the driver has to come again; it promises to.
    pub(super) fn arm(&mut self) -> Option<Time> {
        self.armed = self.plan.poll_timeout();
        self.armed
    }

    /// Whether the driver is needed before it comes by itself.
    pub(super) fn needs_driver(&self) -> bool {
        let sooner = match (self.plan.poll_timeout(), self.armed) {
            (Some(wanted), Some(armed)) => wanted < armed,
            (wanted, None) => wanted.is_some(),
            (None, _) => false,
        };
        sooner || self.plan.has_output()
    }

    fn cancel(&mut self, check: CheckId) {
        if let Some(entry) = self.checks.get_mut(&check) {
            entry.abort();
        }
    }

    fn expire(&mut self, check: CheckId, now: Time) {
        let Some(started) = self.checks.get_mut(&check).and_then(Entry::abort) else { return };
        let latency = now - started;
        let failure =
            Failure::new(FailureKind::Timeout, format_args!("no result after {}", seconds(latency)));
        self.counts.expired += 1;
        self.seen(check, Look { outcome: Err(failure), at: now, latency });
    }

    /// Counts one look.
    fn seen(&mut self, check: CheckId, look: Look) {
        let Some(entry) = self.checks.get_mut(&check) else { return };
        let (counter, transition) = match look.outcome.as_ref().map_err(|failure| failure.kind) {
            Ok(_) => (&mut self.counts.passed, entry.tally.record(true, look.at)),
            // Says nothing about the server: a balancer out of file descriptors must not take every server down.
            Err(FailureKind::Local) => (&mut self.counts.inconclusive, None),
            Err(FailureKind::Administrative) => {
                (&mut self.counts.failed, entry.tally.decide(Health::Down, look.at))
            }
            Err(_) => (&mut self.counts.failed, entry.tally.record(false, look.at)),
        };
        *counter += 1;
        let at = look.at;
        let contradicted = entry.tally.leaning().is_some();
        let news = self.every_look || contradicted || transition.is_some() || !entry.resembles_last(&look);
        entry.looks += 1;
        entry.last = Some(look);
        if contradicted && let Some(after) = entry.subject.timing.retry {
            self.plan.handle_input(at, Input::Retry(check, after));
        }
        if news {
            entry.tell(transition, || self.news.push_back(check));
        }
    }
}

impl Entry {
    fn new(subject: Arc<Subject>, tally: Tally) -> Self {
        Self { subject, tally, flight: None, flights: 0, last: None, looks: 0, untold: None, told_looks: 0 }
    }

    /// Drops the look in flight; says when it had started.
    fn abort(&mut self) -> Option<Time> {
        let flight = self.flight.take()?;
        if let Some(task) = flight.task {
            task.abort();
        }
        Some(flight.started)
    }

    /// Whether a look is no news after the last one.
    fn resembles_last(&self, look: &Look) -> bool {
        match (self.last.as_ref().map(|last| &last.outcome), &look.outcome) {
            (Some(Ok(last)), Ok(passed)) => last.grade == passed.grade,
            (Some(Err(last)), Err(failure)) => last.kind == failure.kind,
            _ => false,
        }
    }

    /// Keeps a verdict until it is fetched, merged with one that was not.
    fn tell(&mut self, transition: Option<Transition>, queue: impl FnOnce()) {
        match &mut self.untold {
            Some(untold) => {
                untold.transition = match (untold.transition, transition) {
                    (Some(first), Some(last)) => {
                        (first.from != last.to).then_some(Transition { from: first.from, ..last })
                    }
                    (first, last) => last.or(first),
                };
            }
            None => {
                self.untold = Some(Untold { transition });
                queue();
            }
        }
    }
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity && self.target == other.target && self.timing == other.timing
    }
}

impl Eq for Subject {}

impl std::hash::Hash for Subject {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.identity.hash(state);
        self.target.hash(state);
        self.timing.hash(state);
    }
}

/// Identities as shared texts; a probe object is asked once, however many checks hold it.
struct Identities {
    texts: HashSet<Arc<str>>,
    /// By the object's address, which stays its own as long as the object is kept in here.
    asked: HashMap<*const (), (Arc<dyn HealthCheck>, Arc<str>)>,
}

impl Identities {
    fn of<'a>(subjects: impl Iterator<Item = &'a Arc<Subject>>) -> Self {
        Self { texts: subjects.map(|subject| Arc::clone(&subject.identity)).collect(), asked: HashMap::new() }
    }

    fn intern(&mut self, probe: &Arc<dyn HealthCheck>) -> Arc<str> {
        let object = Arc::as_ptr(probe).cast::<()>();
        if let Some((_, text)) = self.asked.get(&object) {
            return Arc::clone(text);
        }
        let identity = probe.identity();
        let text = match self.texts.get(identity.as_str()) {
            Some(text) => Arc::clone(text),
            None => {
                let text: Arc<str> = identity.into();
                self.texts.insert(Arc::clone(&text));
                text
            }
        };
        self.asked.insert(object, (Arc::clone(probe), Arc::clone(&text)));
        text
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}
