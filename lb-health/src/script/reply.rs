//! Replies with a three-digit code: SMTP (RFC 5321 section 4.2), FTP (RFC 959 section 4.2), NNTP (RFC 3977
//! section 3.2).

use std::fmt;
use std::ops::RangeInclusive;

use crate::{Failure, FailureKind};

/// A reply of one or more lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    step: String,
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    /// The lines as they came, with their codes; there is at least one.
    pub(super) fn new(step: String, code: u16, lines: Vec<String>) -> Self {
        Self { step, code, lines }
    }

    pub(crate) fn code(&self) -> u16 {
        self.code
    }

    /// Whether a line after the first announces this extension, in any case (EHLO, FEAT).
    pub(crate) fn announces(&self, extension: &str) -> bool {
        self.lines.iter().skip(1).any(|line| {
            let word = line.get(4..).and_then(|rest| rest.split_whitespace().next());
            word.is_some_and(|word| word.eq_ignore_ascii_case(extension))
        })
    }

    /// The reply if its code is one of these. 530 and its like, which say "not without the right login", are
    /// [`FailureKind::Denied`]; all others [`FailureKind::WrongAnswer`].
    pub(crate) fn expect(self, codes: RangeInclusive<u16>) -> Result<Self, Failure> {
        if codes.contains(&self.code) {
            return Ok(self);
        }
        let kind = match self.code {
            430 | 480 | 481 | 530 | 532 | 535 => FailureKind::Denied,
            _ => FailureKind::WrongAnswer,
        };
        let (first, last) = (codes.start(), codes.end());
        let wanted = if first == last { first.to_string() } else { format!("{first} to {last}") };
        Err(Failure::new(kind, format_args!("{self} as {}, expected {wanted}", self.step)))
    }
}

/// The first line, as that is what a person wants to read.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.lines.first().map_or("", |line| line.trim_end()))
    }
}

/// The code at the start of a line, and whether a hyphen says that more lines follow.
pub(super) fn code(line: &str) -> Option<(u16, bool)> {
    let bytes = line.as_bytes();
    let digits = bytes.get(..3)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match bytes.get(3) {
        None | Some(b' ') => Some((code, false)),
        Some(b'-') => Some((code, true)),
        Some(_) => None,
    }
}
