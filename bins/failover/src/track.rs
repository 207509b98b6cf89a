//! What is watched beside the protocol: interfaces, scripts, processes, files.
//!
//! A tracker says what it found; what that does to a priority is `lb_vrrp::track`'s to say. Each watches in tasks of its
//! own, and waits for nobody.

mod file;
mod interface;
mod lasting;
mod process;
mod script;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    io,
    os::fd::AsRawFd,
};

use lb_config::keepalived::model::{Config, Tracked, Tracks};
use lb_control::event::TrackerId;
use lb_vrrp::track::Status;
use tokio::{
    io::unix::AsyncFd,
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{program::Policy, task::Task};

/// A tracker was found to be something, or to be it for another reason, or there is something to say about it while it is
/// what it was: see [`TrackerId::wording`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which one.
    pub id: TrackerId,
    /// What, after rise, fall and delays were counted.
    pub status: Status,
    /// What was seen: `exited with status 1`, `timed out`, `is down`. Empty when there is nothing to add.
    pub detail: String,
}

/// Where trackers put what they found.
type Reports = mpsc::UnboundedSender<Report>;

/// Watches everything that a configuration tracks. Dropping it ends all of it, and the scripts that run.
#[derive(Debug)]
pub struct Trackers {
    reports: Reports,
    scripts: BTreeMap<String, (script::Spec, Task)>,
    interfaces: Watch<interface::Wanted>,
    processes: Watch<process::Wanted>,
    files: Watch<file::Wanted>,
}

impl Trackers {
    /// Watches nothing yet. To be called inside a tokio runtime.
    ///
    /// The queue has no bound, and needs none: each tracker puts into it what changed, and no more than a few times a
    /// second.
    pub fn start() -> (Self, mpsc::UnboundedReceiver<Report>) {
        let (reports, receiver) = mpsc::unbounded_channel();
        let trackers = Self {
            reports,
            scripts: BTreeMap::new(),
            interfaces: Watch::default(),
            processes: Watch::default(),
            files: Watch::default(),
        };
        (trackers, receiver)
    }

    /// Watches what this configuration tracks, and no more. What is the same as before goes on, with its counts and
    /// without another report; what is new is reported as soon as something is known of it.
    pub fn set(&mut self, config: &Config) {
        self.set_scripts(config);
        let interfaces = named(config, |tracks| &tracks.interfaces).into_iter().map(|name| {
            let delays = config.interface_delays.get(name).copied().unwrap_or_default();
            (name.to_owned(), delays)
        });
        self.interfaces.set(interfaces.collect(), &self.reports, interface::watch);
        let used = named(config, |tracks| &tracks.processes);
        let processes = config.processes.iter().filter(|(name, _)| used.contains(name.as_str()));
        let processes = processes.map(|(name, process)| (name.clone(), process::spec(process)));
        self.processes.set(processes.collect(), &self.reports, process::watch);
        let used = named(config, |tracks| &tracks.files);
        let files = config.files.iter().filter(|(name, _)| used.contains(name.as_str()));
        let files = files.map(|(name, file)| (name.clone(), file::spec(file)));
        self.files.set(files.collect(), &self.reports, file::watch);
    }

    fn set_scripts(&mut self, config: &Config) {
        let used = named(config, |tracks| &tracks.scripts);
        let policy = Policy::of(&config.globals);
        self.scripts.retain(|name, _| used.contains(name.as_str()));
        let mut started = 0;
        for script in config.scripts.values().filter(|script| used.contains(script.name.as_str())) {
            let spec = script::Spec::new(script, &policy);
            let before = self.scripts.get(&script.name);
            if before.is_some_and(|(running, _)| *running == spec) {
                continue;
            }
            let watch = spec.clone().watch(started, before.is_some(), self.reports.clone());
            self.scripts.insert(script.name.clone(), (spec, Task::start(watch)));
            started += 1;
        }
    }
}

/// What instances and groups name in one kind of block.
fn named(config: &Config, kind: impl Fn(&Tracks) -> &Vec<Tracked>) -> BTreeSet<&str> {
    let instances = config.instances.iter().map(|instance| &*instance.tracks);
    let groups = config.groups.iter().map(|group| &group.tracks);
    instances.chain(groups).flat_map(kind).map(|tracked| tracked.name.as_str()).collect()
}

/// One task for all trackers of a kind.
#[derive(Debug)]
struct Watch<Wanted>(Option<(watch::Sender<Wanted>, Task)>);

impl<Wanted> Default for Watch<Wanted> {
    fn default() -> Self {
        Self(None)
    }
}

impl<Wanted: Default + PartialEq> Watch<Wanted> {
    /// Says what is wanted from now on; there is no task before there is something.
    fn set<Work: Future<Output = ()> + Send + 'static>(
        &mut self,
        wanted: Wanted,
        reports: &Reports,
        work: impl FnOnce(watch::Receiver<Wanted>, Reports) -> Work,
    ) {
        match &self.0 {
            Some((sender, _)) => {
                sender.send_if_modified(|now| {
                    let differs = *now != wanted;
                    *now = wanted;
                    differs
                });
            }
            None if wanted == Wanted::default() => {}
            None => {
                let (sender, receiver) = watch::channel(wanted);
                self.0 = Some((sender, Task::start(work(receiver, reports.clone()))));
            }
        }
    }
}

/// Makes a descriptor known to the reactor.
#[expect(
    deprecated,
    reason = "what replaces it is unsafe, for types that do not keep their descriptor; these own it"
)]
pub(crate) fn pollable<T: AsRawFd>(descriptor: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::new(descriptor)
}

/// Waits until then; for ever, if it is not known.
async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
