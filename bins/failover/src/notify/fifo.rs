//! `notify_fifo` and its kin: named pipes that lines are written to, and the scripts that read them.
//!
//! A pipe is opened for reading and writing, so that it neither needs a reader nor breaks when the reader goes, and stays
//! open for as long as the configuration names it: over any number of reloads, and the file stays when the daemon ends.
//! One that another user has made, or that others decide about by a symbolic link, is not used.
//! Lines are written whole (they are shorter than PIPE_BUF) and in order. When nobody reads, the pipe takes some
//! thousand lines and our queue 1024 more; then the oldest that wait are left out, which is said and counted.

mod reader;
#[cfg(test)]
mod tests;
mod trust;

use std::{
    collections::VecDeque,
    fs::File,
    io,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lb_config::keepalived::model::{self, Globals, ScriptCommand, User};
use lb_runtime::log::Log;
use nix::{errno::Errno, sys::stat::Mode, unistd::mkfifo};
use thiserror::Error;
use tokio::{
    net::unix::pipe,
    sync::{Notify, watch},
    task,
    time::sleep,
};

use self::trust::Refusal;
use crate::{
    program::{NotRun, Policy, numbers},
    task::Task,
};

/// Lines that wait for room in a pipe.
const WAITING: usize = 1024;
/// PIPE_BUF of pipe(7): up to this, a write is whole or not at all.
const WHOLE: usize = 4096;
/// Until a pipe that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// All pipes of a configuration.
#[derive(Debug)]
pub(super) struct Fifos {
    all: Option<Fifo>,
    vrrp: Option<Fifo>,
    lvs: Option<Fifo>,
    log: Log,
}

impl Fifos {
    pub(super) fn new(log: Log) -> Self {
        Self { all: None, vrrp: None, lvs: None, log }
    }

    /// Opens and closes what differs.
    pub(super) fn configure(&mut self, globals: &Globals, policy: &Policy) {
        let Self { all, vrrp, lvs, log } = self;
        for (fifo, wanted) in [(all, &globals.fifo), (vrrp, &globals.vrrp_fifo), (lvs, &globals.lvs_fifo)] {
            let Some(wanted) = wanted else {
                *fifo = None;
                continue;
            };
            match fifo {
                Some(fifo) if fifo.is_for(wanted) => {}
                _ => *fifo = Some(Fifo::start(wanted, log)),
            }
            if let Some(fifo) = fifo {
                fifo.read_by(wanted.script.as_ref(), policy, log);
            }
        }
    }

    /// A line about an instance or group.
    pub(super) fn vrrp(&self, line: &str) {
        [&self.all, &self.vrrp].into_iter().flatten().for_each(|fifo| fifo.pipe.push(line));
    }

    /// A line about a virtual or real server.
    pub(super) fn lvs(&self, line: &str) {
        [&self.all, &self.lvs].into_iter().flatten().for_each(|fifo| fifo.pipe.push(line));
    }

    /// Waits until all lines are written.
    pub(super) async fn finish(&self) {
        for fifo in [&self.all, &self.vrrp, &self.lvs].into_iter().flatten() {
            fifo.pipe.written().await;
        }
    }

    /// Asks the scripts to end.
    pub(super) fn part(&self) {
        for fifo in [&self.all, &self.vrrp, &self.lvs].into_iter().flatten() {
            fifo.parting.send_replace(true);
        }
    }
}

#[derive(Debug)]
struct Fifo {
    owner: Option<User>,
    pipe: Arc<Pipe>,
    parting: watch::Sender<bool>,
    reader: Option<(ScriptCommand, Policy, Task)>,
    _writer: Task,
}

impl Fifo {
    fn start(wanted: &model::Fifo, log: &Log) -> Self {
        let pipe = Arc::new(Pipe {
            path: wanted.path.clone(),
            lines: Mutex::default(),
            news: Notify::new(),
            empty: Notify::new(),
            log: log.clone(),
        });
        let writer = Task::start(write(Arc::clone(&pipe), wanted.owner.clone()));
        let owner = wanted.owner.clone();
        Self { owner, pipe, parting: watch::Sender::new(false), reader: None, _writer: writer }
    }

    fn is_for(&self, wanted: &model::Fifo) -> bool {
        (&self.pipe.path, &self.owner) == (&wanted.path, &wanted.owner)
    }

    /// Leaves the script that runs alone if it is the same.
    fn read_by(&mut self, script: Option<&ScriptCommand>, policy: &Policy, log: &Log) {
        let now = self.reader.as_ref().map(|(script, policy, _)| (script, policy));
        if now != script.map(|script| (script, policy)) {
            self.reader = script.map(|script| {
                let (path, owner) = (self.pipe.path.clone(), self.owner.clone());
                let read = reader::keep(
                    script.clone(),
                    policy.clone(),
                    path,
                    owner,
                    self.parting.subscribe(),
                    log.clone(),
                );
                (script.clone(), policy.clone(), Task::start(read))
            });
        }
    }
}

/// Lines on their way into a pipe.
#[derive(Debug)]
struct Pipe {
    path: PathBuf,
    lines: Mutex<Lines>,
    news: Notify,
    empty: Notify,
    log: Log,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: VecDeque<Vec<u8>>,
    dropped: u64,
}

impl Pipe {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &str) {
        // One line is one line, and short enough to be written whole, whatever a configuration calls its instances.
        let mut bytes: Vec<u8> = line.replace(|c: char| c.is_control(), " ").into_bytes();
        bytes.truncate(WHOLE - 1);
        bytes.push(b'\n');
        let mut lines = self.lines();
        if lines.waiting.len() >= WAITING {
            lines.waiting.pop_front();
            lines.dropped += 1;
            if lines.dropped == 1 {
                let path = self.path.display();
                self.log.line(&format!("Nobody reads {path}: it is full, and older lines are left out"));
            }
        }
        lines.waiting.push_back(bytes);
        drop(lines);
        self.news.notify_one();
    }

    /// The first of the lines was written.
    fn pop(&self) {
        let mut lines = self.lines();
        lines.waiting.pop_front();
        if lines.waiting.is_empty() {
            let dropped = std::mem::take(&mut lines.dropped);
            drop(lines);
            if dropped > 0 {
                self.log
                    .line(&format!("{} is read again; {dropped} lines were left out", self.path.display()));
            }
            self.empty.notify_waiters();
        }
    }

    async fn written(&self) {
        loop {
            let empty = self.empty.notified();
            if self.lines().waiting.is_empty() {
                return;
            }
            empty.await;
        }
    }
}

