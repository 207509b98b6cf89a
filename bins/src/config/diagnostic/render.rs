//! Two forms: with the line and a caret for people, one line for editors and logs.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str};

use super::{Diagnostic, Severity};
use crate::config::{
    document::{Location, Span},
    sources::{Place, Places},
};

/// Whether the rendering has terminal colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colors {
    /// Plain text.
    No,
    /// ANSI escape sequences.
    Yes,
}

impl Diagnostic {
    /// The problem with its line, a caret, and advice; several lines without a final line feed.
    ///
    /// Control characters of the file are made visible, so a hostile file cannot write to the terminal.
    pub fn render(&self, places: &impl Places, colors: Colors) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let place = Excerpt::new(places, self.span);
        let related =
            self.related.as_ref().map(|(span, label)| (Excerpt::new(places, *span), label.as_str()));
        let mut group = Group::with_title(level.primary_title(self.message.as_str()));
        group = place.add_to(group, AnnotationKind::Primary, self.label.as_deref());
        if let Some((excerpt, label)) = &related {
            group = excerpt.add_to(group, AnnotationKind::Context, Some(label));
        }
        for note in &self.notes {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        match colors {
            Colors::No => Renderer::plain(),
            Colors::Yes => Renderer::styled(),
        }
        .render(&[group])
    }

    /// `file:line:column: error: message (label); help: advice`, always a single line.
    pub fn line(&self, places: &impl Places) -> String {
        let location = self.location(places);
        let mut line = format!(
            "{}:{}:{}: {}: {}",
            places.place(self.span.start).source.name(),
            location.line,
            location.column,
            self.severity,
            self.message
        );
        if let Some(label) = &self.label {
            line += &format!(" ({label})");
        }
        if let Some(help) = &self.help {
            line += &format!("; help: {help}");
        }
        normalize_untrusted_str(&line).replace('\n', " ")
    }
}

/// The line of a span, cut down when it is long.
struct Excerpt<'s> {
    name: &'s str,
    location: Location,
    text: String,
    mark: std::ops::Range<usize>,
    cut: bool,
}

impl<'s> Excerpt<'s> {
    /// Characters that are kept before and after the start of the span when a line is longer than their sum.
    const BEFORE: usize = 50;
    const AFTER: usize = 90;

    fn new(places: &'s impl Places, span: Span) -> Self {
        let Place { source, base } = places.place(span.start);
        let span = Span::new(span.start - base, span.end.saturating_sub(base));
        let location = source.location(span.start);
        let (text, line_start) = source
            .line(location.line)
            .map_or(("", 0), |line| (line.text.trim_end_matches('\r'), line.span.start));
        let start = floor(text, span.start.saturating_sub(line_start));
        let end = floor(text, span.end.saturating_sub(line_start)).max(start);
        let cut = text.len() > Self::BEFORE + Self::AFTER;
        let (from, to) = if cut {
            (back(text, start, Self::BEFORE), forth(text, start, Self::AFTER))
        } else {
            (0, text.len())
        };
        let head = if from > 0 { "…" } else { "" };
        let tail = if to < text.len() { "…" } else { "" };
        let shift = |at: usize| at.min(to) - from + head.len();
        Self {
            name: source.name(),
            location,
            text: format!("{head}{}{tail}", &text[from..to]),
            mark: shift(start)..shift(end),
            cut,
        }
    }

    fn add_to<'a>(&'a self, group: Group<'a>, kind: AnnotationKind, label: Option<&'a str>) -> Group<'a> {
        let snippet = Snippet::source(self.text.as_str())
            .line_start(self.location.line)
            .annotation(kind.span(self.mark.clone()).label(label));
        if self.cut {
            // The column is that of the whole line, not of the part that is shown.
            let origin = Origin::path(self.name).line(self.location.line).char_column(self.location.column);
            group.element(origin).element(snippet)
        } else {
            group.element(snippet.path(self.name))
        }
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
