//! The daemon's end of the line to its supervisor.

use std::{
    io,
    os::{fd::AsFd as _, unix::net::UnixStream as StdUnixStream},
    time::Duration,
};

use lb_vrrp::{driver::Resignation, router::Snapshot, track::Status};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    sync::mpsc,
};

use super::line::{Asked, Held, Resume, Said};
use crate::{control::protocol::DumpKind, failover::track::TrackerId};

/// A supervisor that may not answer for so long is none.
const PATIENCE: Duration = Duration::from_secs(2);

/// The line to the supervisor, if there is one.
#[derive(Debug, Default)]
pub struct Supervised {
    /// The queue has no bound and needs none: each instance puts into it what a change of its state is.
    lines: Option<mpsc::UnboundedSender<Said>>,
    dumps: Option<mpsc::Receiver<DumpKind>>,
}

impl Supervised {
    /// Takes standard input for the line, and asks what to go on with. Tells the network namespace that this process has
    /// moved to. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// When standard input is no such line.
    pub async fn from_stdin(namespace: Option<String>) -> io::Result<(Self, Resume)> {
        let stream = StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        stream.set_nonblocking(true)?;
        let (reader, mut writer) = UnixStream::from_std(stream)?.into_split();
        if let Some(namespace) = namespace {
            writer.write_all(&text(&Said::Namespace(namespace))?).await?;
        }
        writer.write_all(&text(&Said::Resume)?).await?;
        let mut answer = String::new();
        let mut reader = BufReader::new(reader);
        tokio::time::timeout(PATIENCE, reader.read_line(&mut answer)).await??;
        let Asked::Resume(resume) = serde_json::from_str(&answer)? else {
            return Err(io::Error::other("standard input is no line to a supervisor"));
        };
        let (asked, dumps) = mpsc::channel(4);
        tokio::spawn(async move {
            let mut lines = reader.lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(Asked::Dump(kind)) = serde_json::from_str(&line)
                    && asked.send(kind).await.is_err()
                {
                    return;
                }
            }
        });
        let (lines, mut queue) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(said) = queue.recv().await {
                let Ok(line) = text(&said) else { continue };
                if let Err(error) = writer.write_all(&line).await {
                    // It was killed: the daemon goes on alone.
                    tracing::warn!(%error, "the supervisor is gone: nobody will resign if this process dies");
                    return;
                }
            }
        });
        Ok((Self { lines: Some(lines), dumps: Some(dumps) }, resume))
    }

    /// The next dump that the supervisor asks for. Cancel safe.
    pub async fn asked(&mut self) -> DumpKind {
        match &mut self.dumps {
            Some(dumps) => match dumps.recv().await {
                Some(kind) => kind,
                None => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }

    /// Everything runs.
    pub fn ready(&self) {
        self.say(Said::Ready);
    }

    /// Whether anybody listens.
    pub fn is_supervised(&self) -> bool {
        self.lines.is_some()
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
        self.say(Said::Active(name.to_owned(), Box::new(held)));
    }

    /// An instance is not Active any more.
    pub fn inactive(&self, name: &str) {
        self.say(Said::Inactive(name.to_owned()));
    }

    /// A tracker was found to be something.
    pub fn tracked(&self, id: &TrackerId, status: Status) {
        self.say(Said::Tracker(id.clone(), status));
    }

    fn say(&self, said: Said) {
        if let Some(lines) = &self.lines {
            let _ = lines.send(said);
        }
    }
}

fn text(said: &Said) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    Ok(line)
}
