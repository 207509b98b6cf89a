//! Clients that ask again and again, and remember how it went.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use super::roles;

/// Clients that ask at the same time.
const CLIENTS: usize = 8;
/// Pause of each client between two requests.
const PAUSE: Duration = Duration::from_millis(10);
/// A request that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(5);

/// What the clients have seen. Clones look at the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Tallies {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    by_server: BTreeMap<String, u64>,
    failures: Vec<Failed>,
    last_success: Option<Instant>,
    longest_gap: Duration,
}

/// A request that was not answered as it should be.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    /// When it was sent.
    pub(super) sent: Instant,
    /// What went wrong.
    pub(super) why: String,
}

/// What the clients have seen, at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Good answers of each server.
    pub(super) by_server: BTreeMap<String, u64>,
    /// Requests without a good answer.
    pub(super) failures: Vec<Failed>,
    /// Longest time between two good answers.
    pub(super) longest_gap: Duration,
}

impl Seen {
    /// Good answers of all servers.
    pub(super) fn answered(&self) -> u64 {
        self.by_server.values().sum()
    }
}

impl Tallies {
    /// What was seen until now.
    pub(super) fn seen(&self) -> Seen {
        let inner = self.lock();
        // The gap that is still open counts too.
        let open = inner.last_success.map_or(Duration::ZERO, |last| last.elapsed());
        Seen {
            by_server: inner.by_server.clone(),
            failures: inner.failures.clone(),
            longest_gap: inner.longest_gap.max(open),
        }
    }

    fn record(&self, sent: Instant, result: io::Result<String>) {
        let mut inner = self.lock();
        match result {
            Ok(server) => {
                *inner.by_server.entry(server).or_default() += 1;
                let now = Instant::now();
                let gap = inner.last_success.replace(now).map_or(Duration::ZERO, |last| now - last);
                inner.longest_gap = inner.longest_gap.max(gap);
            }
            Err(error) => inner.failures.push(Failed { sent, why: error.to_string() }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the clients; they ask until the set is dropped.
pub(super) fn start(address: SocketAddr, tallies: &Tallies) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let tallies = tallies.clone();
        clients.spawn(async move {
            loop {
                let sent = Instant::now();
                let result = match tokio::time::timeout(LIMIT, ask(address)).await {
                    Ok(result) => result,
                    Err(_) => Err(io::ErrorKind::TimedOut.into()),
                };
                tallies.record(sent, result);
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
    clients
}

/// What the clients have seen, as their process tells it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Told {
    by_server: BTreeMap<String, u64>,
    /// How long ago each failed request was sent, and why it failed.
    failures: Vec<(Duration, String)>,
    longest_gap: Duration,
}

impl From<Told> for Seen {
    fn from(told: Told) -> Self {
        let now = Instant::now();
        let failed = |(ago, why)| Failed { sent: now.checked_sub(ago).unwrap_or(now), why };
        let failures = told.failures.into_iter().map(failed).collect();
        Self { by_server: told.by_server, failures, longest_gap: told.longest_gap }
    }
}

/// The role of the clients: they ask until the parent is gone, and say for each line what they have seen.
pub(super) async fn run(address: SocketAddr) -> io::Result<()> {
    let tallies = Tallies::default();
    let _clients = start(address, &tallies);
    roles::say("ready").await?;
    let mut lines = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    while lines.next_line().await?.is_some() {
        let Seen { by_server, failures, longest_gap } = tallies.seen();
        let failures = failures.into_iter().map(|failed| (failed.sent.elapsed(), failed.why)).collect();
        roles::say(&serde_json::to_string(&Told { by_server, failures, longest_gap })?).await?;
    }
    Ok(())
}

/// One request on its own connection; returns the name in the answer.
async fn ask(address: SocketAddr) -> io::Result<String> {
    const LONGEST: u64 = 4096;
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer).await?;
    let (head, body) =
        answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("the answer was cut short"))?;
    let status = head.lines().next().unwrap_or_default();
    match (status.starts_with("HTTP/1.1 200 "), body.strip_suffix('\n')) {
        (true, Some(name)) => Ok(name.to_owned()),
        _ => Err(io::Error::other(format!("the answer was {status}"))),
    }
}
