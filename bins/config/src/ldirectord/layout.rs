//! From lines to entries: sections, indentation, comments, and the liberties of [`Mode::Lenient`].

use super::{
    directive::{Directive, Scope},
    entry::{self, Statement},
    raw::{Entry, Mode, RawConfig, RawValue, RawVirtual},
};
use crate::{
    diagnostic::{Diagnostic, Problems, nearest},
    document::{Line, Source, Span},
};

/// Blanks that Perl's `\s` means.
pub(super) const BLANKS: [char; 6] = [' ', '\t', '\n', '\x0b', '\x0c', '\r'];

pub(super) fn parse(source: &Source, mode: Mode) -> (RawConfig, Vec<Diagnostic>) {
    let mut layout = Layout {
        source,
        mode,
        config: RawConfig { mode, ..RawConfig::default() },
        problems: Problems::new(),
        open: false,
        interrupted: None,
        flat: None,
        told: Told::default(),
    };
    layout.encoding();
    let mut last = None;
    for line in source.lines() {
        match mode {
            Mode::Strict => layout.strict_line(line),
            Mode::Lenient => layout.lenient_line(line),
        }
        last = Some(line);
    }
    layout.end(last);
    (layout.config, layout.problems.finish())
}

struct Layout<'a> {
    source: &'a Source,
    mode: Mode,
    config: RawConfig,
    problems: Problems,
    /// Whether the last section of `config` may still get lines.
    open: bool,
    /// Lenient: the blank or global line since the section's last line.
    interrupted: Option<Span>,
    /// Lenient: whether this paragraph has directives of a section that are not indented.
    flat: Option<bool>,
    told: Told,
}

/// What was already warned of: in the file, or in this section.
#[derive(Default)]
struct Told {
    carriage_returns: bool,
    unindented: bool,
    interruption: bool,
}

