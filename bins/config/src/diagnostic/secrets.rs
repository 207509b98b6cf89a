//! Passwords and keys are not shown, neither in the line of a problem nor in its words.
//!
//! A problem may be just that a line with a password is written in the wrong way. So this does not ask what a directive
//! means: whatever looks like one that holds a secret hides the rest of its line.

use std::{borrow::Cow, ops::Range};

use super::nearest;

/// What stands in place of a secret.
const MASK: &str = "***";

/// Directives that hold secrets; what is nearly one of them may be one that is misspelt.
const DIRECTIVES: [&str; 3] = ["auth_pass", "passwd", "secret"];

/// A line without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Masked<'a> {
    /// The line with [`MASK`] in place of the secret.
    pub(super) text: Cow<'a, str>,
    /// Where the secret was, and itself.
    secret: Option<(Range<usize>, &'a str)>,
}

impl<'a> Masked<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        let Some(range) = secret(line) else { return Self { text: line.into(), secret: None } };
        let text = format!("{}{MASK}{}", &line[..range.start], &line[range.end..]);
        Self { text: text.into(), secret: Some((range.clone(), &line[range])) }
    }

    /// Where the secret begins; 0 without one.
    pub(super) fn start(&self) -> usize {
        self.secret.as_ref().map_or(0, |(range, _)| range.start)
    }

    /// Whether a place in the line is within the secret.
    pub(super) fn is_inside(&self, at: usize) -> bool {
        self.secret.as_ref().is_some_and(|(range, _)| range.start < at && at < range.end)
    }

    /// The place in the masked line of a place in the line.
    pub(super) fn shift(&self, at: usize) -> usize {
        match &self.secret {
            Some((range, _)) if at >= range.end => at - range.len() + MASK.len(),
            Some((range, _)) if at > range.start => range.start + MASK.len(),
            _ => at,
        }
    }

    /// A text about the line, without what the line hides.
    pub(super) fn hide_in<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some((_, secret)) = self.secret else { return text.into() };
        let mut hidden = Cow::Borrowed(text);
        for form in forms(secret) {
            hidden = without(hidden, form);
        }
        hidden
    }
}

/// The rest of the line behind the first directive that holds a secret.
fn secret(line: &str) -> Option<Range<usize>> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let bytes = line.as_bytes();
    let (mut at, mut words) = (0, 0);
    while at < bytes.len() {
        let length = bytes[at..].iter().take_while(|byte| is_name(byte)).count();
        if length == 0 {
            at += 1;
            continue;
        }
        let (start, name) = (at, &line[at..at + length]);
        at += length;
        words += 1;
        let rest = line[at..].trim_start();
        let is_definition = start > 0 && bytes[start - 1] == b'$' && rest.starts_with('=');
        let value = if is_definition && is_secret(&name.to_ascii_lowercase(), true)
            || is_secret(name, false)
            || words <= MAX_MISSPELT && nearest(name, DIRECTIVES).is_some()
        {
            rest
        } else if name == "key" && rest.starts_with(|c: char| c.is_ascii_digit()) {
            // `key ID KEY`
            rest.trim_start_matches(|c: char| !c.is_whitespace()).trim_start()
        } else {
            continue;
        };
        let value = value.trim_start_matches(|c: char| c == '=' || c.is_whitespace());
        let from = line.len() - value.len();
        let to = from + value.trim_end().len();
        if from < to {
            return Some(from..to);
        }
    }
    None
}

/// Words at the beginning of a line that may be misspelt names of directives.
const MAX_MISSPELT: usize = 8;

fn is_secret(name: &str, is_definition: bool) -> bool {
    let parts: &[&str] = if is_definition {
        &["pass", "pwd", "secret", "token", "key"]
    } else {
        &["passw", "_pass", "secret"]
    };
    parts.iter().any(|part| name.contains(part))
}

/// The forms in which a message may repeat a secret: as it stands, without its quotes, cut, and each of its words. The
/// longest first.
fn forms(secret: &str) -> Vec<&str> {
    /// Where messages cut a long text, in characters.
    const CUT: usize = 60;
    let mut forms: Vec<&str> = Vec::new();
    for word in std::iter::once(secret).chain(secret.split_whitespace().take(100)) {
        let plain = word.trim_matches(|c| matches!(c, '"' | '\'' | '{' | '}') || c.is_whitespace());
        for form in [word, plain] {
            forms.push(form);
            if let Some((end, _)) = form.char_indices().nth(CUT) {
                forms.push(&form[..end]);
            }
        }
    }
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms.dedup();
    forms.retain(|form| form.chars().any(char::is_alphanumeric));
    forms
}

/// The text with the mask in place of each occurrence that is not a part of a longer word.
fn without<'t>(text: Cow<'t, str>, secret: &str) -> Cow<'t, str> {
    let is_inside = |c: Option<char>, edge: Option<char>| {
        c.is_some_and(char::is_alphanumeric) && edge.is_some_and(char::is_alphanumeric)
    };
    let mut out = String::new();
    let mut kept = 0;
    for (at, found) in text.match_indices(secret) {
        let end = at + found.len();
        let before = is_inside(text[..at].chars().next_back(), found.chars().next());
        let after = is_inside(text[end..].chars().next(), found.chars().next_back());
        if !before && !after {
            out += &text[kept..at];
            out += MASK;
            kept = end;
        }
    }
    if kept == 0 {
        return text;
    }
    out += &text[kept..];
    out.into()
}
