//! What a daemon keeps on disk, so that it outlives the process: the operator's orders, and its journal.
//!
//! A thread reads and writes, so that a disk that is slow, stuck or full never delays an advertisement or a check.

mod orders;
mod run;
mod segments;
mod writer;

use std::{
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use lb_core::Time;
use lb_runtime::{clock::Clock, log::Log};
use tokio::sync::oneshot;

pub use self::orders::Orders;
use super::protocol::{Answer, Entry, Maintenance, Record, ServerOrder};

/// A disk that does not answer for so long at the start is not waited for.
const OPEN_TIMEOUT: Duration = Duration::from_secs(3);
/// Records that wait for the disk, in bytes. More are counted, and left out.
const QUEUE_SIZE: usize = 4 << 20;
/// A reader of the journal waits so long for what is not on disk yet.
const READ_TIMEOUT: Duration = Duration::from_secs(1);
/// An order that was not written after so long is answered nevertheless.
const SAVE_TIMEOUT: Duration = Duration::from_secs(3);

/// The state that a daemon keeps; clones are the same. By default nothing is kept, and that is not a problem.
#[derive(Clone, Debug, Default)]
pub struct Store(Option<Arc<Handle>>);

/// What an earlier process has left.
#[derive(Debug, Default)]
pub struct Found {
    /// Orders that are still in force.
    pub orders: Orders,
    /// What there is to say about others, for the log.
    pub notes: Vec<String>,
    /// How the process before this one ended, if it did not stop by itself.
    pub crashed: Option<String>,
}

/// When the last one is dropped, the thread writes what is left, and ends.
#[derive(Debug)]
struct Handle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something to write, or nothing will come any more.
    came: Condvar,
    /// Everything was written, or could not be.
    written: Condvar,
    /// Held while files are opened to be read, and while one takes the place of the other.
    reading: Mutex<()>,
    log: Log,
}

#[derive(Debug, Default)]
struct Queue {
    orders: Orders,
    /// The orders are not on disk yet.
    unsaved: bool,
    /// They could not be written, and are tried again later.
    failed: bool,
    /// The orders are being written.
    saving: bool,
    /// Records, one a line.
    lines: String,
    /// How many there are in the lines, with those that the lines say are missing.
    pending: u64,
    /// Records that there was no room for, or that could not be written.
    lost: u64,
    /// The daemon has stopped as it was asked to.
    stopped: bool,
    writing: bool,
    closed: bool,
    /// The folder, and the number of this process among those that have used it.
    opened: Option<(PathBuf, u64)>,
    /// Why the journal cannot be kept.
    journal_problem: Option<String>,
    /// Why orders cannot be kept.
    orders_problem: Option<String>,
    waiting: Vec<oneshot::Sender<Result<(), String>>>,
}

