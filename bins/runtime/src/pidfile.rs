//! The pid file, by which `start`, `stop` and `status` find the daemon.
//!
//! The daemon holds a lock on its file for as long as it lives, so no other process is ever taken for it: not one that got
//! its number, and not an editor that has the program's name in its command line. Nor does it matter where the program's
//! file is meanwhile, as after an upgrade.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
    libc,
    sys::signal::Signal,
};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};

use super::file_id::is_at;

/// The locked file, removed when this is dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: File,
}

/// Whether a daemon is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// Yes, with this process id.
    Yes(i32),
    /// No.
    No,
    /// There is a pid file, but no daemon that holds it.
    Stale,
}

impl PidFile {
    /// Writes this process's id, and holds the file from now on.
    ///
    /// # Errors
    /// When the file cannot be written, or a living daemon holds it.
    pub fn write(path: &Path) -> io::Result<Self> {
        /// A predecessor that ends at this moment may remove what was just opened.
        const ATTEMPTS: u32 = 10;
        refuse_foreign(path)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        for _ in 0..ATTEMPTS {
            let mut options = OpenOptions::new();
            let mut file = options.read(true).write(true).create(true).truncate(false).open(path)?;
            if !lock(&file)? {
                let holder = match running(path) {
                    Running::Yes(pid) => format!("it is that of process {pid}, which runs"),
                    Running::No | Running::Stale => "another process holds it".to_owned(),
                };
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, holder));
            }
            if is_at(&file, path) {
                if let Some(pid) = keepalived(&file) {
                    let holder = format!("it is that of process {pid}, keepalived, which runs");
                    return Err(io::Error::new(io::ErrorKind::AlreadyExists, holder));
                }
                file.set_len(0)?;
                file.rewind()?;
                writeln!(file, "{}", std::process::id())?;
                return Ok(Self { path: path.to_owned(), file });
            }
        }
        Err(io::Error::other("other processes remove it again and again"))
    }
}

/// The keepalived that runs and has written this file. It holds no lock.
fn keepalived(file: &File) -> Option<i32> {
    let mut text = String::new();
    file.take(64).read_to_string(&mut text).ok()?;
    let pid: i32 = text.trim().parse().ok()?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.trim() == "keepalived").then_some(pid)
}

/// A path that names something else than a pid file is a mistake: nothing of it is overwritten, nor removed at the end.
fn refuse_foreign(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let mut text = String::new();
    let is_pid_file = found.is_file()
        && File::open(path)?.take(64).read_to_string(&mut text).is_ok()
        && (text.trim().is_empty() || text.trim().parse::<i32>().is_ok());
    if is_pid_file {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists, is not a pid file, and is left alone"))
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Not what somebody else has put in its place.
        if is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether the daemon that wrote this file is alive.
pub fn running(path: &Path) -> Running {
    /// A daemon writes its number right after it has locked the file.
    const ATTEMPTS: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(20);
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            thread::sleep(PAUSE);
        }
        let Ok(file) = File::open(path) else { return Running::No };
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        if !is_file || !is_locked(&file) {
            return Running::Stale;
        }
        let mut text = String::new();
        let read = (&file).take(64).read_to_string(&mut text);
        let pid = read.ok().and_then(|_| text.trim().parse().ok()).filter(|pid: &i32| *pid > 0);
        if let Some(pid) = pid {
            return Running::Yes(pid);
        }
    }
    Running::Stale
}

/// Sends a signal to the daemon that holds this file; `false` when there is none any more.
///
/// # Errors
/// When the process may not be signalled.
pub fn signal(path: &Path, signal: Signal) -> io::Result<bool> {
    let Running::Yes(pid) = running(path) else { return Ok(false) };
    let (Some(process), Some(number)) =
        (Pid::from_raw(pid), rustix::process::Signal::from_named_raw(signal as i32))
    else {
        return Ok(false);
    };
    let descriptor = match pidfd_open(process, PidfdFlags::empty()) {
        Ok(descriptor) => descriptor,
        Err(rustix::io::Errno::SRCH) => return Ok(false),
        Err(errno) => return Err(errno.into()),
    };
    // It still holds the file, so the descriptor is not that of a process that got its number meanwhile.
    if running(path) != Running::Yes(pid) {
        return Ok(false);
    }
    match pidfd_send_signal(&descriptor, number) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::SRCH) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

const fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// Locks a file for as long as it is open here; `false` when somebody else has locked it.
fn lock(file: &File) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file())) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Asks without locking, so that nobody who asks is in the way of a daemon that starts.
fn is_locked(file: &File) -> bool {
    let mut found = whole_file();
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut found)).is_ok() && found.l_type != libc::F_UNLCK as libc::c_short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_process_that_holds_the_file_is_running() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/pid");
        assert_eq!(running(&path), Running::No);
        let file = PidFile::write(&path).unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        assert_eq!(running(&path), Running::Yes(pid));
        let error = PidFile::write(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("it is that of process {pid}, which runs"));
        drop(file);
        assert_eq!(running(&path), Running::No);
        // Numbers of processes that live, and what is no number.
        for text in ["precious", &"1".repeat(99)] {
            fs::write(&path, text).unwrap();
            assert_eq!(PidFile::write(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        for text in ["x", "", "-1", "0", "999999999999", "1", &pid.to_string()] {
            fs::write(&path, text).unwrap();
            assert_eq!(running(&path), Running::Stale, "{text}");
            assert!(!signal(&path, Signal::SIGKILL).unwrap(), "{text}");
        }
        let file = PidFile::write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{pid}\n"), "what was there is replaced");
        drop(file);
    }

    #[test]
    fn what_another_daemon_has_put_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let first = PidFile::write(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = PidFile::write(&path).unwrap();
        drop(first);
        assert!(matches!(running(&path), Running::Yes(_)));
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn only_a_regular_file_is_written_to_and_removed() {
        let error = PidFile::write(Path::new("/dev/null")).unwrap_err();
        assert_eq!(error.to_string(), "it exists, is not a pid file, and is left alone");
        assert_eq!(running(Path::new("/dev/null")), Running::Stale);
    }
}
