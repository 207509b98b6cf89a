//! From a file to a configuration, with everything that there is to say about it.

use std::{
    fmt, fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use thiserror::Error;
use tokio::task::JoinHandle;

use super::checks;
use crate::config::{
    diagnostic::{LocatedDiagnostic, Severity},
    document::Source,
    ldirectord::{self, Config, Mode},
    names::SystemResolver,
};

/// A configuration that can be put in force.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is odd about it.
    pub warnings: Vec<LocatedDiagnostic>,
}

/// Why a file is no configuration.
#[derive(Debug, Error)]
pub enum LoadError {
    /// It can not be read.
    #[error("{path} can not be read: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It has errors.
    #[error("{}", Lines(.0))]
    Invalid(Vec<LocatedDiagnostic>),
}

impl LoadError {
    /// Errors and warnings, if it could be read.
    pub fn problems(&self) -> &[LocatedDiagnostic] {
        match self {
            Self::Invalid(problems) => problems,
            Self::Read { .. } => &[],
        }
    }
}

struct Lines<'a>(&'a [LocatedDiagnostic]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(LocatedDiagnostic::line).collect::<Vec<_>>().join("; "))
    }
}

/// Reads and checks a file.
///
/// # Errors
/// All that is wrong with it, at once.
pub fn load(path: &Path, strict: bool) -> Result<Loaded, LoadError> {
    let source = Source::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    check(&source, strict)
}

/// Checks a text.
///
/// # Errors
/// All that is wrong with it, at once.
pub fn check(source: &Source, strict: bool) -> Result<Loaded, LoadError> {
    check_with(source, strict, Programs::Examine)
}

/// Checks a text that a client has sent: nothing that it names is looked at.
///
/// # Errors
/// All that is wrong with it, at once.
pub fn check_proposed(source: &Source, strict: bool) -> Result<Loaded, LoadError> {
    check_with(source, strict, Programs::Trust)
}

/// Whether to look for the programs that a configuration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Programs {
    /// One that does not exist is a problem.
    Examine,
    /// They are not looked for: whoever wrote the text must not learn what is on this machine.
    Trust,
}

fn check_with(source: &Source, strict: bool, programs: Programs) -> Result<Loaded, LoadError> {
    let mode = if strict { Mode::Strict } else { Mode::Lenient };
    let (config, found) = ldirectord::load(source, mode, &SystemResolver::new());
    let mut found: Vec<_> = found.iter().map(|diagnostic| diagnostic.locate(source)).collect();
    let Some(config) = config else { return Err(LoadError::Invalid(found)) };
    let of_file = |problem: String| LocatedDiagnostic::of_file(source.name(), Severity::Warning, problem);
    found.extend(checks::problems(&config, programs).into_iter().map(of_file));
    Ok(Loaded { config, warnings: found })
}

/// Loads a file beside everything else: a name server may be slow.
#[derive(Debug, Default)]
pub struct Loader {
    task: Option<JoinHandle<Result<Loaded, LoadError>>>,
}

impl Loader {
    /// Begins to load. A load that is under way is given up: the file may have changed since. Must be called inside a
    /// tokio runtime.
    pub fn begin(&mut self, path: &Path, strict: bool) {
        let path = path.to_owned();
        self.task = Some(tokio::task::spawn_blocking(move || load(&path, strict)));
    }

    /// Waits for the result; for ever, when nothing is being loaded. Cancel safe.
    pub async fn result(&mut self) -> Result<Loaded, LoadError> {
        let Some(task) = &mut self.task else { return std::future::pending().await };
        let result = task.await;
        self.task = None;
        match result {
            Ok(result) => result,
            // A bug in the parser: it shall be seen, as if it had happened here.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

/// By which a changed file is known: its content, which is only looked at when the file's times or size say so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    modified: Option<SystemTime>,
    length: u64,
    content: u64,
}

impl Fingerprint {
    /// Of the file as it is now; of a file that can not be read, always the same.
    pub fn of(path: &Path) -> Self {
        let mut fingerprint = Self::default();
        fingerprint.has_changed(path);
        fingerprint
    }

    /// Whether the content is another one than when this was asked last. A file that is gone, as while it is being
    /// replaced, has not changed.
    pub fn has_changed(&mut self, path: &Path) -> bool {
        let Ok(metadata) = fs::metadata(path) else { return false };
        let (modified, length) = (metadata.modified().ok(), metadata.len());
        if (modified, length) == (self.modified, self.length) {
            return false;
        }
        let Ok(bytes) = fs::read(path) else { return false };
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let content = hasher.finish();
        let changed = content != self.content;
        *self = Self { modified, length, content };
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_changed_when_its_content_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.cf");
        fs::write(&path, "one").unwrap();
        let mut fingerprint = Fingerprint::of(&path);
        assert!(!fingerprint.has_changed(&path));
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        fs::File::options().append(true).open(&path).unwrap().set_modified(later).unwrap();
        assert!(!fingerprint.has_changed(&path), "touched only");
        fs::write(&path, "three").unwrap();
        assert!(fingerprint.has_changed(&path));
        fs::remove_file(&path).unwrap();
        assert!(!fingerprint.has_changed(&path), "gone");
    }
}
