//! Keeps a data plane equal to what is desired, whatever happens to either.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    change::Change,
    dataplane::{DataPlane, DataPlaneError, ErrorKind},
    diff::diff,
    model::{ServiceKey, ServiceTable},
};

/// Level-triggered: every [`sync`](Self::sync) compares the whole desired table with what the data plane holds, so a
/// lost step is made up for by the next one. Owns the services that were desired once, or were
/// [adopted](Self::adopt), and all services of an [exclusive](DataPlane::is_exclusive) data plane; everything else in
/// the data plane is foreign and left alone.
pub struct Reconciler {
    plane: Arc<dyn DataPlane>,
    owned: BTreeSet<ServiceKey>,
    /// What the owned services in the data plane looked like after the last sync; `None` = not known.
    observed: Option<ServiceTable>,
}

/// What a sync has found and done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What somebody else has done to owned services since the last sync: from what we left to what we found.
    pub interference: Vec<Change>,
    /// What was changed, in order.
    pub applied: Vec<Change>,
    /// What the data plane refused, and why; not the servers of a service that it refused. The next sync tries again.
    pub refused: Vec<(Change, DataPlaneError)>,
    /// Services that are not ours. Only a [full](Reconciler::full_sync) sync looks for them.
    pub foreign: BTreeSet<ServiceKey>,
}

impl Reconciler {
    /// Owns nothing yet.
    pub fn new(plane: Arc<dyn DataPlane>) -> Self {
        Self { plane, owned: BTreeSet::new(), observed: None }
    }

    /// The data plane.
    pub fn plane(&self) -> &Arc<dyn DataPlane> {
        &self.plane
    }

    /// Takes services that are in the data plane already as our own, so that they are removed when they are not
    /// desired. (Services that are desired are owned without it.)
    pub fn adopt(&mut self, services: impl IntoIterator<Item = ServiceKey>) {
        self.owned.extend(services);
        self.observed = None;
    }

    /// Makes the data plane what is desired, from what it is known to hold. The first sync, and the first
    /// after anything went wrong, is a [full](Self::full_sync) one.
    ///
    /// # Errors
    /// When the data plane does not answer; nothing is known of it then, and the next sync is a full one.
    pub async fn sync(&mut self, desired: &ServiceTable) -> Result<Report, DataPlaneError> {
        match self.observed.take() {
            Some(observed) => self.approach(observed, desired, Report::default()).await,
            None => self.full_sync(desired).await,
        }
    }

    /// The same, from a fresh snapshot: finds what others did to the data plane, and puts it right.
    ///
    /// # Errors
    /// As [`sync`](Self::sync).
    pub async fn full_sync(&mut self, desired: &ServiceTable) -> Result<Report, DataPlaneError> {
        let expected = self.observed.take();
        let mut found = self.plane.snapshot().await?;
        self.owned.extend(desired.services.keys());
        let exclusive = self.plane.is_exclusive();
        let mut report = Report::default();
        found.services.retain(|key, _| {
            let owned = exclusive || self.owned.contains(key);
            if !owned {
                report.foreign.insert(*key);
            }
            owned
        });
        if let Some(expected) = expected {
            report.interference = diff(&expected, &found);
        }
        self.approach(found, desired, report).await
    }

    /// What a [full sync](Self::full_sync) would change at this moment. Changes nothing.
    ///
    /// # Errors
    /// When the data plane does not answer.
    pub async fn plan(&self, desired: &ServiceTable) -> Result<Vec<Change>, DataPlaneError> {
        let mut found = self.plane.snapshot().await?;
        let exclusive = self.plane.is_exclusive();
        found
            .services
            .retain(|key, _| exclusive || self.owned.contains(key) || desired.services.contains_key(key));
        Ok(diff(&found, desired))
    }

    async fn approach(
        &mut self,
        mut observed: ServiceTable,
        desired: &ServiceTable,
        mut report: Report,
    ) -> Result<Report, DataPlaneError> {
        self.owned.extend(desired.services.keys());
        let batch = diff(&observed, desired);
        if !batch.is_empty() {
            let mut missing = BTreeSet::new();
            let mut refused = self.plane.apply(&batch).await?.into_iter().peekable();
            for (index, change) in batch.into_iter().enumerate() {
                if let Some(refusal) = refused.next_if(|refusal| refusal.index == index) {
                    // Its servers have nowhere to go, which is no news.
                    match &change {
                        Change::AddService { service, .. } => drop(missing.insert(*service)),
                        Change::AddServer { service, .. } if missing.contains(service) => continue,
                        _ => {}
                    }
                    report.refused.push((change, refusal.error));
                } else if change.apply(&mut observed).is_ok() {
                    report.applied.push(change);
                }
            }
        }
        // What is neither there nor desired is nobody's: somebody else may add it later.
        self.owned.retain(|key| observed.services.contains_key(key) || desired.services.contains_key(key));
        // What can not be done leaves the picture as it is; that something is there already, or is gone, shows an old one.
        let is_known = |error: &DataPlaneError| {
            use ErrorKind::{Address, Denied, Invalid, Limit, Unsupported};
            matches!(error.kind, Unsupported | Denied | Address | Limit | Invalid)
        };
        if report.refused.iter().all(|(_, error)| is_known(error)) {
            self.observed = Some(observed);
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests;
