//! The daemon's side: entries on their way to the supervisor.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Entry, Inventory};
use crate::supervise::Line;

/// A supervisor that takes longer to read is stopped or hangs: the daemon goes on without it.
const RECORD_TIMEOUT: Duration = Duration::from_secs(1);

/// Records what is installed. Clones record in the same place; without a supervisor nothing is recorded.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    inventory: Mutex<Inventory>,
    line: Line,
}

impl Recorder {
    /// Records through this line; the supervisor has these entries already.
    pub(crate) fn new(line: Line, inventory: Inventory) -> Self {
        Self(Some(Arc::new(Shared { inventory: Mutex::new(inventory), line })))
    }

    /// Records entries, and waits until this process may die without their being lost. To be called before the objects are
    /// installed.
    pub async fn add(&self, entries: impl IntoIterator<Item = Entry>) {
        let Some(shared) = &self.0 else { return };
        let new: Vec<Entry> = {
            let mut inventory = shared.inventory();
            entries.into_iter().filter(|entry| inventory.insert(entry.clone())).collect()
        };
        if !new.is_empty() {
            shared.line.record(new, RECORD_TIMEOUT).await;
        }
    }

    /// Takes entries back. To be called after the objects were removed.
    pub fn remove(&self, entries: impl IntoIterator<Item = Entry>) {
        let Some(shared) = &self.0 else { return };
        let mut inventory = shared.inventory();
        let gone: Vec<Entry> = entries.into_iter().filter(|entry| inventory.remove(entry)).collect();
        drop(inventory);
        if !gone.is_empty() {
            shared.line.removed(gone);
        }
    }

    /// Takes back the entries for which this is true.
    pub fn remove_if(&self, is_gone: impl Fn(&Entry) -> bool) {
        let Some(shared) = &self.0 else { return };
        let gone: Vec<Entry> = shared.inventory().iter().filter(|entry| is_gone(entry)).cloned().collect();
        self.remove(gone);
    }
}

impl Shared {
    fn inventory(&self) -> MutexGuard<'_, Inventory> {
        self.inventory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
