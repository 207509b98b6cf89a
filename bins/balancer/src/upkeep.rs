//! Keeps the data plane equal to what is decided, and says what it finds there, once.

use std::{collections::BTreeSet, time::Duration};

use lb_control::protocol::DataPlaneStatus;
use lb_core::{
    DataPlane, Event, Reconciler, Time,
    change::Change,
    dataplane::DataPlaneError,
    desired::Policy,
    event::{Cause, Subject, What},
    model::{ServiceKey, ServiceTable},
    reconcile::Report,
};
use lb_ipvs::sysctl::Assignment;
use lb_runtime::clock::Clock;

use super::{rates::Rates, tuning::Tuning};
use crate::plane::Opened;

/// How often rates are brought up to date, as often as the kernel's.
const SAMPLE: Duration = Duration::from_secs(2);

/// A data plane and what is known of it.
pub struct Upkeep {
    reconciler: Reconciler,
    why: String,
    error: Option<String>,
    refused: Vec<String>,
    /// What the data plane does not take, or does not change.
    refused_subjects: BTreeSet<Subject>,
    /// What keeps traffic from the services.
    obstacles: Vec<String>,
    foreign: BTreeSet<ServiceKey>,
    rates: Rates,
    tuning: Tuning,
    clock: Clock,
    interval: Duration,
    next_full_sync: Time,
    next_sample: Time,
}

/// What a sync has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The data plane as a whole, in words.
    Plane(String),
    /// One of its services or servers.
    Event(Event),
}

impl Upkeep {
    /// Keeps this data plane; `interval` is how often all of it is read and put right.
    pub fn new(plane: Opened, interval: Duration, clock: Clock) -> Self {
        Self {
            tuning: Tuning::new(plane.plane.name()),
            reconciler: Reconciler::new(plane.plane),
            why: plane.why,
            error: None,
            refused: Vec::new(),
            refused_subjects: BTreeSet::new(),
            obstacles: Vec::new(),
            foreign: BTreeSet::new(),
            rates: Rates::default(),
            clock,
            interval,
            next_full_sync: Time::ZERO,
            next_sample: Time::ZERO,
        }
    }

    /// The data plane.
    pub fn plane(&self) -> &dyn DataPlane {
        &**self.reconciler.plane()
    }

    /// Traffic per second.
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// What the data plane refuses at the moment.
    pub fn refused(&self) -> &[String] {
        &self.refused
    }

    /// Whether the data plane refuses a service, or a server or its service, at the moment.
    pub fn refuses(&self, subject: &Subject) -> bool {
        let refused = |subject| self.refused_subjects.contains(&subject);
        match *subject {
            Subject::Server(service, server) | Subject::Fallback(service, server) => {
                refused(Subject::Server(service, server)) || refused(Subject::Service(service))
            }
            subject => refused(subject),
        }
    }

    /// Whether the data plane has taken everything the last time.
    pub fn is_settled(&self) -> bool {
        self.error.is_none() && self.refused.is_empty()
    }

    /// Services in the data plane that are not ours.
    pub fn foreign(&self) -> &BTreeSet<ServiceKey> {
        &self.foreign
    }

    /// Takes services that are in the data plane already as our own: they go unless they are desired.
    pub fn own(&mut self, services: impl IntoIterator<Item = ServiceKey>) {
        self.reconciler.adopt(services);
    }

    /// Which data plane it is, why, and what is wrong with it.
    pub fn status(&self) -> DataPlaneStatus {
        DataPlaneStatus {
            name: self.plane().name().to_owned(),
            why: self.why.clone(),
            errors: [self.error.as_slice(), &self.refused, &self.obstacles, self.tuning.refused()].concat(),
            advice: self.tuning.advice().cloned().collect(),
        }
    }

    /// Sets these of the kernel's settings.
    pub fn tune(&mut self, wanted: &[Assignment]) -> Vec<Finding> {
        self.tuning.set(wanted).into_iter().map(Finding::Plane).collect()
    }

    /// Says what of the kernel's settings would be better for these services, once, and again when it changes for the worse.
    pub fn advise(&mut self, policy: &Policy) -> Vec<Finding> {
        self.tuning.judge(policy).into_iter().map(Finding::Plane).collect()
    }

    /// What would have to be changed now to make the data plane that.
    ///
    /// # Errors
    /// When the data plane does not answer.
    pub async fn plan(&self, desired: &ServiceTable) -> Result<Vec<Change>, DataPlaneError> {
        self.reconciler.plan(desired).await
    }

    /// Makes the data plane what is desired, from what it is known to hold.
    pub async fn sync(&mut self, desired: &ServiceTable) -> Vec<Finding> {
        let result = self.reconciler.sync(desired).await;
        self.found(result)
    }

