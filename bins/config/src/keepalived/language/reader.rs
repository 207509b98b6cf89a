//! Reads lines: conditions, definitions, sequences and includes first, then words.

mod inclusion;

use std::{
    collections::HashMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Settings,
    builder::Builder,
    definitions::{self, Context, Definitions, Expansion, Impossible, Lines},
    include::Checks,
    lexer::{self, Quoting, Token},
    line::{Line, is_blank},
    sequence,
    surroundings::Surroundings,
    tree::{Completeness, Document, Word},
};
use crate::{
    diagnostic::{Diagnostic, Problems, Severity, nearest},
    document::{Source, Span},
    sources::Sources,
};

/// keepalived 2.2.7 takes what follows so many bytes for another line.
const KEEPALIVED_LINE: usize = 1_023;
/// Lines of definitions and sequences within each other.
const DEEPEST_LINE: usize = 64;

/// What editors of other systems write before the first line.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads a file that was loaded already, and what it includes.
pub(super) fn read(
    first: Source,
    path: &Path,
    settings: &Settings,
    surroundings: &mut dyn Surroundings,
) -> (Document, Sources, Problems) {
    let first = Arc::new(first);
    let mut reader = Reader {
        settings,
        surroundings,
        sources: Sources::new(Arc::clone(&first)),
        files: Vec::new(),
        loaded: HashMap::new(),
        definitions: Definitions::default(),
        unfinished: None,
        builder: Builder::new(),
        checks: Checks::default(),
        lines: 0,
        bytes: 0,
        included: 0,
        exhausted: false,
        completeness: Completeness::Whole,
        problems: Problems::new(),
    };
    reader.file(&first, 0, path.to_owned());
    let document = reader.builder.finish(reader.completeness, &mut reader.problems);
    (document, reader.sources, reader.problems)
}

struct Reader<'a> {
    settings: &'a Settings,
    surroundings: &'a mut dyn Surroundings,
    sources: Sources,
    /// Those that are being read, each one included by that before it.
    files: Vec<PathBuf>,
    /// Those that were read, with the offset of their first byte.
    loaded: HashMap<PathBuf, (usize, Arc<Source>)>,
    definitions: Definitions,
    /// A definition whose next line continues it.
    unfinished: Option<Unfinished>,
    builder: Builder,
    checks: Checks,
    lines: usize,
    bytes: usize,
    included: usize,
    /// The configuration has grown too large; the rest is left out.
    exhausted: bool,
    completeness: Completeness,
    problems: Problems,
}

struct Unfinished {
    name: String,
    place: Span,
    lines: Lines,
}

