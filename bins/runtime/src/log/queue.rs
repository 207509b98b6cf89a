//! Lines that wait for a thread that writes them, so that a log that is slow or stuck holds nobody up.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use lb_core::Time;

/// Text that waits, in bytes, at most. 16,000 instances that all change their state write a quarter of it.
const ROOM: usize = 16 << 20;

/// Takes lines; what is waiting when it is dropped is still written.
#[derive(Debug)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Lines>,
    /// There is something to write, or nothing will come any more.
    came: Condvar,
    /// Everything was written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    batch: Batch,
    writing: bool,
    closed: bool,
}

/// Lines in one piece of memory, which is given back when it is written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    text: String,
    /// When each was said, and where it ends.
    ends: Vec<(Time, usize)>,
    /// How many there was no room for, behind the others.
    pub(super) lost: usize,
}

impl Batch {
    pub(super) fn lines(&self) -> impl Iterator<Item = (Time, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |(at, end)| (*at, &self.text[std::mem::replace(&mut start, *end)..*end]))
    }

    fn add(&mut self, at: Time, line: &str) {
        if self.text.len() + line.len() > ROOM {
            self.lost += 1;
            return;
        }
        self.text.push_str(line);
        self.ends.push((at, self.text.len()));
    }

    fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.lost == 0
    }
}

impl Queue {
    /// Starts a thread that gives all lines to `write`.
    pub(super) fn start(mut write: impl FnMut(Batch) + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let ours = shared.clone();
        let main = move || {
            while let Some(batch) = ours.take() {
                write(batch);
                ours.done();
            }
        };
        thread::Builder::new().name("log".to_owned()).spawn(main)?;
        Ok(Self(shared))
    }

    pub(super) fn add(&self, at: Time, line: &str) {
        self.0.lock().batch.add(at, line);
        self.0.came.notify_one();
    }

    /// Waits until everything is written, but not for longer than this.
    pub(super) fn flush(&self, patience: Duration) {
        let waits = |lines: &mut Lines| lines.writing || !lines.batch.is_empty();
        drop(self.0.written.wait_timeout_while(self.0.lock(), patience, waits));
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.came.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be written; `None` when nothing will come any more.
    fn take(&self) -> Option<Batch> {
        let waits = |lines: &mut Lines| lines.batch.is_empty() && !lines.closed;
        let mut lines = self.came.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        lines.writing = !lines.batch.is_empty();
        lines.writing.then(|| std::mem::take(&mut lines.batch))
    }

    fn done(&self) {
        self.lock().writing = false;
        self.written.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Lines that were written together, and how many were lost before them.
    type Written = (Vec<String>, usize);

    /// A log that is stuck until it is let go, and then tells what it got.
    fn stuck() -> (Queue, mpsc::Sender<()>, mpsc::Receiver<Written>) {
        let (go, wait) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let queue = Queue::start(move |batch| {
            let _ = wait.recv();
            let _ = tell.send((batch.lines().map(|(_, line)| line.to_owned()).collect(), batch.lost));
        });
        (queue.unwrap(), go, told)
    }

    #[test]
    fn a_log_that_is_stuck_holds_nobody_up_and_gets_everything_later() {
        let (queue, go, told) = stuck();
        for number in 0..64_000 {
            queue.add(Time::ZERO, &format!("line {number}"));
        }
        drop(go);
        queue.flush(Duration::from_secs(30));
        let batches: Vec<_> = told.try_iter().collect();
        let lines: Vec<String> = batches.into_iter().flat_map(|(lines, _)| lines).collect();
        assert_eq!(lines.len(), 64_000);
        assert!(lines.iter().enumerate().all(|(number, line)| *line == format!("line {number}")));
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let (queue, go, told) = stuck();
        let line = "x".repeat(ROOM / 4);
        queue.add(Time::ZERO, "first");
        // There is room for less than five of them in what the writer has, and in what waits behind it.
        for _ in 0..10 {
            queue.add(Time::ZERO, &line);
        }
        drop(go);
        queue.flush(Duration::from_secs(30));
        let batches: Vec<_> = told.try_iter().collect();
        let written: usize = batches.iter().map(|(lines, _)| lines.len()).sum();
        let lost: usize = batches.iter().map(|(_, lost)| lost).sum();
        assert!(lost > 0, "{written} lines");
        assert_eq!(written + lost, 11);
    }

    #[test]
    fn what_waits_is_written_although_nobody_is_there_any_more() {
        let (queue, go, told) = stuck();
        queue.add(Time::ZERO, "the last one");
        drop(queue);
        drop(go);
        assert_eq!(told.recv().unwrap().0, ["the last one"]);
    }
}
