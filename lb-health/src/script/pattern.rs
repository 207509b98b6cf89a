//! What an answer has to look like.

use std::fmt;

use fancy_regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Failure, FailureKind};

/// A regular expression in Perl's syntax, look-around and back-references included. It matches anywhere in the
/// text unless it is anchored; `^` and `$` mean the ends of the text, with `(?m)` those of a line.
///
/// Matching is bounded: an expression that would back-track without end fails the look as
/// [`FailureKind::Local`] and does not hold it up. Two patterns are equal if their texts are.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Regex);

/// A text that is not a regular expression.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a regular expression: {pattern}: {reason}")]
pub struct BadPattern {
    /// The text.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Steps back that one match may take: some milliseconds at the most.
const BACKTRACK_LIMIT: usize = 100_000;

impl Pattern {
    /// Compiles the expression.
    ///
    /// # Errors
    /// The text is not a regular expression, or an unreasonably large one.
    pub fn new(pattern: &str) -> Result<Self, BadPattern> {
        RegexBuilder::new(pattern)
            .backtrack_limit(BACKTRACK_LIMIT)
            .build()
            .map(Self)
            .map_err(|error| BadPattern { pattern: pattern.into(), reason: error.to_string() })
    }

    /// The text it was made from.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether the pattern occurs in the text.
    ///
    /// # Errors
    /// [`FailureKind::Local`] if that takes more steps than are allowed.
    pub fn matches(&self, text: &str) -> Result<bool, Failure> {
        self.0.is_match(text).map_err(|error| {
            Failure::new(
                FailureKind::Local,
                format_args!("pattern /{self}/ on {} bytes: {error}", text.len()),
            )
        })
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.as_str())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl std::str::FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(pattern: &str) -> Result<Self, BadPattern> {
        Self::new(pattern)
    }
}

impl TryFrom<String> for Pattern {
    type Error = BadPattern;

    fn try_from(pattern: String) -> Result<Self, BadPattern> {
        Self::new(&pattern)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.as_str().into()
    }
}
