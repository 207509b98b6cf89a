//! One line that says something: directive, `=`, value, comment.

use std::borrow::Cow;

use super::{
    directive::{Directive, Scope, Syntax},
    grammar::{self, Value},
    layout::BLANKS,
    raw::{Entry, Mode, RawValue},
};
use crate::{
    diagnostic::{Diagnostic, Problems, Severity, nearest},
    document::{Line, Span},
};

/// Reads a line of a section, or one outside of the sections. A line that cannot be taken for any directive is
/// none; one whose value is wrong is an entry with an invalid value.
pub(super) fn read(
    statement: Statement<'_>,
    mode: Mode,
    section: bool,
    problems: &mut Problems,
) -> Option<Entry> {
    Reader { mode, section, problems }.entry(statement)
}

/// A line that says something.
#[derive(Clone, Copy)]
pub(super) struct Statement<'a> {
    pub(super) line: Line<'a>,
    /// Width of the indentation, a tab counting four.
    pub(super) indent: usize,
    /// Bytes of the indentation.
    pub(super) start: usize,
}

impl<'a> Statement<'a> {
    pub(super) fn new(line: Line<'a>) -> Self {
        let start = line.text.len() - line.text.trim_start_matches([' ', '\t']).len();
        let indent = line.text[..start].bytes().map(|byte| if byte == b'\t' { 4 } else { 1 }).sum();
        Self { line, indent, start }
    }

    /// The text behind the indentation.
    pub(super) fn text(self) -> &'a str {
        &self.line.text[self.start..]
    }

    pub(super) fn span(self, from: usize, to: usize) -> Span {
        self.line.span.part(self.start + from..self.start + to)
    }

    pub(super) fn word(self) -> &'a str {
        let text = self.text();
        let end =
            text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(text.len());
        &text[..end]
    }

    pub(super) fn directive(self) -> Option<Directive> {
        Directive::from_name(self.word())
    }
}

struct Reader<'a> {
    mode: Mode,
    section: bool,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn entry(&mut self, statement: Statement<'_>) -> Option<Entry> {
        let section = self.section;
        let cut = comment(statement.text(), self.mode, section);
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
        let raw = self.value(statement, directive, from, text);
        let trimmed = text.trim_end_matches(BLANKS);
        Some(Entry { directive, key, span: statement.span(from, from + trimmed.len()), value: raw })
    }

    fn value(&mut self, statement: Statement<'_>, directive: Directive, from: usize, text: &str) -> RawValue {
        let mut value =
            Value { text: Cow::Borrowed(text), span: statement.span(from, from + text.len()), exact: true };
        if self.mode == Mode::Lenient {
            self.liberties(statement, directive, from, &mut value);
        }
        grammar::parse(directive, &value, self.mode, self.section, self.problems)
    }

    /// Comments behind a global value, a `#` inside quotes, typographic quotes, blanks at the end.
    fn liberties(
        &mut self,
        statement: Statement<'_>,
        directive: Directive,
        from: usize,
        value: &mut Value<'_>,
    ) {
        let section = self.section;
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
