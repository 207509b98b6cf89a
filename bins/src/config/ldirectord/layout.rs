//! From lines to entries: sections, indentation, comments, and the liberties of [`Mode::Lenient`].

use std::borrow::Cow;

use super::{
    directive::{Directive, Scope, Syntax},
    grammar::{self, Value},
    raw::{Entry, Mode, RawConfig, RawValue, RawVirtual},
};
use crate::config::{
    diagnostic::{Diagnostic, Problems, Severity, nearest},
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

/// A line that says something.
#[derive(Clone, Copy)]
struct Statement<'a> {
    line: Line<'a>,
    /// Width of the indentation, a tab counting four.
    indent: usize,
    /// Bytes of the indentation.
    start: usize,
}

impl<'a> Statement<'a> {
    fn new(line: Line<'a>) -> Self {
        let start = line.text.len() - line.text.trim_start_matches([' ', '\t']).len();
        let indent = line.text[..start].bytes().map(|byte| if byte == b'\t' { 4 } else { 1 }).sum();
        Self { line, indent, start }
    }

    /// The text behind the indentation.
    fn text(self) -> &'a str {
        &self.line.text[self.start..]
    }

    fn span(self, from: usize, to: usize) -> Span {
        self.line.span.part(self.start + from..self.start + to)
    }

    fn word(self) -> &'a str {
        let text = self.text();
        let end =
            text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(text.len());
        &text[..end]
    }

    fn directive(self) -> Option<Directive> {
        Directive::from_name(self.word())
    }
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
        let cut = comment(statement.text(), self.mode, true);
        if let Some(entry) = self.entry(statement, cut, true)
            && let Some(section) = self.config.virtuals.last_mut()
        {
            section.entries.push(entry);
        }
    }

    fn global_entry(&mut self, statement: Statement<'_>) {
        let cut = comment(statement.text(), self.mode, false);
        let mut entry = self.entry(statement, cut, false);
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

    fn entry(&mut self, statement: Statement<'_>, cut: usize, section: bool) -> Option<Entry> {
        let word = statement.word();
        let key = statement.span(0, word.len().max(1).min(statement.text().len()));
        let Some(directive) = statement.directive() else {
            self.problems.push_with(Severity::Error, key, || unknown(statement, section));
            return None;
        };
        let fits = if section { directive.in_section() } else { directive.in_globals() };
        if !fits {
            self.problems.push(misplaced(directive, key, section));
            return None;
        }
        if let Syntax::Removed(instead) = directive.syntax() {
            let error = Diagnostic::error(key, format!("`{word}` is no longer a directive"));
            self.problems.push(error.label("ldirectord refuses it").help(instead));
            return None;
        }
        let rest = &statement.text()[word.len()..cut.max(word.len())];
        let equals = rest.trim_start_matches(BLANKS);
        let Some(value) = equals.strip_prefix('=') else {
            if directive == Directive::Supervised && equals.is_empty() {
                self.problems.push(
                    Diagnostic::warning(key, "`supervised` without a value").help("write: supervised = yes"),
                );
                return Some(Entry { directive, key, span: key, value: RawValue::YesNo(true) });
            }
            let at = word.len() + rest.len() - equals.len();
            let end =
                if equals.is_empty() { at } else { at + equals.chars().next().map_or(0, char::len_utf8) };
            self.problems.push(
                Diagnostic::error(statement.span(at, end), format!("`{word}` without `=`"))
                    .label("expected `=` and a value"),
            );
            return None;
        };
        let text = value.trim_start_matches(BLANKS);
        let from = word.len() + rest.len() - text.len();
        let raw = self.value(statement, directive, from, text, section);
        let trimmed = text.trim_end_matches(BLANKS);
        Some(Entry { directive, key, span: statement.span(from, from + trimmed.len()), value: raw })
    }

    fn value(
        &mut self,
        statement: Statement<'_>,
        directive: Directive,
        from: usize,
        text: &str,
        section: bool,
    ) -> RawValue {
        let mut value =
            Value { text: Cow::Borrowed(text), span: statement.span(from, from + text.len()), exact: true };
        if self.mode == Mode::Lenient {
            self.liberties(statement, directive, from, &mut value, section);
        }
        grammar::parse(directive, &value, self.mode, section, &mut self.problems)
    }

    /// Comments behind a global value, a `#` inside quotes, typographic quotes, blanks at the end.
    fn liberties(
        &mut self,
        statement: Statement<'_>,
        directive: Directive,
        from: usize,
        value: &mut Value<'_>,
        section: bool,
    ) {
        let end = from + value.text.len();
        let strict_end = comment(statement.text(), Mode::Strict, section);
        if section && strict_end < end && strict_end > from {
            self.problems.push(
                Diagnostic::warning(statement.span(strict_end, strict_end + 1), "`#` inside of quotes")
                    .label("ldirectord takes the rest of the line for a comment"),
            );
        }
        let number = matches!(directive.syntax(), Syntax::Number { .. } | Syntax::LeadingNumber);
        if !section
            && end < strict_end
            && !number
            && directive.scope() != Scope::Head
            && statement.text()[end..].contains('#')
        {
            let gap = statement.text()[end..].find('#').unwrap_or_default();
            self.problems.push(
                Diagnostic::warning(
                    statement.span(end + gap, statement.text().len()),
                    format!("a comment behind the value of `{}`", directive.name()),
                )
                .label("ldirectord takes this for a part of the value")
                .help("give the comment a line of its own"),
            );
        }
        let trimmed = value.text.trim_end_matches(BLANKS).len();
        if trimmed < value.text.len() {
            if matches!(directive.syntax(), Syntax::YesNo | Syntax::AlertStates) && strict_end == end {
                let blanks = statement.span(from + trimmed, end);
                self.problems.push(
                    Diagnostic::warning(blanks, format!("blanks behind the value of `{}`", directive.name()))
                        .label("ldirectord refuses the value for this"),
                );
            }
            value.truncate(trimmed);
        }
        if let Some((at, quote)) = value.text.char_indices().find(|&(_, c)| grammar::is_typographic_quote(c))
            && grammar::takes_quotes(directive)
        {
            let place = value.at(at..at + quote.len_utf8());
            self.problems.push(
                Diagnostic::warning(place, "typographic quotes").label("read as `\"`; ldirectord refuses it"),
            );
            value.text = Cow::Owned(value.text.replace(grammar::is_typographic_quote, "\""));
            value.exact = false;
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

fn unknown(statement: Statement<'_>, section: bool) -> Diagnostic {
    let text = statement.text();
    let word = statement.word();
    let shown = if word.is_empty() {
        text.chars().take(1).collect()
    } else {
        word.chars().take(40).collect::<String>()
    };
    let what = if section { "in a section" } else { "outside of the sections" };
    let error = Diagnostic::error(
        statement.span(0, floor(text, word.len().max(1))),
        format!("unknown directive `{shown}`"),
    )
    .label(format!("no directive of this name {what}"));
    // First among those that may stand here.
    let (here, elsewhere): (Vec<Directive>, Vec<Directive>) = Directive::ALL
        .iter()
        .partition(|directive| if section { directive.in_section() } else { directive.in_globals() });
    let names = |directives: Vec<Directive>| directives.into_iter().map(Directive::name);
    match nearest(word, names(here)).or_else(|| nearest(word, names(elsewhere))) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error,
    }
}

fn misplaced(directive: Directive, key: Span, section: bool) -> Diagnostic {
    let name = directive.name();
    match (section, directive.scope()) {
        (true, Scope::Head) => Diagnostic::error(key, format!("`{name}` inside a section"))
            .help("begin a new section: put it at the beginning of the line"),
        (true, _) => Diagnostic::error(key, format!("`{name}` is a global directive"))
            .label("not allowed in a section")
            .help("put it before the first `virtual`, at the beginning of the line"),
        (false, _) => Diagnostic::error(key, format!("`{name}` outside of a section"))
            .label("belongs to a virtual service")
            .help("put it below a `virtual` line, indented by four blanks or a tab"),
    }
}

/// Where the comment of a line begins, or its length. In a section ldirectord cuts at the first `#`, elsewhere
/// it knows no such comments.
fn comment(text: &str, mode: Mode, section: bool) -> usize {
    match (mode, section) {
        (Mode::Strict, true) => text.find('#').unwrap_or(text.len()),
        (Mode::Strict, false) => text.len(),
        (Mode::Lenient, _) => {
            let mut quoted = false;
            let mut blank = false;
            for (at, c) in text.char_indices() {
                // A `#` in a word is a part of it, except in a section.
                if c == '#' && !quoted && (section || blank) {
                    return at;
                }
                if c == '"' || grammar::is_typographic_quote(c) {
                    // A quote that is never closed quotes nothing.
                    quoted = !quoted
                        && text[at + c.len_utf8()..]
                            .contains(|c| c == '"' || grammar::is_typographic_quote(c));
                }
                blank = BLANKS.contains(&c) || c == '=';
            }
            text.len()
        }
    }
}

fn floor(text: &str, at: usize) -> usize {
    (at..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len())
}
