//! What an answer has to look like.

mod perl;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
};

use fancy_regex::{BytesMode, Error, Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::perl::Translation;
use crate::{Failure, FailureKind, aside};

/// A regular expression in Perl's syntax, look-around and back-references included. It matches anywhere in the
/// text unless it is anchored. `^` is the start of the text, and `$` its end or the place before a line feed at its
/// end; with `(?m)` they are the ends of a line.
///
/// As in Perl and PCRE2 without their Unicode options, a text is a sequence of bytes: `.` matches one of them, and
/// `\w` and `(?i)` know the letters of ASCII only.
///
/// Matching is bounded: a text on which the expression would back-track without end fails the check, since the server
/// has sent it, and does not hold it up. Two patterns are equal if their texts are.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Arc<Compiled>);

/// One expression for each limit of steps, compiled when it is needed first.
struct Compiled {
    text: String,
    translation: Translation,
    /// By the binary logarithm of the limit.
    by_limit: [OnceLock<Regex>; MAX_LIMIT as usize + 1],
}

/// A text that is not a regular expression.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a regular expression: {pattern}: {reason}")]
pub struct BadPattern {
    /// The text.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Most steps back that one match may take, whatever the length of the text, as a binary logarithm.
const MAX_LIMIT: u32 = 17;

/// Most bytes that one match may look at where others wait for it, as a binary logarithm. Each step back may look at the
/// whole text again, about one byte a nanosecond: some 20 ms.
const INLINE: u32 = 24;

/// The same on a thread of its own: some second.
const ASIDE: u32 = 30;

/// Longest text in bytes that is not worth a thread: all steps may look at all of it within [`INLINE`].
const SHORT: usize = 1 << (INLINE - MAX_LIMIT);

impl Pattern {
    /// Compiles the expression.
    ///
    /// # Errors
    /// The text is not a regular expression, or an unreasonably large one.
    pub fn new(pattern: &str) -> Result<Self, BadPattern> {
        let compiled = Compiled {
            text: pattern.into(),
            translation: Translation::of(pattern),
            by_limit: [const { OnceLock::new() }; _],
        };
        match compiled.limited(MAX_LIMIT) {
            Ok(_) => Ok(Self(Arc::new(compiled))),
            Err(error) => Err(BadPattern { pattern: pattern.into(), reason: compiled.reason(error) }),
        }
    }

    /// The text it was made from.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether the pattern occurs in the text. Takes some 20 ms at most: on long texts fewer steps back are allowed.
    ///
    /// # Errors
    /// [`FailureKind::WrongAnswer`] if that takes more steps than are allowed.
    pub fn matches(&self, text: impl AsRef<[u8]>) -> Result<bool, Failure> {
        self.0.matches(text.as_ref(), INLINE)
    }

    /// The same for a long text: others do not wait for it, and more steps are allowed.
    pub(crate) async fn matches_aside(&self, text: Cow<'_, [u8]>) -> Result<bool, Failure> {
        if text.len() <= SHORT {
            return self.matches(text);
        }
        let (compiled, text) = (Arc::clone(&self.0), text.into_owned());
        aside::compute(move || compiled.matches(&text, ASIDE)).await?
    }
}

impl Compiled {
    fn matches(&self, text: &[u8], budget: u32) -> Result<bool, Failure> {
        // Down to 16 steps, which leaves expressions that need no step back as they are.
        let limit = budget.saturating_sub(text.len().max(1).ilog2() + 1).clamp(4, MAX_LIMIT);
        self.limited(limit).and_then(|regex| regex.is_match(text)).map_err(|error| {
            let what = format_args!("pattern /{}/ on {} bytes: {error}", self.text, text.len());
            Failure::new(FailureKind::WrongAnswer, what)
        })
    }

    fn limited(&self, limit: u32) -> Result<&Regex, fancy_regex::Error> {
        let place = &self.by_limit[limit as usize];
        match place.get() {
            Some(regex) => Ok(regex),
            None => {
                let regex = RegexBuilder::new(&self.translation.text)
                    .bytes_mode(BytesMode::Ascii)
                    .backtrack_limit(1 << limit)
                    .build()?;
                Ok(place.get_or_init(|| regex))
            }
        }
    }

    /// The error in terms of the pattern as it was written.
    fn reason(&self, error: Error) -> String {
        match error {
            Error::ParseError(at, what) => {
                let at = self.translation.origin(at).unwrap_or(self.text.len());
                let place = self.text.get(..at).map_or(at, |before| before.chars().count());
                format!("{what}, at character {}", place + 1)
            }
            error => error.to_string(),
        }
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