impl Store {
    /// Opens the folder, or remembers why that cannot be done: a daemon runs without it.
    pub fn open(folder: Result<PathBuf, String>, log: &Log, clock: Clock) -> (Self, Found) {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            came: Condvar::new(),
            written: Condvar::new(),
            reading: Mutex::default(),
            log: log.clone(),
        });
        let opened = folder.and_then(|folder| {
            let (found, run) = open(folder.clone(), shared.clone(), clock.wall())?;
            Ok((found, (folder, run)))
        });
        let found = match opened {
            Ok((found, opened)) => {
                let mut queue = shared.lock();
                queue.orders = found.orders.clone();
                queue.opened = Some(opened);
                found
            }
            Err(problem) => {
                shared.lock().closed = true;
                shared.set_orders_problem(Some(format!("{problem}; neither is the journal")));
                Found::default()
            }
        };
        for note in &found.notes {
            log.line(note);
        }
        (Self(Some(Arc::new(Handle(shared)))), found)
    }

    /// These orders about real servers are in force.
    pub fn set_servers(&self, servers: Vec<ServerOrder>) {
        self.change(|orders| orders.servers = servers);
    }

    /// This order about the whole node is in force.
    pub fn set_node(&self, maintenance: Option<Maintenance>) {
        self.change(|orders| orders.maintenance = maintenance);
    }

    fn change(&self, change: impl FnOnce(&mut Orders)) {
        let Some(Handle(shared)) = self.0.as_deref() else { return };
        let mut queue = shared.lock();
        let before = queue.orders.clone();
        change(&mut queue.orders);
        if queue.orders != before && !queue.closed {
            (queue.unsaved, queue.failed) = (true, false);
            shared.came.notify_one();
        }
    }

    /// Waits until the orders are on disk.
    ///
    /// # Errors
    /// Why they are not.
    pub async fn saved(&self) -> Result<(), String> {
        let Some(Handle(shared)) = self.0.as_deref() else { return Ok(()) };
        let receiver = {
            let mut queue = shared.lock();
            if queue.closed || !(queue.saving || queue.unsaved) || queue.failed {
                return queue.orders_problem.clone().map_or(Ok(()), Err);
            }
            let (sender, receiver) = oneshot::channel();
            queue.waiting.push(sender);
            receiver
        };
        match tokio::time::timeout(SAVE_TIMEOUT, receiver).await {
            Ok(Ok(saved)) => saved,
            _ => Err("the disk does not answer".to_owned()),
        }
    }

    /// The answer to an order: it says so when a restart would end what was ordered.
    pub async fn confirm(self, answer: Answer) -> Answer {
        match (answer, self.saved().await) {
            (Answer::Done(text), Err(why)) => {
                Answer::Done(format!("{text}; it is not on disk, and a restart of the daemon ends it: {why}"))
            }
            (answer, _) => answer,
        }
    }

    /// What cannot be kept, and why.
    pub fn problems(&self) -> Vec<String> {
        let Some(Handle(shared)) = self.0.as_deref() else { return Vec::new() };
        let queue = shared.lock();
        let orders = queue.orders_problem.iter().map(|why| orders_problem(why));
        orders.chain(queue.journal_problem.iter().map(|why| journal_problem(why))).collect()
    }

    /// The number of this process among those that have used the folder, greater with each; `None` = there is no folder.
    pub fn run(&self) -> Option<u64> {
        let Handle(shared) = self.0.as_deref()?;
        shared.lock().opened.as_ref().map(|(_, run)| *run)
    }

    /// Has a record written. Nobody waits for it.
    pub fn record(&self, record: &Record) {
        let Some(Handle(shared)) = self.0.as_deref() else { return };
        let mut queue = shared.lock();
        if queue.closed {
            return;
        }
        if queue.lines.len() > QUEUE_SIZE {
            queue.lost += 1;
            return;
        }
        let lost = std::mem::take(&mut queue.lost);
        let gap = (lost > 0).then(|| Record { entry: Entry::Lost(lost), ..record.clone() });
        queue.pending += lost + 1;
        for record in gap.iter().chain([record]) {
            // There is nothing in a record that JSON cannot say.
            if let Ok(line) = serde_json::to_string(record) {
                queue.lines += &line;
                queue.lines.push('\n');
            }
        }
        shared.came.notify_one();
    }

    /// The records on disk that fit, oldest first. Waits for the disk.
    pub fn history(&self, fits: impl Fn(&Record) -> bool) -> Vec<Record> {
        let Some(Handle(shared)) = self.0.as_deref() else { return Vec::new() };
        let Some((folder, _)) = shared.lock().opened.clone() else { return Vec::new() };
        self.flush(READ_TIMEOUT);
        let files = {
            let _rotating = shared.reading.lock().unwrap_or_else(PoisonError::into_inner);
            segments::open(&folder)
        };
        segments::read(files, fits)
    }

    /// The daemon has stopped as it was asked to: the next one is told of no crash.
    pub fn stopped(&self) {
        let Some(Handle(shared)) = self.0.as_deref() else { return };
        shared.lock().stopped = true;
        shared.came.notify_one();
    }

    /// Waits until everything is written, or the time is over.
    pub fn flush(&self, timeout: Duration) {
        let Some(Handle(shared)) = self.0.as_deref() else { return };
        let busy = |queue: &mut Queue| !queue.closed && queue.is_busy();
        drop(shared.written.wait_timeout_while(shared.lock(), timeout, busy));
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.came.notify_one();
    }
}

impl Queue {
    fn is_busy(&self) -> bool {
        self.writing || self.has_work()
    }

    fn has_work(&self) -> bool {
        self.unsaved && !self.failed || !self.lines.is_empty() || self.stopped
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_orders_problem(&self, problem: Option<String>) {
        let before = std::mem::replace(&mut self.lock().orders_problem, problem.clone());
        self.log_change(before, problem, orders_problem, "Orders are kept over a restart again");
    }

    fn set_journal_problem(&self, problem: Option<String>) {
        let before = std::mem::replace(&mut self.lock().journal_problem, problem.clone());
        self.log_change(before, problem, journal_problem, "The journal is kept over a restart again");
    }

    /// Logs a problem when it begins, and its end.
    fn log_change(
        &self,
        before: Option<String>,
        after: Option<String>,
        begun: fn(&str) -> String,
        ended: &str,
    ) {
        match (before, after) {
            (None, Some(why)) => self.log.line(&begun(&why)),
            (Some(_), None) => self.log.line(ended),
            _ => {}
        }
    }
}

fn journal_problem(why: &str) -> String {
    format!("the journal is not kept over a restart: {why}")
}

fn orders_problem(why: &str) -> String {
    format!("orders are not kept over a restart: {why}")
}

fn open(folder: PathBuf, shared: Arc<Shared>, wall: Time) -> Result<(Found, u64), String> {
    let (sender, found) = mpsc::channel();
    let named = folder.display().to_string();
    thread::Builder::new()
        .name("state".to_owned())
        .spawn(move || writer::run(&folder, &shared, wall, &sender))
        .map_err(|error| format!("there can be no thread for it: {error}"))?;
    found.recv_timeout(OPEN_TIMEOUT).map_err(|_| format!("{named} does not answer")).flatten()
}

#[cfg(test)]
mod tests;
