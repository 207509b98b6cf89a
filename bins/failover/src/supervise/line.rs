//! The daemon's end of the line to its supervisor.

use std::{
    io::{self, Write as _},
    os::{fd::AsFd as _, unix::net::UnixStream as StdUnixStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc as std_mpsc,
    },
    thread,
    time::Duration,
};

use lb_control::{event::TrackerId, protocol::DumpKind};
use lb_vrrp::{driver::Resignation, router::Snapshot, track::Status};
use rustix::event::{PollFd, PollFlags, poll};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::message::{Held, Message, Request, Resume};
use crate::inventory::{Entry, Recorder};

/// A supervisor answers within this time, or there is none.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the end waits for a supervisor that reads slowly.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Takes messages for the supervisor, from any thread. They are written in their order by a thread of its own, so that
/// nobody waits for a supervisor that is slow. The queue has no bound and needs none: messages are about changes.
#[derive(Clone, Debug)]
pub struct Line {
    queue: std_mpsc::Sender<Outgoing>,
    /// Whether the supervisor was slow the last time: nobody waits for it then.
    slow: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Outgoing {
    bytes: Vec<u8>,
    written: Option<oneshot::Sender<()>>,
}

impl Line {
    fn start(stream: StdUnixStream) -> io::Result<Self> {
        let (queue, outgoing) = std_mpsc::channel::<Outgoing>();
        let slow = Arc::new(AtomicBool::new(false));
        let is_slow = slow.clone();
        let work = move || {
            for Outgoing { bytes, written } in outgoing {
                if let Err(error) = write_all(&stream, &bytes) {
                    // It was killed: the daemon ends.
                    tracing::debug!(%error, "the supervisor is gone");
                    return;
                }
                is_slow.store(false, Relaxed);
                // Whoever waited may have given up.
                let _ = written.map(|written| written.send(()));
            }
        };
        thread::Builder::new().name("supervised".to_owned()).spawn(work)?;
        Ok(Self { queue, slow })
    }

    fn send(&self, message: &Message) {
        self.push(message, None);
    }

    fn push(&self, message: &Message, written: Option<oneshot::Sender<()>>) {
        if let Ok(bytes) = text(message) {
            let _ = self.queue.send(Outgoing { bytes, written });
        }
    }

    /// Records that these are about to be installed, and waits until that is not lost when this process dies; not longer than
    /// this for a supervisor that is stopped.
    pub(crate) async fn record(&self, entries: Vec<Entry>, limit: Duration) {
        if self.slow.load(Relaxed) {
            return self.send(&Message::Install(entries));
        }
        let (written, done) = oneshot::channel();
        self.push(&Message::Install(entries), Some(written));
        if timeout(limit, done).await.is_err() {
            self.slow.store(true, Relaxed);
        }
    }

    /// Records that these were removed.
    pub(crate) fn removed(&self, entries: Vec<Entry>) {
        self.send(&Message::Removed(entries));
    }
}

/// The reading end shares the descriptor's mode, which is not to block.
fn write_all(mut stream: &StdUnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut waits = [PollFd::new(stream, PollFlags::OUT)];
                poll(&mut waits, None).or_else(|error| match error {
                    rustix::io::Errno::INTR => Ok(0),
                    error => Err(error),
                })?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What a daemon says to its supervisor, if it has one.
#[derive(Debug, Default)]
pub struct Supervised {
    line: Option<Line>,
    dumps: Option<mpsc::Receiver<DumpKind>>,
    recorder: Recorder,
}

impl Supervised {
    /// Takes standard input for the line, and asks what to go on with: from now on signals are handed on to this process.
    /// Reports the network namespace that it has moved to. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// When standard input is not such a line.
    pub async fn from_stdin(namespace: Option<String>) -> io::Result<(Self, Resume)> {
        let stream = StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        stream.set_nonblocking(true)?;
        let line = stream.try_clone()?;
        let (reader, mut writer) = UnixStream::from_std(stream)?.into_split();
        if let Some(namespace) = namespace {
            writer.write_all(&text(&Message::Namespace(namespace))?).await?;
        }
        writer.write_all(&text(&Message::Resume)?).await?;
        // Dropped, it would end the other direction.
        writer.forget();
        let mut answer = String::new();
        let mut reader = BufReader::new(reader);
        timeout(ANSWER_TIMEOUT, reader.read_line(&mut answer)).await??;
        let Request::Resume(resume) = serde_json::from_str(&answer)? else {
            return Err(io::Error::other("standard input is not a line to a supervisor"));
        };
        let (asked, dumps) = mpsc::channel(4);
        tokio::spawn(async move {
            let mut lines = reader.lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(Request::Dump(kind)) = serde_json::from_str(&line)
                    && asked.send(kind).await.is_err()
                {
                    return;
                }
            }
        });
        let line = Line::start(line)?;
        let recorder = Recorder::new(line.clone(), resume.inventory().clone());
        Ok((Self { line: Some(line), dumps: Some(dumps), recorder }, *resume))
    }

    /// The next dump that the supervisor asks for; `None` when the supervisor is dead. Cancel safe.
    pub async fn asked(&mut self) -> Option<DumpKind> {
        match &mut self.dumps {
            Some(dumps) => dumps.recv().await,
            None => std::future::pending().await,
        }
    }

    /// Records what is installed in the kernel.
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Everything runs.
    pub fn ready(&self) {
        self.say(&Message::Ready);
    }

    /// Whether anybody listens.
    pub fn is_supervised(&self) -> bool {
        self.line.is_some()
    }

    /// An instance is Active.
    pub fn active(
        &self,
        name: &str,
        resignations: Vec<Resignation>,
        snapshot: Snapshot,
        sequence: Option<u32>,
        interval: Duration,
    ) {
        let held = Held { resignations, snapshot, sequence, interval };
        self.say(&Message::Active(name.to_owned(), Box::new(held)));
    }

    /// An instance is not Active any more.
    pub fn inactive(&self, name: &str) {
        self.say(&Message::Inactive(name.to_owned()));
    }

    /// The status of a tracker.
    pub fn tracked(&self, id: &TrackerId, status: Status) {
        self.say(&Message::Tracker(id.clone(), status));
    }

    /// Waits until the supervisor has everything, but not for long.
    pub async fn flush(&self) {
        if let Some(line) = &self.line {
            line.record(Vec::new(), FLUSH_TIMEOUT).await;
        }
    }

    fn say(&self, message: &Message) {
        if let Some(line) = &self.line {
            line.send(message);
        }
    }
}

fn text(message: &Message) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}
