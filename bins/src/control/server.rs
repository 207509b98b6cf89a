//! The daemon's end of the control socket.

use std::{io, path::Path, sync::Arc, time::Duration};

use nix::unistd::geteuid;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
};

use super::{
    idle::Places,
    protocol::{Answer, MAX_REASON, Request},
    socket::{self, SocketFile},
};

/// Longest request in bytes; the longest legal one is a few hundred.
const REQUEST_LIMIT: u64 = 64 * 1024;
/// Clients that are served at the same time. When there are more, idle ones have to go.
const MAX_CLIENTS: usize = 32;
/// A client that neither asks nor takes its answer for so long is cut off.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A request, and where its answer goes.
pub type Call = (Request, oneshot::Sender<Answer>);

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
        let accept = async {
            loop {
                match self.listener.accept().await {
                    Ok((stream, _)) => {
                        let place = places.take().await;
                        let (calls, places) = (calls.clone(), places.clone());
                        tokio::spawn(async move {
                            // A client that goes away in the middle is its own affair.
                            let _ = converse(stream, &calls, &places).await;
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

async fn converse(stream: UnixStream, calls: &mpsc::Sender<Call>, places: &Places) -> io::Result<()> {
    let client = stream.peer_cred()?.uid();
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut reader).take(REQUEST_LIMIT);
        let read = tokio::time::timeout(IDLE_TIMEOUT, bounded.read_until(b'\n', &mut line));
        let Some(read) = places.idle(read).await else { return Ok(()) };
        if read?? == 0 {
            return Ok(());
        }
        let is_whole = line.last() == Some(&b'\n');
        let answer = match is_whole {
            true => answer(&line, client, calls).await,
            false => Answer::Error(format!("a request is one line of JSON of at most {REQUEST_LIMIT} bytes")),
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

async fn answer(line: &[u8], client: u32, calls: &mpsc::Sender<Call>) -> Answer {
    let request: Request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return Answer::Error(format!("not a request that this version knows: {error}")),
    };
    if !may_ask(client, geteuid().as_raw(), &request) {
        return Answer::Error("only root may have the daemon read another file than its own".to_owned());
    }
    if let Some(length) = request.reason().map(str::len).filter(|length| *length > MAX_REASON) {
        return Answer::Error(format!("the reason has {length} bytes; at most {MAX_REASON} are kept"));
    }
    let (reply, answer) = oneshot::channel();
    if calls.send((request, reply)).await.is_err() {
        return Answer::Error("the daemon is stopping".to_owned());
    }
    answer.await.unwrap_or_else(|_| Answer::Error("the daemon is stopping".to_owned()))
}

/// Whoever may connect may ask, but not for files that this user can not read.
const fn may_ask(client: u32, daemon: u32, request: &Request) -> bool {
    !matches!(request, Request::Plan(Some(_))) || client == 0 || client == daemon
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_for_those_only_who_could_read_them() {
        let other = Request::Plan(Some("/etc/shadow".into()));
        assert!(may_ask(0, 0, &other) && may_ask(0, 1000, &other) && may_ask(1000, 1000, &other));
        assert!(!may_ask(1000, 0, &other) && !may_ask(1000, 1001, &other));
        assert!(may_ask(1000, 0, &Request::Plan(None)) && may_ask(1000, 0, &Request::Reload));
    }
}
