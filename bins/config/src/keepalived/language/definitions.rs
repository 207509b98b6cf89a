//! `$NAME=VALUE` and what is put in for `$NAME` and `${NAME}`.

use std::{collections::HashMap, path::Path, rc::Rc};

use super::{
    line::{Assembled, Line, is_blank},
    surroundings::Surroundings,
};
use crate::document::Span;

/// All that are defined at this point of the text.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    known: HashMap<String, Value>,
}

#[derive(Clone, Debug)]
enum Value {
    Text(Rc<str>),
    Lines(Rc<Lines>),
}

/// The lines of a definition of several lines, each with the offset where it stands.
pub(super) type Lines = Vec<(String, usize)>;

/// What is replaced besides definitions.
pub(super) struct Context<'a> {
    /// Directory of the file that is being read.
    pub(super) directory: &'a Path,
    /// `-i`.
    pub(super) config_id: &'a str,
    /// Environment and chance.
    pub(super) surroundings: &'a mut dyn Surroundings,
    /// Bytes that were read, to which those of an expansion are added, also if nothing comes of it.
    pub(super) cost: &'a mut usize,
}

/// A line with everything put in.
#[derive(Debug, Default)]
pub(super) struct Expansion {
    /// The line, up to a definition of several lines.
    pub(super) line: Assembled,
    /// The lines of the definition that it ends with.
    pub(super) lines: Option<Rc<Lines>>,
    /// Where that is referred to.
    pub(super) reference: Span,
    /// How many definitions were put in.
    pub(super) replaced: usize,
    /// Quotation marks in the line, and up to where they are counted.
    quotes: (usize, usize),
}

/// What it takes to look up one definition, in bytes that are read.
const LOOKUP: usize = 64;

/// Why nothing can be put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Impossible {
    /// A definition refers to itself.
    Endless,
    /// The line becomes longer than [`LONGEST`].
    TooLong,
    /// A definition of several lines is not the last on its line.
    NotLast(Span),
}

/// No line becomes longer than this by what is put in.
pub(super) const LONGEST: usize = 1 << 20;
const DEEPEST: usize = 32;
const MOST: usize = 100_000;

impl Definitions {
    /// Defines a name, or gives it another value.
    pub(super) fn define(&mut self, name: &str, value: &str) {
        self.set(name, Value::Text(value.into()));
    }

    /// Defines a name as several lines.
    pub(super) fn define_lines(&mut self, name: &str, lines: Lines) {
        self.set(name, Value::Lines(Rc::new(lines)));
    }

    fn set(&mut self, name: &str, value: Value) {
        match self.known.get_mut(name) {
            Some(known) => *known = value,
            None => {
                self.known.insert(name.to_owned(), value);
            }
        }
    }

    /// Names, for suggestions.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }

    /// Puts in whatever the line refers to, and whatever that refers to.
    pub(super) fn expand(&self, line: Line<'_>, context: &mut Context<'_>) -> Result<Expansion, Impossible> {
        let mut expansion = Expansion::default();
        let mut from = 0;
        *context.cost += line.text.len();
        while let Some((at, reference)) = next_reference(line.text, from) {
            let end = at + reference.length;
            let span = line.span(at..end);
            expansion.line.copy(line.part(from..at));
            if let Some(Value::Lines(lines)) = self.known.get(reference.name) {
                if !line.text[end..].trim().is_empty() {
                    return Err(Impossible::NotLast(span));
                }
                expansion.lines = Some(Rc::clone(lines));
                expansion.reference = span;
                from = line.text.len();
                break;
            }
            expansion.line.replace(span);
            let last = line.text[end..].trim().is_empty();
            match self.put_in(reference, span, last, 0, &mut expansion, context)? {
                true => from = end,
                false => {
                    expansion.line.copy(line.part(at..at + 1));
                    from = at + 1;
                }
            }
            if expansion.lines.is_some() {
                from = line.text.len();
                break;
            }
        }
        expansion.line.copy(line.from(from));
        Ok(expansion)
    }

