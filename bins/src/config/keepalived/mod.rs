//! keepalived.conf: what its text says, and what it means.
//!
//! ```text
//! files ──language──▶ Document (directives with their places) ──resolve──▶ Config
//! ```
//!
//! - [`language`] knows comments, quotes, includes, conditions, definitions and sequences, and which keyword may stand where.
//! - `resolve` knows what each keyword means, its unit and range, and what follows from several of them together.
//! - [`model`] is the result, for those who act on it.

pub mod language;
pub mod model;
pub mod resolve;

use std::{io, path::Path};

use super::{diagnostic::Diagnostic, document::Source, sources::Sources};
use language::{Machine, Settings, Surroundings};
use model::Config;

/// What a file and those that it includes say.
#[derive(Debug)]
pub struct Loaded {
    /// What it means; `None` if a problem is an error.
    pub config: Option<Config>,
    /// All files that were read.
    pub sources: Sources,
    /// What is wrong with them, in the order of the text.
    pub problems: Vec<Diagnostic>,
}

/// Reads and resolves a file.
///
/// # Errors
/// When the file itself can not be read. What is wrong in it, or with what it includes, is among the problems.
pub fn load(path: &Path, settings: &Settings) -> io::Result<Loaded> {
    let path = std::path::absolute(path)?;
    let source = Source::read(&path)?;
    Ok(load_source(source, &path, settings, &mut Machine::default()))
}

/// The same for a source that was read already and stands for the file at `path`.
pub fn load_source(
    source: Source,
    path: &Path,
    settings: &Settings,
    surroundings: &mut dyn Surroundings,
) -> Loaded {
    let (document, sources, mut problems) = language::read_source(source, path, settings, surroundings);
    let config = resolve::resolve(&document, &mut problems);
    let config = (!problems.any_error()).then_some(config);
    Loaded { config, sources, problems: problems.finish() }
}
