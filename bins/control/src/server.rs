//! The daemon's end of the control socket.

use std::{io, path::Path, sync::Arc, time::Duration};

use nix::unistd::{Uid, User};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream, unix::OwnedReadHalf},
    sync::{Semaphore, SemaphorePermit, mpsc, oneshot},
};

use super::{
    idle::Places,
    protocol::{Answer, MAX_PROPOSAL, MAX_REASON, MAX_REQUEST, Request},
    socket::{self, SocketFile},
};

/// Clients that are served at the same time. When there are more, idle ones have to go.
const MAX_CLIENTS: usize = 32;
/// Long requests that are taken at the same time.
const MAX_PROPOSALS: usize = 2;
/// What a request begins with that carries a configuration.
const PROPOSAL: &[u8] = b"{\"plan\":{";
/// A client that neither asks nor takes its answer for so long is cut off.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the name of a client's user is looked for.
const USER_TIMEOUT: Duration = Duration::from_secs(1);

/// A request, and where its answer goes.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// Who orders it: the name of the user, or its number; empty for what is not an order.
    pub user: String,
    /// Where the answer goes; the client may be gone.
    pub reply: oneshot::Sender<Answer>,
}

/// The listening socket. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    _file: SocketFile,
}

impl ControlSocket {
    /// Binds the socket, for its owner and group only. A socket that a dead daemon left is replaced.
    ///
    /// # Errors
    /// When another daemon listens on it (`AddrInUse`), when the path names something that is not a socket
    /// (`AlreadyExists`), or when the folder cannot be made or written to.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let (listener, file) = socket::bind(path)?;
        Ok(Self { listener, _file: file })
    }

    /// Serves clients until the receiver of `calls` is gone.
    pub async fn serve(self, calls: mpsc::Sender<Call>) {
        let places = Arc::new(Places::new(MAX_CLIENTS));
        let proposals = Arc::new(Semaphore::new(MAX_PROPOSALS));
        let accept = async {
            loop {
                match self.listener.accept().await {
                    Ok((stream, _)) => {
                        let place = places.take().await;
                        let (calls, places, proposals) = (calls.clone(), places.clone(), proposals.clone());
                        tokio::spawn(async move {
                            // A client that goes away in the middle is its own affair.
                            let _ = converse(stream, &calls, &places, &proposals).await;
                            drop(place);
                        });
                    }
                    // Out of file descriptors, most likely: try again, but not at once.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        };
        tokio::select! {
            () = calls.closed() => {}
            () = accept => {}
        }
    }
}

async fn converse(
    stream: UnixStream,
    calls: &mpsc::Sender<Call>,
    places: &Places,
    proposals: &Semaphore,
) -> io::Result<()> {
    let client = stream.peer_cred()?.uid();
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let read = tokio::time::timeout(IDLE_TIMEOUT, read_request(&mut reader, proposals));
        let Some(read) = places.idle(read).await else { return Ok(()) };
        let (line, _turn) = read??;
        if line.is_empty() {
            return Ok(());
        }
        let is_whole = line.last() == Some(&b'\n');
        let answer = match is_whole {
            true => answer(&line, client, calls).await,
            false => Answer::Error(format!(
                "a request is one line of JSON of at most {MAX_REQUEST} bytes, or {MAX_PROPOSAL} with a configuration"
            )),
        };
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        let write = tokio::time::timeout(IDLE_TIMEOUT, writer.write_all(&text));
        let Some(written) = places.idle(write).await else { return Ok(()) };
        written??;
        if !is_whole {
            return Ok(());
        }
    }
}

/// Reads a line, or as much of it as is allowed. One that carries a configuration may be long, when it is its turn.
async fn read_request<'a>(
    reader: &mut BufReader<OwnedReadHalf>,
    proposals: &'a Semaphore,
) -> io::Result<(Vec<u8>, Option<SemaphorePermit<'a>>)> {
    let mut line = Vec::new();
    (&mut *reader).take(MAX_REQUEST as u64).read_until(b'\n', &mut line).await?;
    if line.last() == Some(&b'\n') || line.len() < MAX_REQUEST || !line.starts_with(PROPOSAL) {
        return Ok((line, None));
    }
    let turn = proposals.acquire().await.ok();
    let rest = MAX_PROPOSAL - line.len();
    (&mut *reader).take(rest as u64).read_until(b'\n', &mut line).await?;
    Ok((line, turn))
}

async fn answer(line: &[u8], client: u32, calls: &mpsc::Sender<Call>) -> Answer {
    let request: Request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return Answer::Error(format!("not a request that this version knows: {error}")),
    };
    if let Some(length) = request.reason().map(str::len).filter(|length| *length > MAX_REASON) {
        return Answer::Error(format!("the reason has {length} bytes; at most {MAX_REASON} are kept"));
    }
    let user = if request.reason().is_some() { user_name(client).await } else { String::new() };
    let (reply, answer) = oneshot::channel();
    if calls.send(Call { request, user, reply }).await.is_err() {
        return Answer::Error("the daemon is stopping".to_owned());
    }
    answer.await.unwrap_or_else(|_| Answer::Error("the daemon is stopping".to_owned()))
}

/// The database of users may be on another machine, and may not answer.
async fn user_name(uid: u32) -> String {
    if uid == 0 {
        return "root".to_owned();
    }
    let find = tokio::task::spawn_blocking(move || User::from_uid(Uid::from_raw(uid)).ok().flatten());
    match tokio::time::timeout(USER_TIMEOUT, find).await {
        Ok(Ok(Some(user))) => user.name,
        _ => format!("user {uid}"),
    }
}
