//! Words, braces, quotes and comments. Measured against keepalived 2.2.7.

use std::ops::Range;

use compact_str::CompactString;

use super::line::{Line, is_blank};

/// How quotes and backslashes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    /// Only `"…"` makes one word of several, and nothing is special in it.
    Plain,
    /// As in a shell: `"…"`, `'…'` and escapes, also within a word. Keywords that take a command line.
    Shell,
}

/// The next thing on a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A word without its quotes.
    Word(CompactString),
    /// `{`
    Open,
    /// `}`
    Close,
    /// A quote without its end, which is this character.
    Unterminated(char),
    /// `${NAME}` where nothing of that name is defined.
    Undefined(String),
}

/// The next token of a text from `from` on, with its range; `None` at the end of the line or the start of a comment.
pub(super) fn token(text: &str, from: usize, quoting: Quoting) -> Option<(Token, Range<usize>)> {
    let start = from + text[from..].find(|c: char| !is_blank(c))?;
    let token = match text.as_bytes()[start] {
        b'#' | b'!' => return None,
        b'{' => (Token::Open, start..start + 1),
        b'}' => (Token::Close, start..start + 1),
        b'"' if quoting == Quoting::Plain => quoted(text, start),
        _ if quoting == Quoting::Plain => plain(text, start),
        _ => shell(text, start),
    };
    Some(token)
}

/// `text` without its comment. What a `"` opens has no comment in it.
pub(super) fn without_comment(text: &str) -> &str {
    if !text.contains(['#', '!']) {
        return text;
    }
    let mut inside = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => inside = !inside,
            b'#' | b'!' if !inside => return &text[..at],
            _ => {}
        }
    }
    text
}

fn quoted(text: &str, start: usize) -> (Token, Range<usize>) {
    match text[start + 1..].find('"') {
        Some(length) => {
            let end = start + 1 + length;
            (Token::Word(text[start + 1..end].into()), start..end + 1)
        }
        None => (Token::Unterminated('"'), start..text.len()),
    }
}

/// A quote ends the word before it and starts one of its own.
fn plain(text: &str, start: usize) -> (Token, Range<usize>) {
    let mut word = CompactString::default();
    let mut kept = start;
    let mut at = start;
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if matches!(bytes.get(at + 1), Some(b'#' | b'!')) => {
                word.push_str(&text[kept..at]);
                kept = at + 1;
                at += 2;
            }
            b'{' if at > start && bytes[at - 1] == b'$' => {
                if let Some(name) = undefined(text, at) {
                    return (Token::Undefined(name.to_owned()), at - 1..at + name.len() + 2);
                }
                break;
            }
            b'{' | b'}' | b'"' | b'#' | b'!' => break,
            byte if is_blank(char::from(byte)) => break,
            _ => at += 1,
        }
    }
    word.push_str(&text[kept..at]);
    (Token::Word(word), start..at)
}

/// The name in `{NAME}` at this place.
fn undefined(text: &str, at: usize) -> Option<&str> {
    let inside = &text[at + 1..];
    let length = inside.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    (length > 0 && inside[length..].starts_with('}')).then(|| &inside[..length])
}

/// A word as a shell reads it.
fn shell(text: &str, start: usize) -> (Token, Range<usize>) {
    let mut word = CompactString::default();
    let mut quote = None;
    let mut rest = text[start..].char_indices().peekable();
    let mut end = text.len();
    while let Some((at, character)) = rest.next() {
        match (quote, character) {
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None, '{') if word.ends_with('$') && undefined(text, start + at).is_some() => {
                let name = undefined(text, start + at).unwrap_or_default();
                return (Token::Undefined(name.to_owned()), start + at - 1..start + at + name.len() + 2);
            }
            (None, '{' | '}' | '#' | '!') => {
                end = start + at;
                break;
            }
            (None, blank) if is_blank(blank) => {
                end = start + at;
                break;
            }
            (_, '\\') => escape(&mut rest, &mut word),
            _ => word.push(character),
        }
    }
    match quote {
        Some(quote) => (Token::Unterminated(quote), start..text.len()),
        None => (Token::Word(word), start..end),
    }
}

type Characters<'a> = std::iter::Peekable<std::str::CharIndices<'a>>;

/// What follows a backslash: `\a \b \E \f \n \r \t \v`, up to three octal digits, `\x` and hexadecimal digits, `\cC`;
/// any other character stands for itself. A byte above 127 becomes the character of that number.
fn escape(rest: &mut Characters<'_>, word: &mut CompactString) {
    let Some((_, character)) = rest.next() else {
        word.push('\\');
        return;
    };
    let control = match character {
        'a' => '\x07',
        'b' => '\x08',
        'E' => '\x1b',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        'c' => match rest.next() {
            Some((_, letter)) if letter.is_ascii() => char::from(letter as u8 & 0x1f),
            Some((_, letter)) => letter,
            None => 'c',
        },
        'x' => number(rest, 16, usize::MAX, 0),
        digit @ '0'..='7' => number(rest, 8, 2, digit as u8 - b'0'),
        other => other,
    };
    word.push(control);
}

/// The character of a number. Of a long one the last eight bits count.
fn number(rest: &mut Characters<'_>, radix: u32, most: usize, first: u8) -> char {
    let mut value = first;
    for _ in 0..most {
        let Some(digit) = rest.peek().and_then(|&(_, character)| character.to_digit(radix)) else { break };
        value = value.wrapping_mul(radix as u8).wrapping_add(digit as u8);
        rest.next();
    }
    char::from(value)
}

/// Splits a command line into program and arguments, as a shell does: what remains after the quotes and escapes of the
/// file have been read once.
///
/// ```
/// use lb_config::keepalived::language::command_words;
///
/// assert_eq!(command_words("/bin/echo 'a b' c").unwrap(), ["/bin/echo", "a b", "c"]);
/// ```
///
/// # Errors
/// The quote that has no end.
pub fn command_words(command: &str) -> Result<Vec<String>, char> {
    let mut words = Vec::new();
    let mut word: Option<CompactString> = None;
    let mut quote = None;
    let mut rest = command.char_indices().peekable();
    while let Some((_, character)) = rest.next() {
        match (quote, character) {
            (None, blank) if is_blank(blank) => words.extend(word.take().map(String::from)),
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (Some(open), _) if open == character => quote = None,
            (_, '\\') => escape(&mut rest, word.get_or_insert_default()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word.map(String::from));
    match quote {
        Some(quote) => Err(quote),
        None => Ok(words),
    }
}

impl Line<'_> {
    /// Without its comment and the blanks around what remains.
    pub(super) fn without_comment(self) -> Self {
        self.part(0..without_comment(self.text).len()).trim()
    }
}
