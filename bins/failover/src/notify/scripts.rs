//! `notify*`: scripts that are run in order for each instance, and side by side for several.
//!
//! A script may run for ten minutes; then it is asked to end, and killed 2 s later. When the daemon ends, those that still
//! wait for their turn (`notify_stop` behind a long `notify_master`) start after half a second whoever else runs.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lb_config::keepalived::model::ScriptCommand;
use lb_runtime::log::Log;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::timeout,
};

use super::{Kind, lanes::Lanes};
use crate::{
    program::{Ended, Policy, Program},
    task::{Task, until_set},
};

/// Longest run of a script.
const LIMIT: Duration = Duration::from_secs(600);
/// How long the end waits for the order to be kept.
const ORDERLY: Duration = Duration::from_millis(500);

/// Of whom the scripts keep their order: an instance or group, or (`None`) a virtual server.
pub(super) type Key = (Option<Kind>, Arc<str>);

/// Runs scripts.
#[derive(Debug)]
pub(super) struct Scripts {
    shared: Arc<Shared>,
    _work: Task,
}

#[derive(Debug)]
struct Shared {
    lanes: Mutex<Lanes<Key, Job>>,
    /// There is something to start.
    news: Notify,
    /// Something has ended.
    ended: Notify,
    /// Whoever runs is to end.
    parting: watch::Sender<bool>,
    /// Places that others could change, of which that was said.
    warned: Mutex<BTreeSet<PathBuf>>,
    log: Log,
    progress: mpsc::Sender<Progress>,
}

/// A script of an instance or group was started, or has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Of what kind the subject is.
    pub of: Kind,
    /// Its name.
    pub name: Arc<str>,
    /// Which script it is: `notify_master of VI_1`.
    pub script: String,
    /// How it ended; `None` = it was started.
    pub ended: Option<String>,
}

#[derive(Debug)]
struct Job {
    about: Key,
    purpose: String,
    program: Program,
}

impl Scripts {
    /// Who listens to the progress and is slow misses what is too much.
    pub(super) fn start(log: Log, progress: mpsc::Sender<Progress>) -> Self {
        let shared = Arc::new(Shared {
            lanes: Mutex::default(),
            news: Notify::new(),
            ended: Notify::new(),
            parting: watch::Sender::new(false),
            warned: Mutex::default(),
            log,
            progress,
        });
        Self { _work: Task::start(work(Arc::clone(&shared))), shared }
    }

    /// Runs a command when it is its turn.
    pub(super) fn run(
        &self,
        about: Key,
        purpose: &str,
        command: &ScriptCommand,
        policy: &Policy,
        arguments: &[String],
    ) {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let program = Program::new(command, policy, &arguments);
        let job = Job { about: about.clone(), purpose: purpose.to_owned(), program };
        let name = Arc::clone(&about.1);
        if self.shared.lanes().push(about, job) {
            self.shared.log.line(&format!(
                "{name} happens faster than its scripts run: older notifications are left out"
            ));
        }
        self.shared.news.notify_one();
    }

    /// Waits until all have ended.
    pub(super) async fn finish(&self) {
        if timeout(ORDERLY, self.shared.idle()).await.is_err() {
            self.shared.lanes().hurry();
            self.shared.news.notify_one();
            self.shared.idle().await;
        }
    }

    /// Asks those that run to end.
    pub(super) fn part(&self) {
        self.shared.parting.send_replace(true);
    }
}

impl Shared {
    fn tell(&self, job: &Job, ended: Option<String>) {
        if let (Some(of), name) = &job.about {
            let progress = Progress { of: *of, name: name.clone(), script: job.purpose.clone(), ended };
            let _ = self.progress.try_send(progress);
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes<Key, Job>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            if self.lanes().is_idle() {
                return;
            }
            ended.await;
        }
    }
}

async fn work(shared: Arc<Shared>) {
    let mut running = JoinSet::new();
    loop {
        loop {
            let Some((key, job)) = shared.lanes().next() else { break };
            let shared = Arc::clone(&shared);
            running.spawn(async move {
                run(&job, &shared).await;
                key
            });
        }
        tokio::select! {
            () = shared.news.notified() => {}
            Some(done) = running.join_next() => {
                let Ok(key) = done else { continue };
                let dropped = shared.lanes().done(&key);
                if dropped > 0 {
                    shared.log.line(&format!("{dropped} notifications of {} were left out", key.1));
                }
                shared.ended.notify_waiters();
            }
        }
    }
}

async fn run(job: &Job, shared: &Shared) {
    let ended = |how: &str, well: bool| {
        if !well {
            shared.log.line(&format!("{} failed: {how}", job.purpose));
        }
        shared.tell(job, Some(how.to_owned()));
    };
    let mut running = match job.program.start().await {
        Ok(running) => running,
        Err(error) => return ended(&error.to_string(), false),
    };
    shared.tell(job, None);
    if let Some(place) = running.unsafe_place()
        && shared.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(place.to_owned())
    {
        shared.log.line(&format!(
            "{} is run as root, though others than root can change {}: chown root and chmod go-w that, and set \
             enable_script_security",
            job.program.name(),
            place.display()
        ));
    }
    tokio::select! {
        outcome = timeout(LIMIT, running.wait()) => match outcome {
            Ok(Ok(how)) => {
                running.leave();
                ended(&how.to_string(), how == Ended::Exited(0));
            }
            Ok(Err(error)) => ended(&error.to_string(), false),
            Err(_) => {
                ended(&format!("it ran longer than {} s and is ended", LIMIT.as_secs()), false);
                running.end().await;
            }
        },
        () = until_set(shared.parting.subscribe()) => running.part(),
    }
}
