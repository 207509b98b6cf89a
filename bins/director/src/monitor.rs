//! `monitorfile`: one line for each result of a check. A thread for each file does the writing, so that a FIFO without a
//! reader or a server for files that hangs delays nothing but its own lines.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::OpenOptions,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread,
    time::Duration,
};

use lb_runtime::log::Log;
use tokio::sync::oneshot;

/// Lines of one file that wait to be written.
const QUEUE_CAPACITY: usize = 1024;
/// How long the end of the daemon waits for them.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The files that are written to.
pub struct MonitorFiles {
    writers: BTreeMap<PathBuf, Writer>,
    log: Log,
}

struct Writer {
    queue: SyncSender<Item>,
    /// Lines that did not fit into the queue since it was full for the first time.
    dropped: u64,
}

enum Item {
    Line(String),
    /// Everything before this is written.
    Flush(oneshot::Sender<()>),
}

impl MonitorFiles {
    /// Problems are written to `log`, once each.
    pub const fn new(log: Log) -> Self {
        Self { writers: BTreeMap::new(), log }
    }

    /// Appends a line to a file, without waiting for it.
    pub fn record(&mut self, path: &Path, line: String) {
        if !self.writers.contains_key(path) {
            match Writer::start(path, self.log.clone()) {
                Ok(writer) => drop(self.writers.insert(path.to_owned(), writer)),
                Err(error) => {
                    self.log.line(&format!("monitorfile {} has no thread: {error}", path.display()));
                    return;
                }
            }
        }
        let Some(writer) = self.writers.get_mut(path) else { return };
        match writer.queue.try_send(Item::Line(line)) {
            Ok(()) if writer.dropped > 0 => {
                let count = std::mem::take(&mut writer.dropped);
                self.log.line(&format!("monitorfile {}: {count} lines were dropped", path.display()));
            }
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                if writer.dropped == 0 {
                    self.log.line(&format!(
                        "monitorfile {} is written to slower than checks end: lines are dropped",
                        path.display()
                    ));
                }
                writer.dropped += 1;
            }
            // The thread has panicked; the next line starts another one.
            Err(TrySendError::Disconnected(_)) => drop(self.writers.remove(path)),
        }
    }

    /// Forgets the files that are not named any more.
    pub fn retain(&mut self, named: &BTreeSet<&Path>) {
        self.writers.retain(|path, _| named.contains(path.as_path()));
    }

    /// Waits until everything is written, but at most 2 s.
    pub async fn flush(&self) {
        let flushed: Vec<_> = self
            .writers
            .values()
            .filter_map(|writer| {
                let (done, flushed) = oneshot::channel();
                writer.queue.try_send(Item::Flush(done)).is_ok().then_some(flushed)
            })
            .collect();
        let all = async {
            for flushed in flushed {
                let _ = flushed.await;
            }
        };
        let _ = tokio::time::timeout(FLUSH_TIMEOUT, all).await;
    }
}

impl Writer {
    fn start(path: &Path, log: Log) -> io::Result<Self> {
        let (queue, items) = sync_channel(QUEUE_CAPACITY);
        let path = path.to_owned();
        thread::Builder::new().name("monitorfile".to_owned()).spawn(move || write(&path, &items, &log))?;
        Ok(Self { queue, dropped: 0 })
    }
}

/// Writes until there is no sender any more.
fn write(path: &Path, items: &Receiver<Item>, log: &Log) {
    let mut problem: Option<String> = None;
    for item in items {
        let line = match item {
            Item::Line(line) => line,
            Item::Flush(done) => {
                let _ = done.send(());
                continue;
            }
        };
        // Opened for each line, so that it can be rotated at any time.
        let file = OpenOptions::new().create(true).append(true).open(path);
        match file.and_then(|mut file| file.write_all(line.as_bytes())) {
            Ok(()) => {
                if problem.take().is_some() {
                    log.line(&format!("monitorfile {} can be written to again", path.display()));
                }
            }
            Err(error) => {
                let text = error.to_string();
                if problem.as_ref() != Some(&text) {
                    log.line(&format!("monitorfile {} cannot be written to: {text}", path.display()));
                }
                problem = Some(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;
    use lb_runtime::{clock::Clock, log::Target};

    fn log(folder: &Path) -> (Log, PathBuf) {
        let path = folder.join("log");
        (Log::new(Target::File(path.clone()), Clock::start(), "web.cf"), path)
    }

    #[tokio::test]
    async fn a_problem_is_logged_once_and_its_end_too() {
        let folder = tempfile::tempdir().unwrap();
        let (log, log_file) = log(folder.path());
        let mut files = MonitorFiles::new(log);
        let path = folder.path().join("missing/monitor");
        for _ in 0..10 {
            files.record(&path, "lost\n".to_owned());
        }
        files.flush().await;
        fs::create_dir(folder.path().join("missing")).unwrap();
        for _ in 0..10 {
            files.record(&path, "kept\n".to_owned());
        }
        files.flush().await;
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept\n".repeat(10));
        let log = fs::read_to_string(log_file).unwrap();
        assert_eq!(log.lines().count(), 2, "{log}");
        assert_eq!(log.matches("cannot be written to: No such file").count(), 1, "{log}");
        assert_eq!(log.matches("can be written to again").count(), 1, "{log}");
    }

    #[tokio::test]
    async fn a_fifo_without_a_reader_holds_nobody_up_and_the_rest_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let (log, log_file) = log(folder.path());
        let mut files = MonitorFiles::new(log);
        let (fifo, plain) = (folder.path().join("fifo"), folder.path().join("plain"));
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        for _ in 0..3 * QUEUE_CAPACITY {
            files.record(&fifo, "line\n".to_owned());
        }
        files.record(&plain, "line\n".to_owned());
        files.flush().await;
        assert_eq!(fs::read_to_string(&plain).unwrap(), "line\n");
        let text = fs::read_to_string(&log_file).unwrap();
        // Twice if the thread takes its first line only after the queue was full.
        assert!((1..=2).contains(&text.matches("lines are dropped").count()), "{text}");
        // A reader comes, and goes on reading until everything that was kept is there.
        let reader = thread::spawn(move || fs::read_to_string(fifo).unwrap_or_default());
        while files.writers.values().next().is_some_and(|writer| writer.dropped > 0) {
            files.record(&folder.path().join("fifo"), "last\n".to_owned());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(fs::read_to_string(&log_file).unwrap().contains("lines were dropped"));
        files.retain(&BTreeSet::new());
        drop(reader);
    }
}
