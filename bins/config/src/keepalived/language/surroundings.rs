//! What reading a configuration needs besides its text.

use std::{
    collections::BTreeMap,
    fs,
    hash::{BuildHasher, RandomState},
    io,
    path::{Path, PathBuf},
};

use crate::document::Source;

/// Files, the environment, and chance.
pub trait Surroundings {
    /// Reads a file.
    ///
    /// # Errors
    /// Those of the file system.
    fn read(&self, path: &Path) -> io::Result<Source>;

    /// Names in a directory, in any order.
    ///
    /// # Errors
    /// Those of the file system.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;

    /// A variable of the environment, for `${_ENV NAME}`.
    fn variable(&self, name: &str) -> Option<String>;

    /// A number by chance, for `${_RANDOM}`.
    fn chance(&mut self) -> u64;
}

/// Those of this machine.
#[derive(Debug, Default)]
pub struct Machine {
    drawn: u64,
    seed: RandomState,
}

impl Surroundings for Machine {
    fn read(&self, path: &Path) -> io::Result<Source> {
        // What is included must not be a pipe that nobody writes to.
        let kind = fs::metadata(path)?.file_type();
        match kind.is_dir() {
            true => Err(io::ErrorKind::IsADirectory.into()),
            false if !kind.is_file() => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
            }
            false => Source::read(path),
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn chance(&mut self) -> u64 {
        self.drawn += 1;
        self.seed.hash_one(self.drawn)
    }
}

/// Files in memory, with an environment that has nothing in it and numbers that count up: for tests.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, String>,
    drawn: u64,
}

impl Memory {
    /// One more file.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }
}

impl Surroundings for Memory {
    fn read(&self, path: &Path) -> io::Result<Source> {
        let text = self.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Source::new(path.display().to_string(), text.as_str()))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let names: Vec<String> = self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(directory).ok()?.components().next())
            .map(|name| name.as_os_str().to_string_lossy().into_owned())
            .collect();
        if names.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(names) }
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn chance(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }
}
