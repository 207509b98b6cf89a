//! Blocks with errors, and what takes their place.

use crate::{
    diagnostic::{BlockErrors, Diagnostic},
    keepalived::language::Directive,
};

/// A block with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The block as the file names it: `vrrp_instance VI_1`.
    pub block: String,
    /// What it is about.
    pub area: Area,
    /// What takes its place.
    pub outcome: Outcome,
    /// Its first error; `None` when the file has so many errors that this one was not kept.
    pub error: Option<Diagnostic>,
}

/// What a block is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// Instances, and what is there for their sake.
    Vrrp,
    /// Virtual servers.
    VirtualServers,
    /// Both.
    Both,
}

/// What takes the place of a block with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was in force for the block of that name.
    Kept,
    /// Nothing.
    LeftOut,
}

/// Collects them.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn push(&mut self, block: String, area: Area, kept: bool, errors: BlockErrors) {
        let outcome = if kept { Outcome::Kept } else { Outcome::LeftOut };
        self.0.push(Fault { block, area, outcome, error: errors.first });
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets all but so many, since a block around the others has an error as well.
    pub(super) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// In the order of the file.
    pub(super) fn finish(mut self) -> Vec<Fault> {
        self.0.sort_by_key(|fault| fault.error.as_ref().map_or(usize::MAX, |error| error.span.start));
        self.0
    }
}

/// The keyword of a block and what follows it.
pub(super) fn title(directive: &Directive) -> String {
    const WORDS: usize = 3;
    const LENGTH: usize = 80;
    let words: Vec<&str> = directive.words.iter().take(WORDS).map(|word| word.text.as_str()).collect();
    let mut title = words.join(" ");
    if let Some((end, _)) = title.char_indices().nth(LENGTH) {
        title.replace_range(end.., "…");
    }
    title
}
