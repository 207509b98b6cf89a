//! A logical line, and where each part of it came from.

use std::ops::Range;

use crate::document::Span;

/// Text with its origin. Cheap to copy and to cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// The text.
    pub(super) text: &'a str,
    origin: Origin<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Origin<'a> {
    /// It stands in a file as it is, from this offset on.
    Direct(usize),
    /// It was put together; the text starts at this offset of the whole.
    Pieces(&'a [Piece], usize),
}

/// A part of a line that was put together. The parts of one line come from one line of one file, in order.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Where it starts in the text.
    at: usize,
    /// Where it came from.
    span: Span,
    /// Whether it is a copy of that, byte by byte; otherwise it is what came out of it.
    copied: bool,
}

impl<'a> Line<'a> {
    /// A part of a file, which starts at this offset.
    pub(super) fn direct(text: &'a str, start: usize) -> Self {
        Self { text, origin: Origin::Direct(start) }
    }

    /// A part of it.
    pub(super) fn part(self, range: Range<usize>) -> Self {
        let origin = match self.origin {
            Origin::Direct(start) => Origin::Direct(start + range.start),
            Origin::Pieces(pieces, shift) => Origin::Pieces(pieces, shift + range.start),
        };
        Self { text: &self.text[range], origin }
    }

    /// From this byte to its end.
    pub(super) fn from(self, start: usize) -> Self {
        self.part(start..self.text.len())
    }

    /// Without blanks at both ends.
    pub(super) fn trim(self) -> Self {
        let start = self.text.len() - self.text.trim_start_matches(is_blank).len();
        self.part(start..start.max(self.text.trim_end_matches(is_blank).len()))
    }

    /// Where a part of it came from.
    pub(super) fn span(self, range: Range<usize>) -> Span {
        match self.origin {
            Origin::Direct(start) => Span::new(start + range.start, start + range.end),
            Origin::Pieces(pieces, shift) => {
                let (start, end) = (shift + range.start, shift + range.end);
                let first = Piece::of(pieces, start);
                let last = Piece::of(pieces, end.saturating_sub(1).max(start));
                let from =
                    if first.copied { first.span.start + (start - first.at) } else { first.span.start };
                let to = if last.copied { last.span.start + (end - last.at) } else { last.span.end };
                Span::new(from, to.max(from))
            }
        }
    }

    /// The whole of it.
    pub(super) fn whole(self) -> Span {
        self.span(0..self.text.len())
    }
}

/// What is between words. As keepalived has it, other blanks of Unicode are letters.
pub(super) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t'..='\r')
}

impl Piece {
    const NOWHERE: Self = Self { at: 0, span: Span::new(0, 0), copied: false };

    fn of(pieces: &[Self], at: usize) -> Self {
        let after = pieces.partition_point(|piece| piece.at <= at);
        after.checked_sub(1).and_then(|index| pieces.get(index)).copied().unwrap_or(Self::NOWHERE)
    }
}

/// A line that is being put together.
#[derive(Clone, Debug, Default)]
pub(super) struct Assembled {
    text: String,
    pieces: Vec<Piece>,
}

impl Assembled {
    /// Adds a part of a line as it is.
    pub(super) fn copy(&mut self, part: Line<'_>) {
        if part.text.is_empty() {
            return;
        }
        match part.origin {
            Origin::Direct(start) => {
                let span = Span::new(start, start + part.text.len());
                self.pieces.push(Piece { at: self.text.len(), span, copied: true });
            }
            Origin::Pieces(pieces, shift) => {
                let end = shift + part.text.len();
                let first = pieces.partition_point(|piece| piece.at <= shift).saturating_sub(1);
                for piece in pieces[first..].iter().take_while(|piece| piece.at < end) {
                    let skipped = shift.saturating_sub(piece.at);
                    let mut span = piece.span;
                    if piece.copied {
                        span.start += skipped;
                    }
                    let at = self.text.len() + piece.at.saturating_sub(shift);
                    self.pieces.push(Piece { at, span, copied: piece.copied });
                }
            }
        }
        self.text.push_str(part.text);
    }

    /// Says that what is added with [`Self::push`] from here on came out of this place.
    pub(super) fn replace(&mut self, span: Span) {
        self.pieces.push(Piece { at: self.text.len(), span, copied: false });
    }

    /// Adds text.
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// What there is so far.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// As a line.
    pub(super) fn line(&self) -> Line<'_> {
        Line { text: &self.text, origin: Origin::Pieces(&self.pieces, 0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_stands_where_it_is_used() {
        // `x ${A} y` at offset 100 with A = "long value".
        let source = Line::direct("x ${A} y", 100);
        let mut assembled = Assembled::default();
        assembled.copy(source.part(0..2));
        assembled.replace(source.span(2..6));
        assembled.push("long value");
        assembled.copy(source.from(6));
        let line = assembled.line();
        assert_eq!(line.text, "x long value y");
        assert_eq!(line.span(0..1), Span::new(100, 101));
        assert_eq!(line.span(2..6), Span::new(102, 106));
        assert_eq!(line.span(7..12), Span::new(102, 106));
        assert_eq!(line.span(13..14), Span::new(107, 108));
        assert_eq!(line.whole(), Span::new(100, 108));
        assert_eq!(line.from(13).whole(), Span::new(107, 108));

        let mut again = Assembled::default();
        again.copy(line.from(7));
        assert_eq!(again.line().span(0..5), Span::new(102, 106));
        assert_eq!(again.line().span(6..7), Span::new(107, 108));
    }
}
