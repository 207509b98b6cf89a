//! The thread that reads and writes.

use std::{
    path::Path,
    sync::{Arc, PoisonError, mpsc},
    time::Duration,
};

use lb_core::Time;

use super::{Found, Orders, Shared};
use crate::runtime::state_dir::{StateDir, StateDirError};

/// What could not be written is tried again so much later.
const RETRY: Duration = Duration::from_secs(2);

/// Opens the folder, tells what is in it, and writes until nothing will come any more.
pub(super) fn run(
    folder: &Path,
    shared: &Arc<Shared>,
    wall: Time,
    opened: &mpsc::Sender<Result<Found, String>>,
) {
    let folder = match open(folder, wall) {
        Ok((folder, found)) => {
            // It took too long: the daemon runs without it.
            if opened.send(Ok(found)).is_err() {
                return;
            }
            folder
        }
        Err(error) => {
            let _ = opened.send(Err(error.to_string()));
            return;
        }
    };
    while let Some(orders) = shared.take() {
        let saved = orders.write(&folder).map_err(|error| format!("{}: {error}", folder.path().display()));
        shared.saved(&orders, saved);
    }
}

fn open(folder: &Path, wall: Time) -> Result<(StateDir, Found), StateDirError> {
    let folder = StateDir::open(folder)?;
    let (orders, mut notes) = Orders::read(&folder, wall)?;
    notes.extend(orders.describe());
    Ok((folder, Found { orders, notes }))
}

impl Shared {
    /// Waits for orders that are to be written; `None` when there will be none.
    fn take(&self) -> Option<Orders> {
        let mut queue = self.lock();
        loop {
            if queue.unsaved && !queue.failed {
                queue.unsaved = false;
                queue.writing = true;
                return Some(queue.orders.clone());
            }
            if queue.closed {
                return None;
            }
            if queue.unsaved {
                let waited = self.came.wait_timeout(queue, RETRY);
                let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                queue = again;
                queue.failed &= !timeout.timed_out();
            } else {
                queue = self.came.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn saved(&self, orders: &Orders, saved: Result<(), String>) {
        self.set_orders_problem(saved.clone().err());
        let mut queue = self.lock();
        queue.writing = false;
        if saved.is_err() && queue.orders == *orders {
            (queue.unsaved, queue.failed) = (true, true);
        }
        if !queue.is_busy() {
            for waiting in queue.waiting.drain(..) {
                let _ = waiting.send(saved.clone());
            }
        }
        self.written.notify_all();
    }
}
