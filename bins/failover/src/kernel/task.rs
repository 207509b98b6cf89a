//! Brings what is wanted and what is there together.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    time::Duration,
};

use lb_runtime::log::Log;
use tokio::{sync::watch, time::sleep};

use crate::inventory::{Entry, Inventory, Recorder};

use super::{
    batch::{self, Doing, Outcome, Step, take},
    filter::{self, Filter},
    removals::Removals,
    settings::Promoted,
    wanted::{Item, Wanted},
};

/// How often it is seen to that everything is still there, and what failed is tried again. In tests it is the kernel's
/// reports that count.
const PERIOD: Duration = Duration::from_secs(if cfg!(test) { 3600 } else { 10 });
/// When it is tried again after it failed for the first time; after the last one every [`PERIOD`].
const SOON: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(1000),
];

/// What was done, and what could not be.
#[derive(Debug)]
pub(super) struct Task {
    log: Log,
    wanted: watch::Receiver<Wanted>,
    /// `None` where the kernel does not notify.
    removals: Option<Removals>,
    recorder: Recorder,
    /// What a predecessor may have left: objects, and tables of the filter.
    inherited: Vec<Item>,
    inherited_tables: Vec<String>,
    /// In the order in which they were added.
    there: Vec<Item>,
    /// What could not be added, and what was said of it last.
    failing: HashMap<Item, Option<String>>,
    filter: Option<Filter>,
    filter_failed: Option<String>,
    promoted: Promoted,
    promote_failed: BTreeMap<String, String>,
    /// How often it was tried in vain since something was wanted.
    attempt: usize,
}

impl Task {
    pub(super) fn new(
        log: Log,
        wanted: watch::Receiver<Wanted>,
        recorder: Recorder,
        inventory: &Inventory,
    ) -> Self {
        let (mut inherited, mut inherited_tables) = (Vec::new(), Vec::new());
        for entry in inventory {
            match entry {
                Entry::Item(item) => inherited.push(item.clone()),
                Entry::Table(name) => inherited_tables.push(name.clone()),
                _ => {}
            }
        }
        let removals = Removals::start();
        if let Err(error) = &removals {
            log.line(&format!(
                "routes and rules are looked at every {} s only, since the kernel does not report removals: {error}",
                PERIOD.as_secs()
            ));
        }
        Self {
            log,
            wanted,
            removals: removals.ok(),
            recorder,
            inherited,
            inherited_tables,
            there: Vec::new(),
            failing: HashMap::new(),
            filter: None,
            filter_failed: None,
            promoted: Promoted::of(inventory),
            promote_failed: BTreeMap::new(),
            attempt: 0,
        }
    }

    /// Until nothing is wanted any longer, or nobody is left to want anything.
    pub(super) async fn run(mut self) {
        loop {
            let wanted = self.wanted.borrow_and_update().clone();
            self.sync(&wanted).await;
            if wanted.ended {
                return;
            }
            let pause = self.pause();
            tokio::select! {
                changed = self.wanted.changed() => match changed {
                    Ok(()) => self.attempt = 0,
                    Err(_) => return,
                },
                result = removed(&mut self.removals) => match result {
                    Ok(()) => self.look().await,
                    Err(error) => {
                        self.log.line(&format!("the kernel's reports of removals have ended: {error}"));
                        self.removals = None;
                    }
                },
                () = sleep(pause) => {
                    self.attempt = self.attempt.saturating_add(1);
                    if self.attempt > SOON.len() || self.failing.is_empty() {
                        self.look().await;
                    }
                }
            }
        }
    }

    fn pause(&self) -> Duration {
        let soon = SOON.get(self.attempt).filter(|_| !self.failing.is_empty());
        soon.copied().unwrap_or(PERIOD)
    }