    /// To be called about once a second: brings rates up to date, and when it is time reads the whole data plane.
    pub async fn beat(&mut self, desired: &ServiceTable) -> Vec<Finding> {
        let now = self.clock.now();
        if now >= self.next_sample
            && let Ok(counters) = self.plane().counters().await
        {
            self.rates.sample(now, counters);
            // A data plane that counts slowly is asked less often.
            self.next_sample = now + SAMPLE.max((self.clock.now() - now) * 20);
        }
        if now < self.next_full_sync {
            return self.sync(desired).await;
        }
        let mut findings = self.full_sync(desired).await;
        findings.extend(self.look_for_obstacles(desired).await);
        findings.extend(self.tuning.look().into_iter().map(Finding::Plane));
        findings
    }

    /// Says what is new about them, and what is gone.
    async fn look_for_obstacles(&mut self, desired: &ServiceTable) -> Vec<Finding> {
        let found = self.plane().obstacles(desired).await;
        let before = std::mem::replace(&mut self.obstacles, found);
        let new = self.obstacles.iter().filter(|line| !before.contains(line)).cloned();
        let gone = before.iter().filter(|line| !self.obstacles.contains(line));
        new.chain(gone.map(|line| format!("Resolved: {line}"))).map(Finding::Plane).collect()
    }

    /// Returns when somebody else has changed the data plane, if there is one, and a full sync is due. Cancel safe.
    pub async fn changed(upkeep: Option<&Self>) {
        match upkeep {
            Some(upkeep) => upkeep.plane().changed().await,
            None => std::future::pending().await,
        }
    }

    /// Reads the whole data plane and puts it right.
    pub async fn full_sync(&mut self, desired: &ServiceTable) -> Vec<Finding> {
        self.next_full_sync = self.clock.now() + self.interval;
        let result = self.reconciler.full_sync(desired).await;
        if let Ok(report) = &result {
            self.foreign.retain(|service| report.foreign.contains(service));
        }
        self.found(result)
    }

    /// Leaves these services in the data plane, and nothing else of ours.
    pub async fn stop(&mut self, leaving: &ServiceTable) -> Vec<Finding> {
        let mut findings = self.full_sync(leaving).await;
        if let Err(error) = self.plane().release().await {
            findings.push(Finding::Plane(format!(
                "The data plane keeps what holds no service any more: {error}"
            )));
        }
        findings
    }

    /// What is new about a sync: not again what was said the last time.
    fn found(&mut self, result: Result<Report, DataPlaneError>) -> Vec<Finding> {
        let report = match result {
            Ok(report) => report,
            Err(error) => {
                let text = error.to_string();
                let said = self.error.as_deref() == Some(&text);
                let line = Finding::Plane(format!("The data plane does not answer: {text}"));
                self.error = Some(text);
                return if said { Vec::new() } else { vec![line] };
            }
        };
        let mut findings = Vec::new();
        if self.error.take().is_some() {
            findings.push(Finding::Plane("The data plane answers again".to_owned()));
        }
        let at = self.clock.now();
        let mut event =
            |subject, what, cause| findings.push(Finding::Event(Event { at, subject, what, cause }));
        let repaired: BTreeSet<Subject> = report.interference.iter().map(Subject::from).collect();
        for subject in repaired {
            event(subject, What::Repaired, Cause::Interference);
        }
        let by_hand = report.interference.iter().filter_map(drained_by_hand).map(Finding::Plane);
        let refused: Vec<String> = report.refused.iter().map(|(_, error)| error.to_string()).collect();
        for (text, (change, _)) in refused.iter().zip(&report.refused) {
            if !self.refused.contains(text) {
                event(Subject::from(change), What::Refused, Cause::DataPlane(text.clone()));
            }
        }
        self.refused = refused;
        self.refused_subjects = report.refused.iter().map(|(change, _)| Subject::from(change)).collect();
        for service in &report.foreign {
            if self.foreign.insert(*service) {
                event(Subject::Service(*service), What::Foreign, Cause::Interference);
            }
        }
        findings.extend(by_hand);
        findings
    }
}

/// What to do instead, if somebody wanted to take a server out of service as one does without a daemon:
/// `ipvsadm -e … -w 0`, or `ipvsadm -d`.
fn drained_by_hand(change: &Change) -> Option<String> {
    let (service, server, what) = match change {
        Change::EditServer { service, server, spec } if spec.weight.is_zero() => {
            (service, server, "gave it weight 0")
        }
        Change::RemoveServer { service, server } => (service, server, "removed it"),
        _ => return None,
    };
    Some(format!(
        "{server} ({service}) is in service again although somebody else {what}: to drain it use `lbctl drain {server}`"
    ))
}

#[cfg(test)]
mod tests;
