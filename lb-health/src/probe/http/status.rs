//! Sets of status codes, and the status line.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Status codes, written like `200-299,301`. Default 200–299.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StatusSet(Vec<RangeInclusive<u16>>);

/// A text that is not a set of status codes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not a list of HTTP status codes (100 to 599) and ranges, such as 200-299,301")]
pub struct BadStatusSet(String);

impl StatusSet {
    /// This status alone.
    pub fn only(code: u16) -> Self {
        Self(vec![code..=code])
    }

    /// Whether the status is in the set.
    pub fn contains(&self, code: u16) -> bool {
        self.0.iter().any(|range| range.contains(&code))
    }
}

impl Default for StatusSet {
    fn default() -> Self {
        Self(vec![200..=299])
    }
}

impl FromStr for StatusSet {
    type Err = BadStatusSet;

    /// Codes and ranges, separated by commas or blanks.
    fn from_str(text: &str) -> Result<Self, BadStatusSet> {
        let bad = || BadStatusSet(text.into());
        let code =
            |text: &str| text.trim().parse().ok().filter(|code| (100..=599).contains(code)).ok_or_else(bad);
        let mut ranges: Vec<RangeInclusive<u16>> = text
            .split([',', ' ', '\t'])
            .filter(|part| !part.is_empty())
            .map(|part| match part.split_once('-') {
                Some((from, to)) => Ok(code(from)?..=code(to)?),
                None => code(part).map(|code| code..=code),
            })
            .collect::<Result<_, _>>()?;
        if ranges.is_empty() || ranges.iter().any(RangeInclusive::is_empty) {
            return Err(bad());
        }
        ranges.sort_unstable_by_key(|range| (*range.start(), *range.end()));
        Ok(Self(ranges))
    }
}

impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, range) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            match (range.start(), range.end()) {
                (from, to) if from == to => write!(f, "{comma}{from}")?,
                (from, to) => write!(f, "{comma}{from}-{to}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatusSet({self})")
    }
}

impl TryFrom<String> for StatusSet {
    type Error = BadStatusSet;

    fn try_from(text: String) -> Result<Self, BadStatusSet> {
        text.parse()
    }
}

impl From<StatusSet> for String {
    fn from(set: StatusSet) -> Self {
        set.to_string()
    }
}

/// The status of an answer: `200 OK`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) code: u16,
    pub(super) reason: String,
}

impl Status {
    /// Reads a status line without its line end, RFC 9112 §4. A server may leave the reason out, blank included.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(b"HTTP/1.")?;
        let (b' ', code, reason) = (*rest.get(1)?, rest.get(2..5)?, rest.get(5..)?) else { return None };
        if !rest[0].is_ascii_digit() || !code.iter().all(u8::is_ascii_digit) || code[0] == b'0' {
            return None;
        }
        let reason = match reason {
            [b' ', reason @ ..] => String::from_utf8_lossy(reason).into_owned(),
            [] => String::new(),
            _ => return None,
        };
        let code = code.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        Some(Self { code, reason })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if !self.reason.is_empty() {
            write!(f, " {}", self.reason)?;
        }
        Ok(())
    }
}
