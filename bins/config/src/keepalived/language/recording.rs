//! What reading a configuration needed besides its text, so that it can be read again where the files are not.

use std::{cell::RefCell, collections::BTreeMap, io, path::Path};

use serde::{Deserialize, Serialize};

use super::surroundings::{Machine, Surroundings};
use crate::document::Source;

/// The answers of [`Surroundings`], by question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Files by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    files: BTreeMap<String, Result<Source, Unreadable>>,
    /// Names in directories by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    directories: BTreeMap<String, Result<Vec<String>, Unreadable>>,
    /// Variables of the environment by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    variables: BTreeMap<String, Option<String>>,
}

/// Why a file or directory was not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Unreadable {
    missing: bool,
    text: String,
}

impl From<&io::Error> for Unreadable {
    fn from(error: &io::Error) -> Self {
        Self { missing: error.kind() == io::ErrorKind::NotFound, text: error.to_string() }
    }
}

impl From<&Unreadable> for io::Error {
    fn from(Unreadable { missing, text }: &Unreadable) -> Self {
        let kind = if *missing { io::ErrorKind::NotFound } else { io::ErrorKind::Other };
        Self::new(kind, text.clone())
    }
}

/// Records what is asked of others, and what they answer.
#[derive(Debug, Default)]
pub struct Recorder<S> {
    inner: S,
    recording: RefCell<Recording>,
}

impl<S> Recorder<S> {
    /// What was recorded.
    pub fn finish(self) -> Recording {
        self.recording.into_inner()
    }
}

impl<S: Surroundings> Surroundings for Recorder<S> {
    fn read(&self, path: &Path) -> io::Result<Source> {
        let result = self.inner.read(path);
        let kept = result.as_ref().map(Source::clone).map_err(Unreadable::from);
        self.recording.borrow_mut().files.insert(key(path), kept);
        result
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let result = self.inner.list(directory);
        let kept = result.as_ref().map(Vec::clone).map_err(Unreadable::from);
        self.recording.borrow_mut().directories.insert(key(directory), kept);
        result
    }

    fn variable(&self, name: &str) -> Option<String> {
        let value = self.inner.variable(name);
        self.recording.borrow_mut().variables.insert(name.to_owned(), value.clone());
        value
    }

    fn chance(&mut self) -> u64 {
        self.inner.chance()
    }
}

/// Answers from a recording alone: nothing of this machine is opened or looked at, whatever is asked for.
#[derive(Debug)]
pub struct Replay {
    recording: Recording,
    chance: Machine,
}

impl Replay {
    /// Answers from this recording.
    pub fn new(recording: Recording) -> Self {
        Self { recording, chance: Machine::default() }
    }
}

impl Surroundings for Replay {
    fn read(&self, path: &Path) -> io::Result<Source> {
        found(self.recording.files.get(&key(path)))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        found(self.recording.directories.get(&key(directory)))
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.recording.variables.get(name).cloned().flatten()
    }

    fn chance(&mut self) -> u64 {
        self.chance.chance()
    }
}

fn found<T: Clone>(kept: Option<&Result<T, Unreadable>>) -> io::Result<T> {
    match kept {
        Some(Ok(found)) => Ok(found.clone()),
        Some(Err(error)) => Err(error.into()),
        None => Err(io::Error::other("it was not sent along")),
    }
}

/// Paths come from texts, so nothing is lost but what the path of the first file may have.
fn key(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostic::Diagnostic,
        keepalived::language::{Memory, Settings, read_text},
    };

    #[test]
    fn a_replay_reads_what_the_recorder_read_and_nothing_else() {
        let text = "include d/*.conf\ninclude {b,c}.conf\nincludea gone.conf\n$A=${_ENV NAME}\nvrrp_instance $A {\n}\n";
        let files = Memory::default()
            .file("/e/d/1.conf", "include 2.conf\n")
            .file("/e/d/2.conf", "virtual_server 1 {");
        let files = files.file("/e/b.conf", "one {\n");
        let (path, settings) = (Path::new("/e/k.conf"), Settings::default());
        let mut recorder = Recorder { inner: files, recording: RefCell::default() };
        let lines = |problems: Vec<Diagnostic>, sources| {
            problems.iter().map(|problem| problem.line(&sources)).collect::<Vec<_>>()
        };
        let (first, sources, problems) = read_text(text, path, &settings, &mut recorder);
        let first_lines = lines(problems.finish(), sources);
        let json = serde_json::to_string(&recorder.finish()).unwrap();
        let mut replay = Replay::new(serde_json::from_str(&json).unwrap());
        let (second, sources, problems) = read_text(text, path, &settings, &mut replay);
        assert_eq!(lines(problems.finish(), sources), first_lines);
        assert_eq!(format!("{first:?}"), format!("{second:?}"));
        assert!(first_lines.iter().any(|line| line.contains("gone.conf")), "{first_lines:?}");

        let mut empty = Replay::new(Recording::default());
        let (_, sources, problems) = read_text("includea /etc/hostname\n", path, &settings, &mut empty);
        let problems = lines(problems.finish(), sources);
        assert!(problems[0].contains("it was not sent along"), "{problems:?}");
    }
}
