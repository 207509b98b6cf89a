//! A data plane that moves nothing: for tests, dry runs and fault injection.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use crate::{
    change::{Change, ChangeError},
    dataplane::{Connection, DataPlane, DataPlaneError, ErrorKind, Refused, ServiceCounters},
    model::{ServerKey, ServiceKey, ServiceTable},
};

/// Holds a table in memory and obeys the rules of [`Change::apply`]. Faults can be planned, and the table can be
/// changed behind the caller's back.
#[derive(Debug, Default)]
pub struct MemoryDataPlane {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    table: ServiceTable,
    history: Vec<Change>,
    faults: VecDeque<Fault>,
    refused: BTreeMap<(ServiceKey, Option<ServerKey>), DataPlaneError>,
    calls: usize,
}

/// What is to go wrong at one of the next calls of `snapshot` or `apply`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call does nothing and fails.
    Fail(DataPlaneError),
    /// `apply` makes only so many changes of its batch and then fails; `snapshot` fails.
    FailAfter(usize, DataPlaneError),
}

impl MemoryDataPlane {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// A table that was there before.
    pub fn with_table(table: ServiceTable) -> Self {
        Self { state: Mutex::new(State { table, ..State::default() }) }
    }

    /// The table as it is.
    pub fn table(&self) -> ServiceTable {
        self.lock().table.clone()
    }

    /// Every change that was made so far, in order.
    pub fn history(&self) -> Vec<Change> {
        self.lock().history.clone()
    }

    /// How often `snapshot` and `apply` were called.
    pub fn calls(&self) -> usize {
        self.lock().calls
    }

    /// Plans a fault for the next call that has none yet.
    pub fn inject(&self, fault: Fault) {
        self.lock().faults.push_back(fault);
    }

    /// From now on changes of this service (or this server of it) are refused; `None` lifts it.
    pub fn refuse(&self, service: ServiceKey, server: Option<ServerKey>, error: Option<DataPlaneError>) {
        let refused = &mut self.lock().refused;
        match error {
            Some(error) => refused.insert((service, server), error),
            None => refused.remove(&(service, server)),
        };
    }

    /// Changes the table as somebody else would, without the caller's knowledge.
    pub fn interfere(&self, edit: impl FnOnce(&mut ServiceTable)) {
        edit(&mut self.lock().table);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_fault(&mut self) -> Option<Fault> {
        self.calls += 1;
        self.faults.pop_front()
    }

    fn make(&mut self, change: &Change) -> Result<(), DataPlaneError> {
        if let Some(error) = self.refused.get(&(*change.service(), change.server().copied())) {
            return Err(error.clone());
        }
        change.apply(&mut self.table).map_err(|error| {
            let kind = match error {
                ChangeError::Exists => ErrorKind::Exists,
                ChangeError::NoSuchService | ChangeError::NoSuchServer => ErrorKind::NotFound,
            };
            DataPlaneError::new(kind, format!("{change}: {error}"))
        })?;
        self.history.push(change.clone());
        Ok(())
    }
}

#[async_trait]
impl DataPlane for MemoryDataPlane {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn snapshot(&self) -> Result<ServiceTable, DataPlaneError> {
        let mut state = self.lock();
        match state.next_fault() {
            Some(Fault::Fail(error) | Fault::FailAfter(_, error)) => Err(error),
            None => Ok(state.table.clone()),
        }
    }

    async fn apply(&self, batch: &[Change]) -> Result<Vec<Refused>, DataPlaneError> {
        let mut state = self.lock();
        let (made, failure) = match state.next_fault() {
            Some(Fault::Fail(error)) => (0, Some(error)),
            Some(Fault::FailAfter(made, error)) => (made, Some(error)),
            None => (batch.len(), None),
        };
        let mut refused = Vec::new();
        for (index, change) in batch.iter().enumerate().take(made) {
            if let Err(error) = state.make(change) {
                refused.push(Refused { index, error });
            }
        }
        failure.map_or(Ok(refused), Err)
    }

    async fn counters(&self) -> Result<BTreeMap<ServiceKey, ServiceCounters>, DataPlaneError> {
        let state = self.lock();
        let counted = state.table.services.iter().map(|(key, service)| {
            let servers = service.servers.keys().map(|server| (*server, Default::default())).collect();
            (*key, ServiceCounters { servers, ..ServiceCounters::default() })
        });
        Ok(counted.collect())
    }

    async fn connections(&self, _limit: usize) -> Result<Vec<Connection>, DataPlaneError> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests;
