//! A bounded collection: a file of a million mistakes yields a message that can be read.

use std::collections::HashMap;

use super::{Diagnostic, Severity};
use crate::document::Span;

/// Collects problems. Of errors, of mistakes, and of other warnings it keeps the first [`Self::LIMIT`] and counts the others.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    kept: Vec<Diagnostic>,
    seen: [usize; 3],
    last: Span,
    /// How often a place had a problem that it had already.
    repeated: HashMap<(Severity, Span), u32>,
    /// Errors since the block that is being read began.
    block: Option<BlockErrors>,
    /// Whether mistakes are errors.
    strict: bool,
}

/// The errors of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockErrors {
    /// The first one; `None` when there were so many errors before that it was not made.
    pub first: Option<Diagnostic>,
}

/// What is counted by itself.
fn class(severity: Severity, is_mistake: bool) -> usize {
    match (severity, is_mistake) {
        (Severity::Warning, false) => 0,
        (Severity::Warning, true) => 1,
        (Severity::Error, _) => 2,
    }
}

impl Problems {
    /// So many errors, and so many warnings, are kept.
    pub const LIMIT: usize = 100;

    /// A place that has repeated its problems so often has no new ones.
    const MAX_REPEATED: u32 = 8;

    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, unless it is there already: a place that is read many times has its problems once.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let diagnostic = match self.strict {
            true => Diagnostic { instead: None, ..diagnostic.strictly() },
            false => diagnostic,
        };
        if diagnostic.is_error() {
            self.block.get_or_insert_default().first.get_or_insert_with(|| diagnostic.clone());
        }
        if self.kept.contains(&diagnostic) {
            *self.repeated.entry((diagnostic.severity, diagnostic.span)).or_default() += 1;
            return;
        }
        let seen = &mut self.seen[class(diagnostic.severity, diagnostic.is_mistake)];
        *seen += 1;
        self.last = diagnostic.span;
        if *seen <= Self::LIMIT {
            self.kept.push(diagnostic);
        }
    }

    /// Adds a mistake that is costly to describe: it is only described if it will be kept.
    pub fn push_mistake_with(&mut self, span: Span, make: impl FnOnce() -> Diagnostic) {
        self.push_class(class(Severity::Warning, true), Severity::Warning, span, make);
    }

    /// Adds one that is costly to make: it is only made if it will be kept.
    pub fn push_with(&mut self, severity: Severity, span: Span, make: impl FnOnce() -> Diagnostic) {
        self.push_class(class(severity, false), severity, span, make);
    }

    fn push_class(
        &mut self,
        class: usize,
        severity: Severity,
        span: Span,
        make: impl FnOnce() -> Diagnostic,
    ) {
        if severity == Severity::Error {
            self.block.get_or_insert_default();
        }
        if self.repeated.get(&(severity, span)).is_some_and(|times| *times >= Self::MAX_REPEATED) {
            return;
        }
        if self.seen[class] < Self::LIMIT {
            self.push(make());
        } else {
            self.seen[class] += 1;
            self.last = span;
        }
    }

    /// Reads a block, and says whether it has errors. They are not those of a block around it.
    pub fn block<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> (T, Option<BlockErrors>) {
        let around = self.block.take();
        let read = read(self);
        let errors = std::mem::replace(&mut self.block, around);
        (read, errors)
    }

    /// Reads what a block cannot do without: mistakes in it are errors.
    pub fn strictly<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let around = std::mem::replace(&mut self.strict, true);
        let read = read(self);
        self.strict = around;
        read
    }

    /// Makes the errors of a block those of the block around it.
    pub fn pass_on(&mut self, errors: BlockErrors) {
        let BlockErrors { first } = self.block.get_or_insert_default();
        if first.is_none() {
            *first = errors.first;
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.seen == [0; 3]
    }

    /// Whether an error is among them.
    pub fn any_error(&self) -> bool {
        self.seen[class(Severity::Error, false)] > 0
    }

    /// Whether an error or a mistake is among them.
    pub fn any_error_strictly(&self) -> bool {
        self.any_error() || self.seen[class(Severity::Warning, true)] > 0
    }

    /// All that were kept, in the order of the file; at the end, for each severity that had more, how many.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.kept.sort_by_key(|diagnostic| diagnostic.span.start);
        let classes = [(Severity::Error, false), (Severity::Warning, true), (Severity::Warning, false)];
        for (severity, is_mistake) in classes {
            let hidden = self.seen[class(severity, is_mistake)].saturating_sub(Self::LIMIT);
            if hidden > 0 {
                let plural = if hidden == 1 { "" } else { "s" };
                let message = format!("{hidden} more {severity}{plural} not shown");
                self.kept.push(Diagnostic { is_mistake, ..Diagnostic::new(severity, self.last, message) });
            }
        }
        self.kept
    }
}

impl Extend<Diagnostic> for Problems {
    fn extend<T: IntoIterator<Item = Diagnostic>>(&mut self, diagnostics: T) {
        diagnostics.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }
}