impl Reader<'_> {
    fn file(&mut self, source: &Arc<Source>, base: usize, path: PathBuf) {
        self.files.push(path);
        for &at in source.undecodable() {
            let span = Span::new(base + at, base + at + char::REPLACEMENT_CHARACTER.len_utf8());
            self.problems.push(Diagnostic::warning(span, "a byte that is not UTF-8"));
        }
        for line in source.lines() {
            let text = line.text.trim_end_matches('\r');
            let start = base + line.span.start;
            let marked = if line.number == 1 { text.strip_prefix(BYTE_ORDER_MARK) } else { None };
            if marked.is_some() {
                self.problems.push(byte_order_mark(Span::new(start, start + BYTE_ORDER_MARK.len_utf8())));
            }
            let text = marked.unwrap_or(text);
            let end = base + line.span.start + line.text.trim_end_matches('\r').len();
            self.physical(text, Span::new(end - text.len(), end));
            if self.exhausted {
                break;
            }
        }
        if let Some(unfinished) = self.unfinished.take() {
            self.problems.push(
                Diagnostic::warning(unfinished.place, "this definition goes on behind the end of the file")
                    .help("remove the `\\` at the end of its last line"),
            );
            self.definitions.define_lines(&unfinished.name, unfinished.lines);
        }
        self.files.pop();
    }

    fn physical(&mut self, text: &str, place: Span) {
        if text.len() > KEEPALIVED_LINE {
            self.problems.push_with(Severity::Warning, place, || {
                Diagnostic::warning(
                    Span::new(place.start, place.start),
                    format!("a line of {} bytes; keepalived takes what follows the first {KEEPALIVED_LINE} for another line", text.len()),
                )
            });
        }
        if let Some(at) = text.find('\0') {
            let span = Span::new(place.start + at, place.start + at + 1);
            self.problems
                .push(Diagnostic::mistake(span, "a zero byte").label("the rest of the line is left out"));
            return self.physical(&text[..at], Span::new(place.start, place.start + at));
        }
        let line = Line::direct(text, place.start);
        if self.unfinished.is_some() {
            return self.go_on(line);
        }
        self.line(line, 0);
    }

    /// A line of a definition of several lines.
    fn go_on(&mut self, line: Line<'_>) {
        let (body, more) = continued(line);
        let body = body.without_comment();
        if let Some(unfinished) = &mut self.unfinished {
            if !body.text.is_empty() {
                unfinished.lines.push((body.text.to_owned(), body.whole().start));
            }
            if !more && let Some(done) = self.unfinished.take() {
                self.definitions.define_lines(&done.name, done.lines);
            }
        }
    }

    /// A line, out of a file, a definition or a sequence.
    fn line(&mut self, line: Line<'_>, depth: usize) {
        let (_, more) = continued(line);
        let line = line.without_comment();
        if line.text.is_empty() || self.is_exhausted(line) {
            return;
        }
        if depth > DEEPEST_LINE {
            let text = format!("more than {DEEPEST_LINE} definitions and sequences within each other");
            self.problems.push(Diagnostic::mistake(line.whole(), text).label("does one refer to itself?"));
            return;
        }
        let Some(line) = self.conditions(line) else { return };
        if line.text.starts_with('$')
            && let Some((name, value)) = definitions::definition(line.text)
        {
            return self.define(line, name, value, more);
        }
        if line.text.starts_with('~') && sequence::is_repetition(line.text) {
            return self.repeat(line, depth);
        }
        if !line.text.contains('$') {
            return self.words(line);
        }
        if let Some(expansion) = self.expand(line) {
            self.expanded(&expansion, depth);
        }
    }

    fn expanded(&mut self, expansion: &Expansion, depth: usize) {
        let mut line = expansion.line.line().trim();
        let mut lines = expansion.lines.as_deref().map(Vec::as_slice).unwrap_or_default();
        // What stands before a definition of several lines belongs to the first of them.
        let joined;
        if !line.text.is_empty()
            && let Some(((first, _), rest)) = lines.split_first()
        {
            let mut assembled = expansion.line.clone();
            assembled.replace(expansion.reference);
            assembled.push(first);
            joined = assembled;
            line = joined.line().trim();
            lines = rest;
            self.line(line, depth + 1);
        } else if expansion.replaced == 0 {
            self.words(line);
        } else if let Some(line) = self.conditions(line) {
            if let Some((name, value)) = definitions::definition(line.text) {
                self.define(line, name, value, false);
            } else if sequence::is_repetition(line.text) {
                self.repeat(line, depth);
            } else {
                self.words(line);
            }
        }
        for (text, start) in lines {
            if self.exhausted {
                return;
            }
            self.line(Line::direct(text, *start), depth + 1);
        }
    }

    /// The line without its `@` conditions, if they hold.
    fn conditions<'l>(&mut self, mut line: Line<'l>) -> Option<Line<'l>> {
        while let Some(rest) = line.text.strip_prefix('@') {
            let (negated, rest) = match rest.strip_prefix('^') {
                Some(rest) => (true, rest),
                None => (false, rest),
            };
            let id = rest.split(is_blank).next().unwrap_or_default();
            if (id == self.settings.config_id) == negated {
                return None;
            }
            line = line.from(1 + usize::from(negated) + id.len()).trim();
        }
        (!line.text.is_empty()).then_some(line)
    }

    fn define(&mut self, line: Line<'_>, name: &str, value: usize, goes_on: bool) {
        let body = line.from(value).trim();
        if !goes_on {
            self.definitions.define(name, body.text);
            return;
        }
        let body = body.part(0..body.text.trim_end_matches('\\').len()).trim();
        let mut lines = Lines::new();
        if !body.text.is_empty() {
            lines.push((body.text.to_owned(), body.whole().start));
        }
        self.unfinished = Some(Unfinished { name: name.to_owned(), place: line.whole(), lines });
    }

    /// `~SEQ(…)` and `~LST(…)`: the rest of the line, once for each value.
    fn repeat(&mut self, line: Line<'_>, depth: usize) {
        let close = line.text.find(')').map_or(line.text.len(), |at| at + 1);
        // Values may be defined; the rest of the line is not looked at before its variables are.
        let Some(head) = self.expand(line.part(0..close)) else { return };
        let mut whole = head.line.clone();
        whole.copy(line.from(close));
        let whole = whole.line();
        match sequence::repetition(whole.text) {
            Ok(repetition) => {
                let rest = whole.from(repetition.rest);
                let mut round = 0;
                while repetition.rounds.set(round, |name, value| self.definitions.define(name, value)) {
                    if self.is_exhausted(rest) {
                        return;
                    }
                    self.line(rest, depth + 1);
                    round += 1;
                }
            }
            Err(why) => self.problems.push(
                Diagnostic::mistake(line.part(0..close).whole(), "a sequence that can not be read")
                    .label(why)
                    .note("the line is left out"),
            ),
        }
    }

    fn expand(&mut self, line: Line<'_>) -> Option<Expansion> {
        let file = self.files.last().map(PathBuf::as_path).unwrap_or(Path::new(""));
        let mut context = Context {
            directory: file.parent().unwrap_or(Path::new("")),
            config_id: &self.settings.config_id,
            surroundings: &mut *self.surroundings,
            cost: &mut self.bytes,
        };
        let problem = match self.definitions.expand(line, &mut context) {
            Ok(expansion) => return Some(expansion),
            Err(Impossible::Endless) => {
                Diagnostic::mistake(line.whole(), "a definition that refers to itself").label("used here")
            }
            Err(Impossible::TooLong) => {
                let text = format!("a line that becomes longer than {} bytes", definitions::LONGEST);
                Diagnostic::mistake(line.whole(), text).label("by what is put in here")
            }
            Err(Impossible::NotLast(span)) => {
                Diagnostic::mistake(span, "a definition of several lines has to be the last on its line")
                    .help("put what follows it on a line of its own")
            }
        };
        self.problems.push(problem);
        None
    }

    /// Directives and braces.
    fn words(&mut self, line: Line<'_>) {
        let mut words: Vec<Word> = Vec::new();
        let mut quoting = Quoting::Plain;
        let mut at = 0;
        while let Some((token, range)) = lexer::token(line.text, at, quoting) {
            at = range.end;
            match token {
                Token::Word(text) if words.is_empty() => {
                    self.odd_blank(&text, line, range.clone());
                    if let Some(checks) = Checks::of(&text)
                        && line.text[at..].starts_with(is_blank)
                    {
                        return self.include(line.from(at).trim(), checks);
                    }
                    quoting = self.builder.quoting(&text);
                    words.push(Word { text, span: line.span(range) });
                }
                Token::Word(text) => {
                    self.odd_blank(&text, line, range.clone());
                    words.push(Word { text, span: line.span(range) });
                }
                Token::Open | Token::Close => {
                    let span = line.span(range);
                    self.directive(std::mem::take(&mut words));
                    quoting = Quoting::Plain;
                    match token {
                        Token::Open => self.builder.open(span, &mut self.problems),
                        _ => self.builder.close(span, &mut self.problems),
                    }
                }
                Token::Unterminated(quote) => {
                    self.problems.push(unterminated(line, range, quote, quoting));
                    return;
                }
                Token::Undefined(name) => {
                    let place = line.span(range.clone());
                    self.problems.push_mistake_with(place, || {
                        let problem = Diagnostic::mistake(place, format!("`{name}` is not defined"))
                            .note("unlike keepalived this takes it for a word, not for a block");
                        match nearest(&name, self.definitions.names()) {
                            Some(near) => problem.help(format!("did you mean `${{{near}}}`?")),
                            None => problem.help(format!("define it before: ${name}=VALUE")),
                        }
                    });
                    words.push(Word { text: line.text[range.clone()].into(), span: line.span(range) });
                }
            }
        }
        if let Some(last) = words.pop_if(|word| word.text == "\\") {
            self.problems.push(
                Diagnostic::warning(last.span, "only a definition goes on in the next line")
                    .label("for keepalived, too, the next line is another directive"),
            );
        }
        self.directive(words);
    }

    /// Says that a word, outside of quotes, has a character that looks like a blank.
    fn odd_blank(&mut self, word: &str, line: Line<'_>, range: Range<usize>) {
        let odd = |character: char| character.is_whitespace() && !is_blank(character);
        if word.is_ascii() || line.text[range.clone()].starts_with(['"', '\'']) {
            return;
        }
        let found = line.text[range.clone()].char_indices().find(|(_, character)| odd(*character));
        let Some((at, character)) = found else { return };
        let start = range.start + at;
        let place = line.span(start..start + character.len_utf8());
        self.problems.push_with(Severity::Warning, place, || {
            let name = format!("U+{:04X}", u32::from(character));
            Diagnostic::warning(place, format!("the character {name} looks like a blank"))
                .label("it is a part of the word, for keepalived, too")
                .help("write a blank in its place")
        });
    }

    fn directive(&mut self, words: Vec<Word>) {
        if let Some((keyword, rest)) = words.split_first()
            && keyword.text == "include_check"
            && self.builder.in_globals()
        {
            self.checks = self.checks.set(rest.iter().map(|word| word.text.as_str()));
        }
        self.builder.directive(words);
    }

    /// Counts a line and its bytes, and says once when there are too many.
    fn is_exhausted(&mut self, line: Line<'_>) -> bool {
        self.lines += 1;
        self.bytes += line.text.len();
        let limits = &self.settings.limits;
        let limit = if self.exhausted {
            return true;
        } else if self.lines > limits.lines {
            format!("{} lines", limits.lines)
        } else if self.builder.words() > limits.words {
            format!("{} words", limits.words)
        } else if self.bytes > limits.bytes {
            format!("{} bytes", limits.bytes)
        } else {
            return false;
        };
        self.exhausted = true;
        self.completeness = Completeness::Cut;
        let message = format!("the configuration grows to more than {limit}");
        self.problems.push(
            Diagnostic::error(line.whole(), message)
                .label("the rest is left out")
                .help("make the sequences and definitions that lead here smaller"),
        );
        true
    }
}

/// The line without a backslash at its end, and whether there is one.
fn continued(line: Line<'_>) -> (Line<'_>, bool) {
    let line = line.trim();
    match line.text.strip_suffix('\\') {
        Some(rest) => (line.part(0..rest.len()), true),
        None => (line, false),
    }
}

fn byte_order_mark(place: Span) -> Diagnostic {
    Diagnostic::warning(place, "the file begins with a byte order mark of UTF-8")
        .label("skipped")
        .note("keepalived takes it for the first letter of the first keyword, and does not know that")
        .help("save the file without it")
}

fn unterminated(line: Line<'_>, range: Range<usize>, quote: char, quoting: Quoting) -> Diagnostic {
    let problem =
        Diagnostic::mistake(line.span(range), format!("a quote that does not end; `{quote}` is missing"))
            .label("from here to the end of the line");
    match (quote, quoting) {
        ('\'', Quoting::Shell) => {
            problem.help("a `#` or `!` in single quotes starts a comment all the same; use double quotes")
        }
        _ => problem.note("the line is left out"),
    }
}
