//! From a file to a configuration, with everything that there is to say about it.

use std::{
    fmt, fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use lb_config::{
    diagnostic::{Diagnostic, LocatedDiagnostic, Severity},
    document::Source,
    ldirectord::{self, Config, Mode},
    names::SystemResolver,
};
use lb_control::wording::services as wording;
use thiserror::Error;
use tokio::task::JoinHandle;

use super::{checks, files};

/// A configuration that can be put in force.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is odd about it, and, as errors, what cannot be checked as it is written: such a real server stays down.
    pub warnings: Vec<LocatedDiagnostic>,
}

impl Loaded {
    /// The same if every real server can be checked. A start goes on without, as ldirectord does; whoever puts a
    /// configuration in the place of one that works does not.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn checkable(self) -> Result<Self, LoadError> {
        if self.warnings.iter().any(LocatedDiagnostic::is_error) {
            return Err(LoadError::Invalid(self.warnings));
        }
        Ok(self)
    }
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
    /// It is empty of services, and nobody has asked for it to be read.
    #[error("{path} names no virtual service: it may be incomplete; `lbctl reload` takes it as it is", path = .0.display())]
    Empty(PathBuf),
    /// It has errors.
    #[error("{}", Lines(.0))]
    Invalid(Vec<LocatedDiagnostic>),
}

impl LoadError {
    /// Errors and warnings, if it could be read.
    pub fn problems(&self) -> &[LocatedDiagnostic] {
        match self {
            Self::Invalid(problems) => problems,
            Self::Read { .. } | Self::Empty(_) => &[],
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

/// Whether to look for the programs and files that a configuration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Programs {
    /// One that does not exist is a problem.
    Examine,
    /// They are not looked for: whoever wrote the text must not learn what is on this machine.
    Trust,
}

fn check_with(source: &Source, strict: bool, programs: Programs) -> Result<Loaded, LoadError> {
    let mode = if strict { Mode::Strict } else { Mode::Lenient };
    let (config, mut found) = ldirectord::load(source, mode, &SystemResolver::new());
    if programs == Programs::Examine {
        found.extend(files::problems(&ldirectord::parse(source, mode).0));
        found.sort_by_key(|problem| problem.span.start);
    }
    let config = config.filter(|_| !found.iter().any(Diagnostic::is_error));
    let mut found: Vec<_> = found.iter().map(|diagnostic| diagnostic.locate(source)).collect();
    let Some(config) = config else { return Err(LoadError::Invalid(found)) };
    let problems = checks::problems(&config, programs);
    if !problems.is_empty() {
        let (raw, _) = ldirectord::parse(source, mode);
        found.extend(problems.into_iter().map(|(service, real, problem)| {
            let virtual_service = &config.virtuals[service];
            let message = format!("virtual={}: {}", wording::name(&virtual_service.key), problem.why);
            // A service that is left out as the second of its name shifts the sections.
            let section = raw.virtuals.get(service).filter(|_| raw.virtuals.len() == config.virtuals.len());
            match section.map(|section| section.place(problem.directive, &virtual_service.reals[real])) {
                Some(span) => Diagnostic::error(span, message).locate(source),
                None => LocatedDiagnostic::of_file(source.name(), Severity::Error, message),
            }
        }));
    }
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
        self.task = Some(tokio::task::spawn_blocking(move || load(&path, strict)?.checkable()));
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
    stamp: Stamp,
    content: u64,
    /// Whether the last line has an end.
    whole: bool,
    /// What was found instead at the last look, and for how many looks it has stayed so.
    found: Option<(Stamp, u32)>,
}

/// When a file was written, and how long it is.
type Stamp = (Option<SystemTime>, u64);

/// What a look at a file has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The content that is known, or one that may still be in the making, or no file.
    Same,
    /// Another content.
    Changed,
    /// A text that ends within a line, where the known one does not: the writer may have failed, as on a full disk. Said
    /// once.
    Partial,
}

impl Fingerprint {
    /// Of the file as it is now; of a file that can not be read, always the same.
    pub fn of(path: &Path) -> Self {
        let read = || {
            let (stamp, bytes) = (stamp(path)?, fs::read(path).ok()?);
            Some(Self::new(stamp, &bytes))
        };
        read().unwrap_or_default()
    }

    fn new(stamp: Stamp, bytes: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Self { stamp, content: hasher.finish(), whole: bytes.ends_with(b"\n"), found: None }
    }

    /// Looks whether the content is another one than before, and rests: two looks in a row have found the same size and
    /// time, so that a file that is just being written is not read in half.
    pub fn look(&mut self, path: &Path) -> Look {
        let Some(stamp) = stamp(path) else { return Look::Same };
        if stamp == self.stamp {
            self.found = None;
            return Look::Same;
        }
        let looks = self.found.filter(|(found, _)| *found == stamp).map_or(0, |(_, looks)| looks + 1);
        self.found = Some((stamp, looks));
        if looks != 1 {
            return Look::Same;
        }
        let Ok(bytes) = fs::read(path) else { return Look::Same };
        let now = Self::new(stamp, &bytes);
        if self.whole && !now.whole {
            return Look::Partial;
        }
        let changed = now.content != self.content;
        *self = now;
        if changed { Look::Changed } else { Look::Same }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok(), metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_changed_when_another_content_rests_in_it() {
        use Look::{Changed, Partial, Same};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.cf");
        let write = |text: &str| fs::write(&path, text).unwrap();
        write("one\n");
        let mut fingerprint = Fingerprint::of(&path);
        let mut looks = |count: u32| (0..count).map(|_| fingerprint.look(&path)).collect::<Vec<_>>();
        assert_eq!(looks(3), [Same; 3]);
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        fs::File::options().append(true).open(&path).unwrap().set_modified(later).unwrap();
        assert_eq!(looks(3), [Same; 3], "touched only");
        write("three\n");
        assert_eq!(looks(3), [Same, Changed, Same]);

        write("");
        assert_eq!(looks(4), [Same, Partial, Same, Same]);
        write("fo");
        assert_eq!(looks(1), [Same], "it is being written");
        write("four\n");
        assert_eq!(looks(3), [Same, Changed, Same]);
        write("four\n# and\n");
        assert_eq!(looks(1), [Same]);
        fs::remove_file(&path).unwrap();
        assert_eq!(looks(3), [Same; 3], "gone");
    }

    #[test]
    fn a_last_line_without_an_end_may_be_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.cf");
        fs::write(&path, "one").unwrap();
        let mut fingerprint = Fingerprint::of(&path);
        fs::write(&path, "another").unwrap();
        assert_eq!([fingerprint.look(&path), fingerprint.look(&path)], [Look::Same, Look::Changed]);
    }
}
