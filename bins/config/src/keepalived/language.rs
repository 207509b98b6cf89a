//! From text to directives, each with its place.
//!
//! Nothing here knows what a directive means; that a keyword exists and where it may stand is known, so that one that does
//! not can be answered with the one that was meant, and never ends the block around it.
//!
//! ```text
//! line ─▶ comment off ─▶ @ conditions ─▶ $NAME= ─▶ ~SEQ, ~LST ─▶ $NAME put in ─▶ include ─▶ words and braces ─▶ tree
//!                              ▲                        │              │
//!                              └── once for each value ─┴── each line ─┘
//! ```
//!
//! How keepalived reads each of them was measured with keepalived 2.2.7; where this differs, docs/from-keepalived.md says why.

mod builder;
mod definitions;
mod include;
pub mod keywords;
mod lexer;
mod line;
mod reader;
mod recording;
mod sequence;
mod surroundings;
#[cfg(test)]
mod tests;
mod tree;

use std::{io, path::Path};

use crate::{
    diagnostic::{Problems, Severity},
    document::Source,
    sources::Sources,
};

pub use lexer::command_words;
pub use recording::{Recorder, Recording, Replay};
pub use surroundings::{Machine, Memory, Surroundings};
pub use tree::{Block, Completeness, Directive, Document, Word};

/// What does not stand in the file.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What `@` conditions are compared with, and what `${_INSTANCE}` is: `-i`. Default: the host's name up to its first dot.
    pub config_id: String,
    /// How bad an unknown keyword is. A daemon runs on with a warning, as keepalived does; a test of the file should fail.
    pub unknown: Severity,
    /// What a configuration may grow to.
    pub limits: Limits,
}

/// What reading a configuration may cost, with its definitions, sequences and included files; a larger one is an error. The
/// defaults leave room for 65,024 instances of twenty words, the largest example in the manual of keepalived, and are
/// used up within some second.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Lines that are read, each as often as it is. Default: 1,000,000.
    pub lines: usize,
    /// Words in the tree. Default: 1,500,000.
    pub words: usize,
    /// Bytes that are read, each as often as it is: of lines, and of what is put into them. Default: 128 MiB.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { lines: 1_000_000, words: 1_500_000, bytes: 128 << 20 }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let host = nix::sys::utsname::uname().map(|names| names.nodename().to_string_lossy().into_owned());
        let host = host.unwrap_or_default();
        Self {
            config_id: host.split('.').next().unwrap_or_default().to_owned(),
            unknown: Severity::Warning,
            limits: Limits::default(),
        }
    }
}

/// Reads a file and what it includes, and warns of keywords that are unknown, misplaced or not acted on.
///
/// # Errors
/// When the file itself can not be read. What is wrong in it, or with what it includes, is among the problems.
pub fn read(path: &Path, settings: &Settings) -> io::Result<(Document, Sources, Problems)> {
    let source = Source::read(path)?;
    let path = std::path::absolute(path)?;
    Ok(read_source(source, &path, settings, &mut Machine::default()))
}

/// The same for a text in memory that stands for the file at `path`.
pub fn read_text(
    text: &str,
    path: &Path,
    settings: &Settings,
    surroundings: &mut dyn Surroundings,
) -> (Document, Sources, Problems) {
    read_source(Source::new(path.display().to_string(), text), path, settings, surroundings)
}

/// The same for a source that was read already.
pub fn read_source(
    source: Source,
    path: &Path,
    settings: &Settings,
    surroundings: &mut dyn Surroundings,
) -> (Document, Sources, Problems) {
    let (document, sources, mut problems) = reader::read(source, path, settings, surroundings);
    keywords::check(&document, settings.unknown, &mut problems);
    (document, sources, problems)
}
