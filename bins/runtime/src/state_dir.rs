//! The folder in which a daemon keeps what outlives its process.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use nix::unistd::geteuid;
use tempfile::NamedTempFile;
use thiserror::Error;

/// Its lock is held by the daemon that uses the folder.
const LOCK: &str = "lock";
/// Files that are read whole are not larger.
const MAX_FILE: u64 = 16 << 20;
/// A file is kept aside so often under different names.
const MAX_ASIDE: u32 = 100;

/// A folder that this process has for itself, as long as this is not dropped.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: File,
}

/// Why there is no such folder.
#[derive(Debug, Error)]
pub enum StateDirError {
    /// It can not be made or written to.
    #[error("{path} cannot be used: {source}; name another folder with --state-dir", path = .path.display())]
    Unusable {
        /// The folder, or the file in it.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another daemon uses it.
    #[error("{path} is in use by another daemon; give each daemon its own --state-dir", path = .path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Another user could change what is in it.
    #[error(
        "{path} belongs to user {owner}; remove it, or name another folder with --state-dir",
        path = .path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
}

impl StateDir {
    /// Makes the folder, for its owner only, and locks it.
    ///
    /// # Errors
    /// The folder cannot be written to, or is another daemon's.
    pub fn open(path: &Path) -> Result<Self, StateDirError> {
        let unusable = |path: &Path, source| StateDirError::Unusable { path: path.to_owned(), source };
        create(path).map_err(|source| unusable(path, source))?;
        let metadata = fs::metadata(path).map_err(|source| unusable(path, source))?;
        if metadata.uid() != geteuid().as_raw() {
            return Err(StateDirError::Foreign { path: path.to_owned(), owner: metadata.uid() });
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))
                .map_err(|source| unusable(path, source))?;
        }
        let lock = path.join(LOCK);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock)
            .map_err(|source| unusable(&lock, source))?;
        lock_soon(&file).map_err(|error| match error {
            TryLockError::WouldBlock => StateDirError::InUse { path: path.to_owned() },
            TryLockError::Error(source) => unusable(&lock, source),
        })?;
        Ok(Self { path: path.to_owned(), _lock: file })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text of a file; `None` = there is none.
    ///
    /// # Errors
    /// It cannot be read, is not text, or is larger than anything that is written here.
    pub fn read(&self, name: &str) -> io::Result<Option<String>> {
        let file = match File::open(self.path.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut text = String::new();
        if file.take(MAX_FILE).read_to_string(&mut text)? as u64 == MAX_FILE {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
        }
        Ok(Some(text))
    }

    /// Replaces a file: whoever reads it, also after a loss of power, finds the old text or the new one.
    ///
    /// # Errors
    /// The new text was not written; the old one is still there.
    pub fn replace(&self, name: &str, text: &str) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(&self.path)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(self.path.join(name))?;
        File::open(&self.path)?.sync_all()
    }

    /// Renames a file that this version cannot use, so that it is not overwritten. Returns its new name.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn set_aside(&self, name: &str) -> io::Result<PathBuf> {
        let free = (1..=MAX_ASIDE)
            .map(|number| self.path.join(format!("{name}.aside.{number}")))
            .find(|path| fs::symlink_metadata(path).is_err());
        let aside = free.ok_or_else(|| {
            io::Error::other(format!("there are {MAX_ASIDE} files {name}.aside.N already; remove them"))
        })?;
        fs::rename(self.path.join(name), &aside)?;
        Ok(aside)
    }
}

/// Folders on the way may be shared with daemons of other users.
fn create(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !path.is_dir() => Err(error),
        _ => Ok(()),
    }
}

/// A predecessor that was killed, and a program that was about to be started by it, hold the lock for some milliseconds.
fn lock_soon(file: &File) -> Result<(), TryLockError> {
    const ATTEMPTS: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(5);
    for _ in 1..ATTEMPTS {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            result => return result,
        }
    }
    file.try_lock()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_private_and_has_one_user() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let state = StateDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let error = StateDir::open(&path).unwrap_err();
        assert!(matches!(error, StateDirError::InUse { .. }), "{error}");
        assert!(error.to_string().contains("--state-dir"), "{error}");
        drop(state);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        StateDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        assert_eq!(state.read("orders.json").unwrap(), None);
        state.replace("orders.json", "one").unwrap();
        state.replace("orders.json", "two").unwrap();
        assert_eq!(state.read("orders.json").unwrap().as_deref(), Some("two"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the file and the lock");
    }

    #[test]
    fn files_are_kept_aside_under_names_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        for text in ["one", "two"] {
            state.replace("orders.json", text).unwrap();
            let aside = state.set_aside("orders.json").unwrap();
            assert_eq!(fs::read_to_string(aside).unwrap(), text);
            assert_eq!(state.read("orders.json").unwrap(), None);
        }
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "").unwrap();
        let error = StateDir::open(&path.join("state")).unwrap_err();
        assert!(matches!(error, StateDirError::Unusable { .. }), "{error}");
        assert!(error.to_string().contains("file/state"), "{error}");
    }
}