async fn write(pipe: Arc<Pipe>, owner: Option<User>) {
    let mut said = false;
    loop {
        let error = match open(pipe.path.clone(), owner.clone()).await {
            Ok(sender) => {
                said = false;
                fill(&pipe, &sender).await
            }
            Err(error) => error,
        };
        if !said {
            said = true;
            pipe.log.line(&format!("{error}; it is tried again every {} s", RETRY.as_secs()));
        }
        sleep(RETRY).await;
    }
}

/// Writes lines until that fails.
async fn fill(pipe: &Pipe, sender: &pipe::Sender) -> PipeError {
    let failed = |source| PipeError::Write { path: pipe.path.clone(), source };
    loop {
        let first = pipe.lines().waiting.front().cloned();
        let Some(line) = first else {
            pipe.news.notified().await;
            continue;
        };
        match sender.try_write(&line) {
            Ok(_) => pipe.pop(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if let Err(error) = sender.writable().await {
                    return failed(error);
                }
            }
            Err(error) => return failed(error),
        }
    }
}

/// A pipe can not be used.
#[derive(Debug, Error)]
enum PipeError {
    #[error("The pipe {path} can not be made: {source}")]
    Make { path: PathBuf, source: io::Error },
    #[error("The owner of the pipe {path} can not be set: {source}")]
    Chown { path: PathBuf, source: io::Error },
    #[error("A pipe has no owner: {0}")]
    Owner(#[from] NotRun),
    #[error("The pipe {path} can not be opened ({source}); if it is something else, remove it")]
    Open { path: PathBuf, source: io::Error },
    #[error("The pipe {path} is not used: {source}")]
    Refused { path: PathBuf, source: Refusal },
    #[error("The pipe {path} can not be written to: {source}")]
    Write { path: PathBuf, source: io::Error },
}

/// On a thread for what may take its time.
async fn open(path: PathBuf, owner: Option<User>) -> Result<pipe::Sender, PipeError> {
    let asked = path.clone();
    let work = move || {
        let file = find(&asked, owner.as_ref())?;
        pipe::Sender::from_file(file).map_err(|source| PipeError::Open { path: asked, source })
    };
    task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(PipeError::Open { path, source: error.into() }))
}

/// Makes the pipe unless it is there, and opens it if it is one to be trusted.
fn find(path: &Path, owner: Option<&User>) -> Result<File, PipeError> {
    make(path, owner)?;
    let purpose = format!("to own {}", path.display());
    let owner = owner.map(|owner| numbers(owner, &purpose)).transpose()?;
    trust::open(path, owner.map(|(uid, _)| uid)).map_err(|refusal| match refusal {
        Refusal::System(source) => PipeError::Open { path: path.to_owned(), source },
        Refusal::Kind => {
            PipeError::Open { path: path.to_owned(), source: io::Error::other("it is not a pipe") }
        }
        source => PipeError::Refused { path: path.to_owned(), source },
    })
}

/// Makes the pipe, for its owner alone, unless something is there.
fn make(path: &Path, owner: Option<&User>) -> Result<(), PipeError> {
    match mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) => {}
        Err(Errno::EEXIST) => return Ok(()),
        Err(error) => return Err(PipeError::Make { path: path.to_owned(), source: error.into() }),
    }
    let Some(owner) = owner else { return Ok(()) };
    let (uid, gid) = numbers(owner, &format!("to own {}", path.display()))?;
    chown(path, Some(uid.as_raw()), Some(gid.as_raw()))
        .map_err(|source| PipeError::Chown { path: path.to_owned(), source })
}
