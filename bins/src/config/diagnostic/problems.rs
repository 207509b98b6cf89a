//! A bounded collection: a file of a million mistakes yields a message that can be read.

use std::collections::HashMap;

use super::{Diagnostic, Severity};
use crate::config::document::Span;

/// Collects problems. Of each severity it keeps the first [`Self::LIMIT`] and counts the others.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    kept: Vec<Diagnostic>,
    seen: [usize; 2],
    last: Span,
    /// How often a place had a problem that it had already.
    repeated: HashMap<(Severity, Span), u32>,
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
        if self.kept.contains(&diagnostic) {
            *self.repeated.entry((diagnostic.severity, diagnostic.span)).or_default() += 1;
            return;
        }
        let seen = &mut self.seen[diagnostic.severity as usize];
        *seen += 1;
        self.last = diagnostic.span;
        if *seen <= Self::LIMIT {
            self.kept.push(diagnostic);
        }
    }

    /// Adds one that is costly to make: it is only made if it will be kept.
    pub fn push_with(&mut self, severity: Severity, span: Span, make: impl FnOnce() -> Diagnostic) {
        if self.repeated.get(&(severity, span)).is_some_and(|times| *times >= Self::MAX_REPEATED) {
            return;
        }
        if self.seen[severity as usize] < Self::LIMIT {
            self.push(make());
        } else {
            self.seen[severity as usize] += 1;
            self.last = span;
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.seen == [0, 0]
    }

    /// Whether an error is among them.
    pub fn any_error(&self) -> bool {
        self.seen[Severity::Error as usize] > 0
    }

    /// All that were kept, in the order of the file; at the end, for each severity that had more, how many.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.kept.sort_by_key(|diagnostic| diagnostic.span.start);
        for severity in [Severity::Error, Severity::Warning] {
            let hidden = self.seen[severity as usize].saturating_sub(Self::LIMIT);
            if hidden > 0 {
                let plural = if hidden == 1 { "" } else { "s" };
                self.kept.push(Diagnostic::new(
                    severity,
                    self.last,
                    format!("{hidden} more {severity}{plural} not shown"),
                ));
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
