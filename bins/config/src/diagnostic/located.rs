//! Problems that know the lines that they are about, so that they can be sent and shown where the files are not.

use std::{borrow::Cow, ops::Range};

use serde::{Deserialize, Serialize};

use super::{Diagnostic, Severity, secrets::Masked};
use crate::{
    document::Span,
    sources::{Place, Places},
};

/// A problem with the text at its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocatedDiagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The file.
    pub file: String,
    /// Where; `None` = in the file as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Excerpt>,
    /// Shown at the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Another place that belongs to it, with words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub related: Option<(Excerpt, String)>,
    /// Facts that explain the problem.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// A line of a file with a part that is marked. Only the beginning of a long mark, and what surrounds it, is kept of a long
/// line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column of the mark in the whole line in characters, from 1.
    pub column: usize,
    /// What is kept of the line. Control characters other than tabs are replaced.
    pub text: String,
    /// The bytes of `text` that are marked.
    pub mark: Range<usize>,
    /// Whether the line is longer than the text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

impl LocatedDiagnostic {
    /// A problem of a file as a whole.
    pub fn of_file(file: &str, severity: Severity, message: String) -> Self {
        Self {
            severity,
            message,
            file: file.to_owned(),
            place: None,
            label: None,
            related: None,
            notes: Vec::new(),
            help: None,
        }
    }

    /// Whether it makes the configuration unusable.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl Diagnostic {
    /// The problem with the lines that it is about, without the passwords and keys in them.
    pub fn locate(&self, places: &impl Places) -> LocatedDiagnostic {
        let Self { severity, message, span, label, related, notes, help, instead, is_mistake: _ } =
            self.without_secrets(places);
        let label = match (label, instead) {
            (Some(label), Some(instead)) => Some(format!("{label}; {instead}")),
            (label, instead) => label.or(instead),
        };
        LocatedDiagnostic {
            severity,
            message,
            file: places.place(span.start).source.name().to_owned(),
            place: Some(Excerpt::new(places, span)),
            label,
            related: related.map(|(span, label)| (Excerpt::new(places, span), label)),
            notes,
            help,
        }
    }

    /// The same without what the lines that it is about hide.
    fn without_secrets(&self, places: &impl Places) -> Self {
        let mut shown = self.clone();
        let spans = std::iter::once(self.span).chain(self.related.iter().map(|(span, _)| *span));
        for span in spans {
            let masked = Masked::new(line_of(places, span).2);
            let hide = |text: &mut String| {
                if let Cow::Owned(hidden) = masked.hide_in(text) {
                    *text = hidden;
                }
            };
            hide(&mut shown.message);
            shown.label.iter_mut().for_each(hide);
            shown.related.iter_mut().for_each(|(_, label)| hide(label));
            shown.notes.iter_mut().for_each(hide);
            shown.help.iter_mut().for_each(hide);
        }
        shown
    }
}

/// The file of a span, the offset where its line starts there, and the line.
fn line_of(places: &impl Places, span: Span) -> (Place<'_>, usize, &str) {
    let place = places.place(span.start);
    let number = place.source.line_number(span.start - place.base);
    let line = place.source.line(number);
    let (text, start) = line.map_or(("", 0), |line| (line.text.trim_end_matches('\r'), line.span.start));
    (place, start, text)
}

impl Excerpt {
    /// Characters that are kept before and after the start of the span when a line is longer than their sum.
    const BEFORE: usize = 50;
    const AFTER: usize = 90;

    fn new(places: &impl Places, span: Span) -> Self {
        let (Place { source, base }, line_start, line) = line_of(places, span);
        let span = Span::new(span.start - base, span.end.saturating_sub(base));
        let location = source.location(span.start);
        let masked = Masked::new(line);
        let text = &*masked.text;
        let start = floor(line, span.start.saturating_sub(line_start));
        let end = floor(line, span.end.saturating_sub(line_start)).max(start);
        // A mark within the secret is one at all of it.
        let start = if masked.is_inside(start) { masked.start() } else { masked.shift(start) };
        let end = masked.shift(end).max(start);
        let cut = text.len() > Self::BEFORE + Self::AFTER;
        let (from, to) = if cut {
            (back(text, start, Self::BEFORE), forth(text, start, Self::AFTER))
        } else {
            (0, text.len())
        };
        let (start, end) = (start.min(to), end.min(to));
        let mut kept = if from > 0 { "…".to_owned() } else { String::new() };
        kept.extend(text[from..start].chars().map(visible));
        let marked_from = kept.len();
        kept.extend(text[start..end].chars().map(visible));
        let marked_to = kept.len();
        kept.extend(text[end..to].chars().map(visible));
        if to < text.len() {
            kept.push('…');
        }
        Self {
            file: source.name().to_owned(),
            line: location.line,
            column: location.column,
            text: kept,
            mark: marked_from..marked_to,
            cut,
        }
    }

    /// The mark, within the text whoever has sent it.
    pub(super) fn marked(&self) -> Range<usize> {
        let start = floor(&self.text, self.mark.start);
        start..floor(&self.text, self.mark.end).max(start)
    }
}

/// A character in place of one that a terminal would obey, so that columns stay as they are.
fn visible(c: char) -> char {
    match c {
        '\t' => c,
        '\0'..'\x20' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn back(text: &str, at: usize, count: usize) -> usize {
    text[..at].char_indices().rev().take(count).last().map_or(at, |(index, _)| index)
}

fn forth(text: &str, at: usize, count: usize) -> usize {
    text[at..].char_indices().nth(count).map_or(text.len(), |(index, _)| at + index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnostic::Colors, document::Source};

    #[test]
    fn a_problem_looks_the_same_after_it_was_sent() {
        let source =
            Source::new("a.conf", format!("one\n\ttwo = \x1b[2Jx\n{}wrong{0}\n", "long ".repeat(60)));
        for (span, related) in [(Span::new(5, 8), None), (Span::new(320, 325), Some(Span::new(0, 3)))] {
            let mut problem =
                Diagnostic::error(span, "not good").label("here").note("a fact").help("do this");
            if let Some(related) = related {
                problem = problem.related(related, "first here");
            }
            let located = problem.locate(&source);
            let sent: LocatedDiagnostic =
                serde_json::from_str(&serde_json::to_string(&located).unwrap()).unwrap();
            assert_eq!(sent, located);
            assert_eq!(sent.line(), problem.line(&source));
            assert_eq!(sent.render(Colors::No), problem.render(&source, Colors::No));
            assert!(!sent.render(Colors::No).contains('\x1b'), "{}", sent.render(Colors::No));
        }
    }

    #[test]
    fn a_mark_outside_of_its_text_is_harmless() {
        let mut problem = Diagnostic::warning(Span::new(0, 1), "w").locate(&Source::new("f", "ä"));
        for mark in [1..1, 9..12, Range { start: 2, end: 0 }] {
            if let Some(place) = &mut problem.place {
                place.mark = mark;
            }
            assert!(problem.render(Colors::No).contains('w'));
        }
    }
}
