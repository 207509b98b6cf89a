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
use language::{Completeness, Machine, Settings, Surroundings};
use model::Config;
use resolve::{Basis, Resolved};

/// What a file and those that it includes say.
#[derive(Debug)]
pub struct Loaded {
    /// What it means, without the blocks that have errors or with what was in force for them.
    pub resolved: Resolved,
    /// How much of the text could be read.
    pub completeness: Completeness,
    /// All files that were read.
    pub sources: Sources,
    /// What is wrong with them, in the order of the text.
    pub problems: Vec<Diagnostic>,
}

impl Loaded {
    /// What it means; `None` if a problem is an error.
    pub fn config(&self) -> Option<&Config> {
        let is_whole = !self.problems.iter().any(Diagnostic::is_error);
        is_whole.then_some(&self.resolved.config)
    }
}

/// Reads and resolves a file by itself.
///
/// # Errors
/// When the file itself can not be read. What is wrong in it, or with what it includes, is among the problems.
pub fn load(path: &Path, settings: &Settings) -> io::Result<Loaded> {
    let basis = Basis { before: &Config::default(), admit: &mut |_| Ok(()) };
    load_beside(path, settings, basis)
}

/// Reads and resolves a file in the place of what is in force.
///
/// # Errors
/// As [`load`].
pub fn load_beside(path: &Path, settings: &Settings, basis: Basis<'_>) -> io::Result<Loaded> {
    let path = std::path::absolute(path)?;
    let source = Source::read(&path)?;
    Ok(load_source_beside(source, &path, settings, &mut Machine::default(), basis))
}

/// As [`load`] for a source that was read already and stands for the file at `path`.
pub fn load_source(
    source: Source,
    path: &Path,
    settings: &Settings,
    surroundings: &mut dyn Surroundings,
) -> Loaded {
    let basis = Basis { before: &Config::default(), admit: &mut |_| Ok(()) };
    load_source_beside(source, path, settings, surroundings, basis)
}

/// As [`load_beside`] for a source that was read already and stands for the file at `path`.
pub fn load_source_beside(
    source: Source,
    path: &Path,
    settings: &Settings,
    surroundings: &mut dyn Surroundings,
    basis: Basis<'_>,
) -> Loaded {
    let (document, sources, mut problems) = language::read_source(source, path, settings, surroundings);
    let completeness = document.completeness;
    let resolved = resolve::resolve_beside(&document, basis, &mut problems);
    Loaded { resolved, completeness, sources, problems: problems.finish() }
}
