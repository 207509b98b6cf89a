//! What is wrong with a configuration, where, and what to do about it.

mod located;
mod problems;
mod render;
mod secrets;
mod suggestion;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    document::{Location, Span},
    sources::{Place, Places},
};

pub use located::{Excerpt, LocatedDiagnostic};
pub use problems::{BlockErrors, Problems};
pub use render::{Colors, show};
pub use suggestion::nearest;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The configuration can be used, yet may not do what its author thinks.
    Warning,
    /// The configuration, or the block that it is in, cannot be used.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One problem with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// Shown at the place: mostly what was expected there.
    pub label: Option<String>,
    /// Another place that belongs to it, such as the first definition of what is defined twice.
    pub related: Option<(Span, String)>,
    /// Facts that explain the problem.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
    /// What holds instead of what is written; shown behind the label.
    pub instead: Option<String>,
    /// It is a [`mistake`](Self::mistake).
    pub is_mistake: bool,
}

impl Diagnostic {
    /// A problem that makes the configuration, or the block that it is in, unusable.
    pub fn error(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, span, message.into())
    }

    /// A problem that the reader should know of.
    pub fn warning(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, span, message.into())
    }

    /// Something that cannot be used as it is written, and is ignored or replaced. A daemon runs on with this warning. For
    /// a test of the file, and for a daemon that is to be strict, it is an [error](Self::strictly).
    pub fn mistake(span: Span, message: impl Into<String>) -> Self {
        Self { is_mistake: true, ..Self::warning(span, message) }
    }

    /// The same as a mistake, with what holds instead.
    #[must_use]
    pub fn tolerated(self, instead: &str) -> Self {
        Self { severity: Severity::Warning, is_mistake: true, ..self }.instead(instead)
    }

    /// The same, with a mistake as an error.
    #[must_use]
    pub fn strictly(mut self) -> Self {
        if self.is_mistake {
            self.severity = Severity::Error;
        }
        self
    }

    /// A problem of this severity.
    pub fn new(severity: Severity, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity,
            message: message.into(),
            span,
            label: None,
            related: None,
            notes: Vec::new(),
            help: None,
            instead: None,
            is_mistake: false,
        }
    }

    /// The same with words at the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The same with what holds instead of what is written.
    #[must_use]
    pub fn instead(mut self, instead: impl Into<String>) -> Self {
        self.instead = Some(instead.into());
        self
    }

    /// The same with a second place.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related = Some((span, label.into()));
        self
    }

    /// The same with an explanation.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, asking whether the nearest of the known words was meant.
    #[must_use]
    pub fn did_you_mean<'a>(self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(word, known) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }

    /// Whether it makes the configuration unusable.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Line and column.
    pub fn location(&self, places: &impl Places) -> Location {
        let Place { source, base } = places.place(self.span.start);
        source.location(self.span.start - base)
    }
}