    /// Removes what is no longer wanted, the last one first, then adds what is missing.
    async fn sync(&mut self, wanted: &Wanted) {
        let items = wanted.items();
        let known: HashSet<&Item> = items.iter().copied().collect();
        let (kept, mut gone): (Vec<Item>, Vec<Item>) =
            std::mem::take(&mut self.there).into_iter().partition(|item| known.contains(item));
        self.there = kept;
        gone.extend(std::mem::take(&mut self.inherited).into_iter().filter(|item| !known.contains(item)));
        self.failing.retain(|item, _| known.contains(item));
        let there: HashSet<&Item> = self.there.iter().collect();
        let missing: Vec<&Item> = items.into_iter().filter(|item| !there.contains(item)).collect();
        self.recorder.add(missing.iter().map(|&item| Entry::Item(item.clone()))).await;
        let removed = gone.iter().rev().map(|item| Step { item, doing: Doing::Remove });
        let added = missing.iter().map(|item| Step { item, doing: Doing::Add });
        let steps: Vec<Step<'_>> = removed.chain(added).collect();
        let mut done = Vec::new();
        for (step, outcome) in steps.iter().zip(take(&steps).await) {
            match (step.doing, outcome) {
                (Doing::Remove, Outcome::Failed(said)) => {
                    self.log.line(&format!("{} can not be removed: {said}", step.item));
                }
                (Doing::Remove, _) => self.recorder.remove([Entry::Item(step.item.clone())]),
                (_, Outcome::Failed(said)) => {
                    // One that hung may have added it.
                    if !said.starts_with(batch::NOT_RUN) {
                        self.recorder.remove([Entry::Item(step.item.clone())]);
                    }
                    self.failed(step.item, said);
                }
                (..) => {
                    if let Some(Some(_)) = self.failing.remove(step.item) {
                        self.log.line(&format!("{} is added", step.item));
                    }
                    done.push(step.item.clone());
                }
            }
        }
        self.there.extend(done);
        if let Some(removals) = self.removals.as_mut().filter(|_| !gone.is_empty()) {
            removals.forget();
        }
        self.sync_filter(wanted).await;
        self.sync_settings(wanted).await;
    }

    /// Says so once, and only when it does not pass by itself.
    fn failed(&mut self, item: &Item, said: String) {
        let before = self.failing.entry(item.clone()).or_default();
        if self.attempt >= SOON.len() && before.as_ref() != Some(&said) {
            self.log.line(&format!(
                "{item} can not be added: {said}; it is tried again every {} s",
                PERIOD.as_secs()
            ));
            *before = Some(said);
        }
    }

    async fn sync_filter(&mut self, wanted: &Wanted) {
        let table = wanted.filter.as_ref().map(|filter| &filter.table);
        for inherited in std::mem::take(&mut self.inherited_tables) {
            if Some(&inherited) == table {
                continue;
            }
            match filter::remove(&inherited).await {
                Ok(()) => self.recorder.remove([Entry::Table(inherited)]),
                Err(said) => self.log.line(&format!("table inet {inherited} can not be removed: {said}")),
            }
        }
        if self.filter == wanted.filter {
            return;
        }
        self.recorder.add(table.map(|table| Entry::Table(table.clone()))).await;
        match filter::replace(self.filter.as_ref(), wanted.filter.as_ref()).await {
            Ok(()) => {
                self.recorder.remove_if(|entry| matches!(entry, Entry::Table(name) if Some(name) != table));
                self.filter.clone_from(&wanted.filter);
                self.filter_failed = None;
            }
            Err(said) if self.filter_failed.as_ref() == Some(&said) => {}
            Err(said) => {
                self.log.line(&format!("packets for `no_accept` can not be filtered: {said}"));
                self.filter_failed = Some(said);
            }
        }
    }

    async fn sync_settings(&mut self, wanted: &Wanted) {
        let Self { log, recorder, promoted, promote_failed, .. } = self;
        promote_failed.retain(|interface, _| wanted.promoted.contains(interface));
        let failed = |interface: &str, error: std::io::Error| {
            let said = error.to_string();
            if promote_failed.get(interface) != Some(&said) {
                log.line(&format!("promote_secondaries can not be set for {interface}: {said}"));
                promote_failed.insert(interface.to_owned(), said);
            }
        };
        promoted.set(&wanted.promoted, recorder, failed).await;
    }

    /// Puts back what somebody else removed.
    async fn look(&mut self) {
        if self.there.is_empty() && self.filter.is_none() {
            return;
        }
        let tracked = self.there.iter().filter(|item| item.tracked);
        let steps: Vec<Step<'_>> = tracked.map(|item| Step { item, doing: Doing::PutBack }).collect();
        for (step, outcome) in steps.iter().zip(take(&steps).await) {
            match outcome {
                Outcome::Done => {
                    self.log.line(&format!("{} was removed by somebody else, and is put back", step.item))
                }
                Outcome::AsItWas => {}
                Outcome::Failed(said) => {
                    self.log.line(&format!(
                        "{} was removed by somebody else, and can not be put back: {said}",
                        step.item
                    ));
                }
            }
        }
        if let Some(filter) = &self.filter
            && !filter::is_there(filter).await
        {
            self.log
                .line(&format!("table inet {} was removed by somebody else, and is put back", filter.table));
            // The next comparison finds that it is missing.
            self.filter = None;
        }
    }
}

/// Something was removed; never, where the kernel does not notify. Cancel safe.
async fn removed(removals: &mut Option<Removals>) -> io::Result<()> {
    match removals {
        Some(removals) => removals.removed().await,
        None => std::future::pending().await,
    }
}
