//! The pid file, by which `start`, `stop` and `status` find the daemon.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The file, removed when this is dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

/// Whether a daemon is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// Yes, with this process id.
    Yes(i32),
    /// No.
    No,
    /// There is a pid file, but no such daemon.
    Stale,
}

impl PidFile {
    /// Writes this process's id.
    ///
    /// # Errors
    /// When the folder can not be written to, or another daemon lives that has written the file.
    pub fn write(path: &Path) -> io::Result<Self> {
        refuse_foreign(path)?;
        if let Running::Yes(pid) = running(path)
            && u32::try_from(pid) != Ok(std::process::id())
        {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("it is that of process {pid}, which runs"),
            ));
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, format!("{}\n", std::process::id()))?;
        Ok(Self { path: path.to_owned() })
    }
}

/// A path that names something else than a pid file is a mistake: nothing of it is overwritten, nor removed at the end.
fn refuse_foreign(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let mut text = String::new();
    let is_pid_file = found.is_file()
        && fs::File::open(path)?.take(64).read_to_string(&mut text).is_ok()
        && (text.trim().is_empty() || text.trim().parse::<i32>().is_ok());
    if is_pid_file {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists, is not a pid file, and is left alone"))
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Another file may have taken its place.
        if fs::read_to_string(&self.path).is_ok_and(|text| text.trim() == std::process::id().to_string()) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Part of the command line of every daemon of ours; a link may give lb-director another name.
const OURS: [&str; 3] = ["lb-director", "ldirectord", "lb-failover"];

/// Whether the daemon that wrote this file is alive. A process that is no daemon of ours does not count, so that a
/// number that was given to somebody else harms nobody.
pub fn running(path: &Path) -> Running {
    let Ok(text) = fs::read_to_string(path) else {
        return Running::No;
    };
    let Some(pid) = text.trim().parse::<i32>().ok().filter(|pid| *pid > 0) else {
        return Running::Stale;
    };
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command);
    if OURS.iter().any(|name| command.contains(name)) { Running::Yes(pid) } else { Running::Stale }
}

/// Sends the daemon a signal.
///
/// # Errors
/// When the process is gone, or is not ours to signal.
pub fn signal(pid: i32, signal: Signal) -> io::Result<()> {
    kill(Pid::from_raw(pid), signal).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_living_daemon_is_running() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        assert_eq!(running(&path), Running::No);
        // This test is no daemon, though it is alive.
        let file = PidFile::write(&path).unwrap();
        let ours = fs::read_to_string("/proc/self/cmdline").unwrap();
        if !OURS.iter().any(|name| ours.contains(name)) {
            assert_eq!(running(&path), Running::Stale);
        }
        drop(file);
        assert_eq!(running(&path), Running::No);
        for text in ["precious", &"1".repeat(99)] {
            fs::write(&path, text).unwrap();
            assert_eq!(PidFile::write(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        for text in ["", "x", "-1", "0", "999999999999"] {
            fs::write(&path, text).unwrap();
            assert_eq!(running(&path), Running::Stale, "{text}");
        }
    }
}
