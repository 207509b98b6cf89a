//! The file of the control socket. Only a socket that nobody listens on is ever replaced, and only the socket that this
//! process made is ever removed: the path comes from a command line, and may name anything.

use std::{
    fs::{self, FileType},
    io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use lb_runtime::file_id::FileId;
use nix::{
    errno::Errno,
    sys::{
        signal::kill,
        socket::{getsockopt, sockopt::PeerCredentials},
    },
    unistd::{Pid, geteuid},
};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

/// The file of a socket that this process listens on. It is removed when this is dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Another file may have taken its place.
    id: FileId,
}

/// Binds a socket, for its owner and group only. A socket that a dead daemon left is replaced.
///
/// # Errors
/// When another daemon listens on it (`AddrInUse`), when the path names something that is not a socket (`AlreadyExists`),
/// or when the folder cannot be made or written to.
pub(super) fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
        refuse_folder_of_others(folder)?;
    }
    remove_stale(path)?;
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    let id = FileId::of(&fs::symlink_metadata(path)?);
    Ok((listener, SocketFile { path: path.to_owned(), id }))
}

fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.is_socket() {
        let text = format!("it is {}, not a socket, and is left alone", kind(found));
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    match listener(path) {
        Ok(None) => fs::remove_file(path),
        Ok(Some(pid)) => {
            let text = match pid {
                1.. => format!("another daemon answers on it, process {pid}"),
                _ => "another daemon answers on it".to_owned(),
            };
            Err(io::Error::new(io::ErrorKind::AddrInUse, text))
        }
        Err(error) => Err(error),
    }
}

/// The process that listens on the socket, 0 where its number is not known; `None` when nobody listens. Never blocks,
/// however full the queue of the listener is.
fn listener(path: &Path) -> io::Result<Option<i32>> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        // A program that a dead daemon was just starting has the socket open until it is executed.
        Ok(()) => {
            let pid = getsockopt(&socket, PeerCredentials).map_or(0, |peer| peer.pid());
            Ok(Some(pid).filter(|pid| is_alive(*pid)))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Some(0)),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether there is such a process, as far as can be known: 0 is one in another process namespace.
fn is_alive(pid: i32) -> bool {
    pid <= 0 || kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH)
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

fn kind(found: FileType) -> &'static str {
    match found {
        found if found.is_file() => "an ordinary file",
        found if found.is_dir() => "a folder",
        found if found.is_symlink() => "a symbolic link",
        found if found.is_fifo() => "a FIFO",
        _ => "a device",
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| FileId::of(&found) == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
