//! The thread that reads and writes.

use std::{
    path::Path,
    sync::{Arc, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

use lb_core::Time;
use lb_runtime::state_dir::{StateDir, StateDirError};

use super::{Found, Orders, Queue, Shared, run::Run, segments};

/// What could not be written is tried again so much later.
const RETRY: Duration = Duration::from_secs(2);

/// What is to be written together.
struct Work {
    orders: Option<Orders>,
    lines: String,
    /// Records in the lines.
    pending: u64,
    stopped: bool,
}

/// Opens the folder, tells what is in it, and writes until nothing will come any more.
pub(super) fn run(
    folder: &Path,
    shared: &Arc<Shared>,
    wall: Time,
    opened: &mpsc::Sender<Result<(Found, u64), String>>,
) {
    let (folder, run) = match open(folder, wall) {
        Ok((folder, run, found)) => {
            // It took too long: the daemon runs without it.
            if opened.send(Ok((found, run.run))).is_err() {
                return;
            }
            (folder, run)
        }
        Err(error) => {
            let _ = opened.send(Err(error.to_string()));
            return;
        }
    };
    let named = |error: std::io::Error| format!("{}: {error}", folder.path().display());
    shared.set_journal_problem(run.write(&folder, false).map_err(named).err());
    while let Some(Work { orders, lines, pending, stopped }) = shared.take() {
        if let Some(orders) = orders {
            shared.saved(&orders, orders.write(&folder).map_err(named));
        }
        if !lines.is_empty() {
            let rotate = || {
                let _reading = shared.reading.lock().unwrap_or_else(PoisonError::into_inner);
                segments::rotate(folder.path())
            };
            shared.appended(pending, segments::append(folder.path(), &lines, rotate).map_err(named));
        }
        if stopped {
            let _ = run.write(&folder, true);
        }
        shared.done();
    }
}

fn open(folder: &Path, wall: Time) -> Result<(StateDir, Run, Found), StateDirError> {
    let folder = StateDir::open(folder)?;
    let (orders, mut notes) = Orders::read(&folder, wall)?;
    notes.extend(orders.describe());
    let unusable = |source| StateDirError::Unusable { path: folder.path().to_owned(), source };
    notes.extend(segments::check(&folder).map_err(unusable)?);
    let (run, crashed) = Run::begin(&folder, wall);
    Ok((folder, run, Found { orders, notes, crashed }))
}

impl Shared {
    /// Waits for something that is to be written; `None` when there will be nothing.
    fn take(&self) -> Option<Work> {
        let mut queue = self.lock();
        loop {
            if queue.has_work() {
                queue.writing = true;
                let orders = queue.unsaved && !queue.failed;
                queue.unsaved &= !orders;
                queue.saving = orders;
                let orders = orders.then(|| queue.orders.clone());
                let lines = std::mem::take(&mut queue.lines);
                let pending = std::mem::take(&mut queue.pending);
                return Some(Work { orders, lines, pending, stopped: std::mem::take(&mut queue.stopped) });
            }
            if queue.closed {
                return None;
            }
            queue = self.wait(queue);
        }
    }

    /// Orders that could not be written are tried again after some time.
    fn wait<'a>(&'a self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        if !queue.unsaved {
            return self.came.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut queue, timeout) =
            self.came.wait_timeout(queue, RETRY).unwrap_or_else(PoisonError::into_inner);
        queue.failed &= !timeout.timed_out();
        queue
    }

    fn saved(&self, orders: &Orders, saved: Result<(), String>) {
        self.set_orders_problem(saved.clone().err());
        let mut queue = self.lock();
        queue.saving = false;
        if saved.is_err() && queue.orders == *orders {
            (queue.unsaved, queue.failed) = (true, true);
        }
        // Newer orders are waited for.
        if !queue.unsaved || queue.failed {
            for waiting in queue.waiting.drain(..) {
                let _ = waiting.send(saved.clone());
            }
        }
    }

    fn appended(&self, pending: u64, appended: Result<(), String>) {
        if appended.is_err() {
            self.lock().lost += pending;
        }
        self.set_journal_problem(appended.err());
    }

    fn done(&self) {
        self.lock().writing = false;
        self.written.notify_all();
    }
}
