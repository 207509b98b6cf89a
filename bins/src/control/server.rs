//! The daemon's end of the control socket.

use std::{
    fs, io,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        net::UnixStream as StdUnixStream,
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use nix::unistd::geteuid;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc, oneshot},
};

use super::protocol::{Answer, Request};

/// Longest request in bytes; the longest legal one is a few hundred.
const REQUEST_LIMIT: u64 = 64 * 1024;
/// Clients that are served at the same time; more wait in the socket's queue.
const CLIENTS: usize = 32;
/// A client that neither asks nor takes its answer for so long is cut off.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request, and where its answer goes.
pub type Call = (Request, oneshot::Sender<Answer>);

/// The listening socket. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Binds the socket, for its owner and group only. A file that a dead daemon left is replaced.
    ///
    /// # Errors
    /// When another daemon answers on it (`AddrInUse`), or the folder can not be made or written to.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
            refuse_folder_of_others(folder)?;
        }
        if StdUnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon answers on it"));
        }
        if fs::symlink_metadata(path).is_ok() {
            fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Serves clients until the receiver of `calls` is gone.
    pub async fn serve(self, calls: mpsc::Sender<Call>) {
        let slots = Arc::new(Semaphore::new(CLIENTS));
        while let Ok(slot) = slots.clone().acquire_owned().await {
            tokio::select! {
                () = calls.closed() => return,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let calls = calls.clone();
                        tokio::spawn(async move {
                            // A client that goes away in the middle is its own affair.
                            let _ = converse(stream, calls).await;
                            drop(slot);
                        });
                    }
                    // Out of file descriptors, most likely: try again, but not at once.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        }
    }
}

/// The folder below that for temporary files has a name that everybody knows: whoever made it first could put another
/// socket into the place of ours.
fn refuse_folder_of_others(folder: &Path) -> io::Result<()> {
    let ours = geteuid().as_raw();
    let owner = fs::metadata(folder)?.uid();
    if ours == 0 || owner == ours || owner == 0 {
        return Ok(());
    }
    let text = format!("its folder {} belongs to user {owner}", folder.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn converse(stream: UnixStream, calls: mpsc::Sender<Call>) -> io::Result<()> {
    let client = stream.peer_cred()?.uid();
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut reader).take(REQUEST_LIMIT);
        let read = tokio::time::timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await??;
        if read == 0 {
            return Ok(());
        }
        let answer = if line.last() == Some(&b'\n') {
            answer(&line, client, &calls).await
        } else {
            Answer::Error(format!("a request is one line of JSON of at most {REQUEST_LIMIT} bytes"))
        };
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        tokio::time::timeout(PATIENCE, writer.write_all(&text)).await??;
        if line.last() != Some(&b'\n') {
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