    /// Whether something is known for the reference; it was appended then.
    fn put_in(
        &self,
        reference: Reference<'_>,
        span: Span,
        last: bool,
        depth: usize,
        expansion: &mut Expansion,
        context: &mut Context<'_>,
    ) -> Result<bool, Impossible> {
        let value = match self.known.get(reference.name) {
            Some(Value::Text(value)) => Rc::clone(value),
            Some(Value::Lines(_)) if !last => return Err(Impossible::NotLast(span)),
            Some(Value::Lines(lines)) => {
                expansion.lines = Some(Rc::clone(lines));
                expansion.reference = span;
                return Ok(true);
            }
            None => match built_in(reference, expansion, context) {
                Some(value) => value.into(),
                None => return Ok(false),
            },
        };
        expansion.replaced += 1;
        *context.cost += LOOKUP + value.len();
        if depth == DEEPEST || expansion.replaced > MOST {
            return Err(Impossible::Endless);
        }
        let mut from = 0;
        while let Some((at, reference)) = next_reference(&value, from) {
            let end = at + reference.length;
            expansion.line.push(&value[from..at]);
            let last = last && value[end..].trim().is_empty();
            if self.put_in(reference, span, last, depth + 1, expansion, context)? {
                from = end;
            } else {
                expansion.line.push(&value[at..at + 1]);
                from = at + 1;
            }
            if expansion.lines.is_some() {
                return Ok(true);
            }
        }
        expansion.line.push(&value[from..]);
        if expansion.line.text().len() > LONGEST { Err(Impossible::TooLong) } else { Ok(true) }
    }
}

impl Expansion {
    /// Whether the end of the line so far is in quotes. Looks at each byte once, however often it is asked.
    fn is_quoted(&mut self) -> bool {
        let (count, until) = self.quotes;
        let text = self.line.text();
        let more = text.as_bytes()[until..].iter().filter(|byte| **byte == b'"').count();
        self.quotes = (count + more, text.len());
        self.quotes.0 % 2 == 1
    }
}

/// Name and value of a line that defines something.
pub(super) fn definition(text: &str) -> Option<(&str, usize)> {
    let name = text.strip_prefix('$')?;
    let name = &name[..name_length(name)];
    let value = 1 + name.len() + 1;
    (!name.is_empty() && text.as_bytes().get(value - 1) == Some(&b'=')).then_some((name, value))
}

/// `$NAME`, `${NAME}` or `${NAME arguments}`.
#[derive(Clone, Copy, Debug)]
struct Reference<'a> {
    name: &'a str,
    arguments: &'a str,
    length: usize,
}

/// The next reference from an offset on. `$NAME` is one only before a blank, `,`, `)` or the end.
fn next_reference(text: &str, mut from: usize) -> Option<(usize, Reference<'_>)> {
    loop {
        let at = from + text[from..].find('$')?;
        let rest = &text[at + 1..];
        if let Some(inside) = rest.strip_prefix('{') {
            let length = name_length(inside);
            // Only then, as each look for the end may go through the whole line.
            if length > 0 && inside[length..].starts_with(['}', ' ', '\t']) {
                let close = length + inside[length..].find('}')?;
                let arguments = inside[length..close].trim();
                let reference = Reference { name: &inside[..length], arguments, length: close + 3 };
                return Some((at, reference));
            }
        } else {
            let length = name_length(rest);
            let next = rest[length..].chars().next();
            let ends = next.is_none_or(|next| is_blank(next) || matches!(next, ',' | ')'));
            if length > 0 && ends {
                return Some((at, Reference { name: &rest[..length], arguments: "", length: length + 1 }));
            }
        }
        from = at + 1;
    }
}

/// Letters, digits and `_`, the first one no digit.
fn name_length(text: &str) -> usize {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return 0;
    }
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}

/// `_PWD`, `_INSTANCE`, `_RANDOM`, `_ENV`, `_HASH` and `_BANG`.
fn built_in(
    reference: Reference<'_>,
    expansion: &mut Expansion,
    context: &mut Context<'_>,
) -> Option<String> {
    // What stands in quotes is no comment anyway; elsewhere the backslash keeps it from being one.
    let mut mark = |mark: &str| if expansion.is_quoted() { mark.to_owned() } else { format!("\\{mark}") };
    match reference.name {
        "_PWD" => Some(context.directory.display().to_string()),
        "_INSTANCE" => Some(context.config_id.to_owned()),
        "_HASH" => Some(mark("#")),
        "_BANG" => Some(mark("!")),
        "_ENV" => Some(context.surroundings.variable(reference.arguments).unwrap_or_default()),
        "_RANDOM" => {
            let mut limits = reference.arguments.split_ascii_whitespace().map(str::parse::<u32>);
            let least = limits.next().unwrap_or(Ok(0)).ok()?;
            let most = limits.next().unwrap_or(Ok(32_767)).ok()?;
            let span = u64::from(most.checked_sub(least)?) + 1;
            Some((u64::from(least) + context.surroundings.chance() % span).to_string())
        }
        _ => None,
    }
}