impl Layout<'_> {
    /// ldirectord takes any bytes; nobody can tell what text they mean, though.
    fn encoding(&mut self) {
        let Some(&first) = self.source.undecodable().first() else { return };
        let count = self.source.undecodable().len();
        let statement = self.source.undecodable().iter().find(|&&at| {
            let line = self.source.line(self.source.line_number(at));
            line.is_some_and(|line| !line.text.trim_start_matches(BLANKS).starts_with('#'))
        });
        let span = |at| Span::new(at, at + char::REPLACEMENT_CHARACTER.len_utf8());
        let plural = if count == 1 { "byte" } else { "bytes" };
        let message = format!("the file is not UTF-8: {count} undecodable {plural}");
        let diagnostic = match statement {
            Some(&at) if self.mode == Mode::Lenient => Diagnostic::error(span(at), message)
                .label("cannot be read as text")
                .help("convert the file, for example: iconv -f ISO-8859-1 -t UTF-8"),
            Some(&at) => Diagnostic::warning(span(at), message).label("read as U+FFFD"),
            None => Diagnostic::warning(span(first), message).label("in a comment"),
        };
        self.problems.push(diagnostic);
    }

    fn strict_line(&mut self, line: Line<'_>) {
        let statement = Statement::new(line);
        if line.text.trim_start_matches(BLANKS).starts_with('#') {
            self.interrupted = Some(line.span);
            return;
        }
        // Of blanks alone, ldirectord takes five for a line of the section: four of indentation, one of text.
        let in_section =
            self.open && statement.indent >= 4 && (statement.indent > 4 || !statement.text().is_empty());
        if in_section {
            self.interrupted = Some(line.span);
            if statement.text().trim_matches(BLANKS).is_empty() {
                let error = Diagnostic::error(line.span, "a line of five blanks or more in a section")
                    .help("remove the blanks");
                self.problems.push(error);
            } else {
                self.section_entry(statement);
            }
            return;
        }
        if line.text.trim_matches(BLANKS).is_empty() {
            self.open = false;
        } else if statement.start > 0 {
            let message = if self.open {
                "a line of a section is indented by four blanks or a tab"
            } else {
                "an indented line outside of a section"
            };
            self.problems.push(
                Diagnostic::error(statement.span(0, statement.text().len()), message)
                    .note("a blank line, or any line that is not indented, ends a section"),
            );
        } else {
            self.open = false;
            self.global_entry(statement);
        }
    }

    fn lenient_line(&mut self, mut line: Line<'_>) {
        if let Some(text) = line.text.strip_suffix('\r') {
            if !self.told.carriage_returns {
                self.told.carriage_returns = true;
                let at = Span::new(line.span.end - 1, line.span.end);
                self.problems.push(
                    Diagnostic::warning(at, "lines end with a carriage return, as on Windows")
                        .note("ldirectord refuses such a file at the first yes or no")
                        .help("convert the file, for example: sed -i 's/\\r$//'"),
                );
            }
            line.text = text;
            line.span.end -= 1;
        }
        if line.number == 1
            && let Some(text) = line.text.strip_prefix('\u{feff}')
        {
            let mark = Span::new(0, '\u{feff}'.len_utf8());
            self.problems.push(
                Diagnostic::warning(mark, "the file begins with a byte order mark")
                    .note("ldirectord takes it for a part of the first word"),
            );
            line.text = text;
            line.span.start = mark.end;
        }
        let statement = Statement::new(line);
        let text = line.text.trim_matches(BLANKS);
        if text.is_empty() {
            self.interrupted.get_or_insert(line.span);
            self.flat = None;
        } else if !text.starts_with('#') {
            self.lenient_statement(statement);
        }
    }

    fn lenient_statement(&mut self, statement: Statement<'_>) {
        let scope = statement.directive().map(Directive::scope);
        let indented = statement.indent >= 4;
        let in_section = self.open
            && match scope {
                Some(Scope::Head) => false,
                Some(Scope::Section) => true,
                Some(Scope::Global) | None => indented,
                Some(Scope::Both) => statement.indent > 0 || self.is_flat(statement.line.number),
            };
        if !in_section {
            if statement.start > 0 && scope.is_some_and(|scope| scope != Scope::Section) {
                let end = statement.word().len();
                self.problems.push(
                    Diagnostic::warning(
                        statement.span(0, end),
                        format!("`{}` is indented", statement.word()),
                    )
                    .label("ldirectord wants this at the beginning of the line"),
                );
            }
            if self.open {
                self.interrupted.get_or_insert(statement.line.span);
            }
            self.global_entry(statement);
            return;
        }
        self.layout_of_section(statement, indented);
        self.section_entry(statement);
    }

    /// Warns, once for each section, of what ldirectord would not take for a line of the section.
    fn layout_of_section(&mut self, statement: Statement<'_>, indented: bool) {
        let head = self.config.virtuals.last().map(|section| section.head.key.to(section.head.span));
        let place = statement.span(0, statement.word().len());
        if !indented && !self.told.unindented {
            self.told.unindented = true;
            let mut warning = Diagnostic::warning(place, "the lines of a section are not indented")
                .label("ldirectord wants four blanks or a tab before this")
                .help("indent the lines that belong to the virtual service");
            if let Some(head) = head {
                warning = warning.related(head, "read as a part of this section");
            }
            self.problems.push(warning);
        }
        if let Some(interruption) = self.interrupted.take()
            && indented
            && !self.told.interruption
        {
            self.told.interruption = true;
            let what = if self.source.slice(interruption).trim().is_empty() {
                "a blank line"
            } else {
                "another line"
            };
            self.problems.push(
                Diagnostic::warning(place, format!("{what} inside a section"))
                    .label("ldirectord takes the section for finished before this")
                    .related(interruption, "here"),
            );
        }
    }

    /// Whether a directive that has no indentation and may stand in both places belongs to the section: it does
    /// when others of its paragraph do that can only belong to the section.
    fn is_flat(&mut self, number: usize) -> bool {
        let source = self.source;
        *self.flat.get_or_insert_with(|| {
            let lines = (number..).map_while(|number| source.line(number)).map(Statement::new);
            lines
                .take_while(|statement| {
                    let head =
                        statement.directive().is_some_and(|directive| directive.scope() == Scope::Head);
                    !head && !statement.line.text.trim_matches(BLANKS).is_empty()
                })
                .any(|statement| {
                    statement.start == 0
                        && statement.directive().is_some_and(|directive| directive.scope() == Scope::Section)
                })
        })
    }

    fn section_entry(&mut self, statement: Statement<'_>) {
        if statement.start == 0 {
            self.flat = Some(true);
        }
        if let Some(entry) = entry::read(statement, self.mode, true, &mut self.problems)
            && let Some(section) = self.config.virtuals.last_mut()
        {
            section.entries.push(entry);
        }
    }

    fn global_entry(&mut self, statement: Statement<'_>) {
        let mut entry = entry::read(statement, self.mode, false, &mut self.problems);
        if entry.is_none() && nearest(statement.word(), ["virtual", "virtual6"]).is_some() {
            // The lines below a broken head are still those of a section.
            let span = statement.span(0, statement.text().len());
            let directive =
                if statement.word().contains('6') { Directive::Virtual6 } else { Directive::Virtual };
            entry = Some(Entry { directive, key: span, span, value: RawValue::Invalid });
        }
        let Some(entry) = entry else { return };
        if entry.directive.scope() == Scope::Head {
            self.config.virtuals.push(RawVirtual { head: entry, entries: Vec::new() });
            self.open = true;
            self.interrupted = None;
            self.flat = None;
            self.told.unindented = false;
            self.told.interruption = false;
        } else {
            self.config.globals.push(entry);
        }
    }

    /// ldirectord looks at a `virtual=` line a second time when nothing at all follows it.
    fn end(&mut self, last: Option<Line<'_>>) {
        if let Some(section) = self.config.virtuals.last()
            && last.is_some_and(|line| {
                line.span.start <= section.head.key.start && section.head.key.start <= line.span.end
            })
            && self.mode == Mode::Strict
        {
            self.problems.push(
                Diagnostic::error(
                    section.head.key.to(section.head.span),
                    "the file ends with a `virtual` line",
                )
                .note("ldirectord takes this for a duplicate of itself")
                .help("add the lines of the section, or remove it"),
            );
        }
    }
}
