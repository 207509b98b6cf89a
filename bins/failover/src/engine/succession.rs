//! What the supervisor is told, so that it can speak for this process when that is dead, and another one go on.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use lb_config::keepalived::model::{Authentication, Instance};
use lb_core::Time;
use lb_runtime::log::Log;
use lb_vrrp::driver::{self, Resignation};
use nix::net::if_::if_nametoindex;
use tokio::time::Instant;

use super::{Engine, Options};
use crate::{
    balance,
    inventory::{self, Recorder, Resumed},
    supervise::Resume,
};

/// The supervisor is told of changes so much later, together.
const SOON: Duration = Duration::from_millis(2);
/// So many at a time, so that the protocol is asked for little at a time.
const PORTION: usize = 256;

/// Instances of which the supervisor is to be told.
#[derive(Debug, Default)]
pub(super) struct Unsaid {
    names: BTreeSet<Arc<str>>,
    due: Option<Instant>,
}

impl Unsaid {
    pub(super) fn add(&mut self, name: Arc<str>) {
        self.names.insert(name);
        self.due.get_or_insert_with(|| Instant::now() + SOON);
    }

    /// Waits until there is something to say. Cancel safe.
    pub(super) async fn due(&self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    fn take(&mut self) -> Vec<Arc<str>> {
        let names = std::iter::from_fn(|| self.names.pop_first()).take(PORTION).collect();
        self.due = (!self.names.is_empty()).then(|| Instant::now() + SOON);
        names
    }
}

/// Resignations with numbers are good for a million messages, which are three hours at 10 ms.
const RENEWAL: Duration = Duration::from_secs(3600);

/// Removes the addresses of a predecessor that no instance goes on with.
pub(super) async fn remove_stale(
    instances: &[driver::Instance],
    resume: &Resume,
    recorder: &Recorder,
    log: &Log,
) {
    let resumed = instances.iter().filter(|instance| resume.has(&instance.name));
    let stale = Resumed::of(resumed, |name| if_nametoindex(name).ok()).stale(resume.inventory());
    if stale.is_empty() {
        return;
    }
    let failed = inventory::remove(stale.clone()).await;
    for (entry, said) in &failed {
        log.line(&format!("{entry} cannot be removed: {said}"));
    }
    recorder.remove(stale.into_iter().filter(|entry| !failed.contains_key(entry)));
}

/// How virtual servers are kept, with the services of a predecessor.
pub(super) fn balance(options: &Options, recorder: &Recorder, resume: &Resume) -> balance::Settings {
    let services = resume.inventory().iter().filter(|entry| entry.is_service());
    balance::Settings {
        recorder: recorder.clone(),
        inventory: services.cloned().collect(),
        ..options.balance.clone()
    }
}

impl Engine {
    /// Has resignations made anew that become too old.
    pub(super) fn renew(&mut self, now: Time) {
        if now < self.renewal {
            return;
        }
        self.renewal = now + RENEWAL;
        let numbered = |model: &&Instance| matches!(model.authentication, Authentication::Ah(_));
        for model in self.config.instances.iter().filter(numbered) {
            self.unsaid.add(model.name.as_str().into());
        }
    }

    /// Tells the supervisor what would resign those that are Active now, some at a time.
    pub(super) async fn tell_supervisor(&mut self) {
        let mut names = self.unsaid.take();
        if !self.supervised.is_supervised() {
            return;
        }
        let is_active =
            |name: &Arc<str>| self.state.instance(name).is_some_and(|(_, instance)| instance.is_active());
        names.retain(|name| {
            let active = is_active(name);
            if !active {
                self.supervised.inactive(name);
            }
            active
        });
        let words: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let control = &self.vrrp.control;
        let (Ok(made), Ok(mut snapshot)) =
            (control.resignations_of(words.clone()).await, control.snapshot_of(words).await)
        else {
            return;
        };
        let mut resignations: HashMap<String, Vec<Resignation>> = HashMap::new();
        for resignation in made {
            resignations.entry(resignation.instance.clone()).or_default().push(resignation);
        }
        for name in names {
            let Some(model) = self.model(&name) else { continue };
            let made = resignations.remove(&*name).unwrap_or_default();
            if let Some(router) = snapshot.instances.remove(&*name) {
                let sequence = snapshot.sequences.remove(&*name);
                self.supervised.active(&name, made, router, sequence, model.advert_int.duration());
            }
        }
    }
}
