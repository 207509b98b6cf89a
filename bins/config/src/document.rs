//! The text of a configuration file, and places in it.

use std::{fs::File, io, io::Read, ops::Range, path::Path};

use serde::{Deserialize, Serialize};

/// A range of bytes in a [`Source`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes from `start` up to, not including, `end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Number of bytes.
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether it only marks a position.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// From the start of this one to the end of the other.
    #[must_use]
    pub const fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }

    /// A part of this one, given relative to its start.
    #[must_use]
    pub const fn part(self, part: Range<usize>) -> Self {
        Self { start: self.start + part.start, end: self.start + part.end }
    }
}

/// Line and column as people count them, from 1. A column is a character, not a byte; a tab is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// One line of a [`Source`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// From 1.
    pub number: usize,
    /// Where its text is; the line feed is not part of it, a carriage return is.
    pub span: Span,
    /// The text.
    pub text: &'a str,
    /// Whether a line feed follows; only a last line may be without one.
    pub terminated: bool,
}

/// The text of one file with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Parts", into = "Parts")]
pub struct Source {
    name: String,
    text: String,
    starts: Vec<usize>,
    undecodable: Vec<usize>,
}

/// What a [`Source`] is sent as.
#[derive(Serialize, Deserialize)]
struct Parts {
    name: String,
    text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    undecodable: Vec<usize>,
}

impl From<Parts> for Source {
    fn from(Parts { name, text, mut undecodable }: Parts) -> Self {
        let is_replaced =
            |at: &usize| text.get(*at..).is_some_and(|rest| rest.starts_with(char::REPLACEMENT_CHARACTER));
        undecodable.retain(is_replaced);
        Self { undecodable, ..Self::new(name, text) }
    }
}

impl From<Source> for Parts {
    fn from(Source { name, text, undecodable, .. }: Source) -> Self {
        Self { name, text, undecodable }
    }
}

impl Source {
    /// Larger files are not read.
    pub const MAX_BYTES: u64 = 256 << 20;

    /// A text under the name that messages shall show.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: name.into(), text, starts, undecodable: Vec::new() }
    }

    /// Bytes that should be UTF-8. What is not becomes U+FFFD, and [`Self::undecodable`] says where.
    pub fn from_bytes(name: impl Into<String>, bytes: &[u8]) -> Self {
        let mut text = String::with_capacity(bytes.len());
        let mut undecodable = Vec::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                undecodable.push(text.len());
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Self { undecodable, ..Self::new(name, text) }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Those of the file system; a file of more than [`Self::MAX_BYTES`] is `FileTooLarge`.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        File::open(path)?.take(Self::MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > Self::MAX_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Self::from_bytes(path.display().to_string(), &bytes))
    }

    /// The name of the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of a range; empty when the range is not within the text.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// Offsets of the replacement characters that stand for bytes which were not UTF-8, ascending.
    pub fn undecodable(&self) -> &[usize] {
        &self.undecodable
    }

    /// The lines in order. What follows the last line feed is a line only when it is not empty.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let last = self.starts.len();
        (1..=last)
            .filter(move |&number| number < last || self.line(number).is_some_and(|l| !l.span.is_empty()))
            .filter_map(|number| self.line(number))
    }

    /// One line by its number from 1.
    pub fn line(&self, number: usize) -> Option<Line<'_>> {
        let start = *self.starts.get(number.checked_sub(1)?)?;
        let next = self.starts.get(number).copied();
        let span = Span::new(start, next.map_or(self.text.len(), |next| next - 1));
        Some(Line { number, span, text: self.slice(span), terminated: next.is_some() })
    }

    /// The number of the line that a byte is in, from 1. An offset behind the text is in the last line.
    pub fn line_number(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset).max(1)
    }

    /// Line and column of a byte.
    pub fn location(&self, offset: usize) -> Location {
        let line = self.line_number(offset);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        Location { line, column: self.slice(Span::new(start, end)).chars().count() + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters_and_lines_count_from_one() {
        let source = Source::new("f", "äöü=1\n\nx\n");
        assert_eq!(source.location(0), Location { line: 1, column: 1 });
        assert_eq!(source.location(6), Location { line: 1, column: 4 });
        assert_eq!(source.location(9), Location { line: 2, column: 1 });
        assert_eq!(source.location(10), Location { line: 3, column: 1 });
        assert_eq!(source.location(99), Location { line: 4, column: 1 });
        assert_eq!(source.lines().map(|line| line.text).collect::<Vec<_>>(), ["äöü=1", "", "x"]);
    }

    #[test]
    fn a_last_line_may_lack_its_line_feed() {
        let source = Source::new("f", "a\r\nb");
        let lines: Vec<_> = source.lines().map(|line| (line.text, line.terminated)).collect();
        assert_eq!(lines, [("a\r", true), ("b", false)]);
        assert_eq!(Source::new("f", "").lines().count(), 0);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced_and_remembered() {
        let source = Source::from_bytes("f", b"a\xff\nb\xc3\n");
        assert_eq!(source.text(), "a\u{fffd}\nb\u{fffd}\n");
        assert_eq!(source.undecodable(), [1, 6]);
        assert_eq!(source.location(6), Location { line: 2, column: 2 });
    }

    #[test]
    fn an_offset_inside_a_character_counts_as_its_start() {
        assert_eq!(Source::new("f", "ä").location(1), Location { line: 1, column: 1 });
    }
}
