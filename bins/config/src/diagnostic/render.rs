//! Two forms: with the line and a caret for people, one line for editors and logs.

use std::io::{self, IsTerminal as _, Write as _};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str};

use super::{Diagnostic, Excerpt, LocatedDiagnostic, Severity};
use crate::sources::Places;

/// Whether the rendering has terminal colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colors {
    /// Plain text.
    No,
    /// ANSI escape sequences.
    Yes,
}

/// Writes problems to standard error, with colours if that is a terminal.
pub fn show(problems: &[LocatedDiagnostic]) {
    let mut stderr = io::stderr().lock();
    let colors = if stderr.is_terminal() { Colors::Yes } else { Colors::No };
    for problem in problems {
        let _ = writeln!(stderr, "{}", problem.render(colors));
    }
}

impl Diagnostic {
    /// As [`LocatedDiagnostic::render`].
    pub fn render(&self, places: &impl Places, colors: Colors) -> String {
        self.locate(places).render(colors)
    }

    /// As [`LocatedDiagnostic::line`].
    pub fn line(&self, places: &impl Places) -> String {
        self.locate(places).line()
    }
}

impl LocatedDiagnostic {
    /// The problem with its line, a caret, and advice; several lines without a final line feed.
    ///
    /// Control characters of the file are made visible, so a hostile file cannot write to the terminal.
    pub fn render(&self, colors: Colors) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()));
        group = match &self.place {
            Some(place) => place.add_to(group, AnnotationKind::Primary, self.label.as_deref()),
            None => group.element(Origin::path(self.file.as_str())),
        };
        if let Some((excerpt, label)) = &self.related {
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
    pub fn line(&self) -> String {
        let mut line = self.file.clone();
        if let Some(Excerpt { line: number, column, .. }) = &self.place {
            line += &format!(":{number}:{column}");
        }
        line += &format!(": {}: {}", self.severity, self.message);
        if let Some(label) = &self.label {
            line += &format!(" ({label})");
        }
        if let Some(help) = &self.help {
            line += &format!("; help: {help}");
        }
        normalize_untrusted_str(&line).replace('\n', " ")
    }
}

impl Excerpt {
    fn add_to<'a>(&'a self, group: Group<'a>, kind: AnnotationKind, label: Option<&'a str>) -> Group<'a> {
        let snippet = Snippet::source(self.text.as_str())
            .line_start(self.line)
            .annotation(kind.span(self.marked()).label(label));
        if self.cut {
            // The column is that of the whole line, not of the part that is shown.
            let origin = Origin::path(self.file.as_str()).line(self.line).char_column(self.column);
            group.element(origin).element(snippet)
        } else {
            group.element(snippet.path(self.file.as_str()))
        }
    }
}
