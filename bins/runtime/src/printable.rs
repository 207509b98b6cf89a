//! What came from clients, peers, servers or files, made fit for a terminal.

use std::{borrow::Cow, fmt::Write as _};

use serde_json::Value;

/// The text with everything escaped that a terminal obeys instead of printing it: control characters, line feeds
/// included and tabs excepted, and characters that change the direction of writing.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_obeyed(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// A text of several lines, each of them printable.
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// JSON text for a terminal: the same value, with escapes where serde_json needs none and a terminal does.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    if !json.contains(is_obeyed) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 8);
    for c in json.chars() {
        if is_obeyed(c) {
            // All of these are in the basic plane.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Makes every text within a value printable.
pub fn make_printable(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(escaped) = printable(text) {
                *text = escaped;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(make_printable),
        Value::Object(members) => {
            if members.keys().any(|key| key.contains(is_obeyed)) {
                let keep = |(key, value): (String, Value)| (printable(&key).into_owned(), value);
                *members = std::mem::take(members).into_iter().map(keep).collect();
            }
            members.values_mut().for_each(make_printable);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether a terminal may obey a character instead of printing it.
pub fn is_obeyed(c: char) -> bool {
    c.is_control() && c != '\t'
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_all_else_stays() {
        assert!(matches!(printable("Grüße,\t10.0.0.1 → ok"), Cow::Borrowed(_)));
        assert_eq!(
            printable("a\x1b[2Jb\r\nc\u{9b}1m\u{202e}\x7f"),
            r"a\u{1b}[2Jb\r\nc\u{9b}1m\u{202e}\u{7f}"
        );
        assert_eq!(printable_lines("a\nb\x07\n"), "a\nb\\u{7}\n");
    }

    #[test]
    fn json_keeps_its_value() {
        let text = "\u{9b}31m \x1b[0m \u{7f} \u{2066}";
        let json = serde_json::to_string(text).unwrap();
        let shown = printable_json(&json);
        assert!(!shown.contains(is_obeyed), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }

    #[test]
    fn all_texts_of_a_value_are_made_printable() {
        let mut value = serde_json::json!({"a\nb": [1, "\x1b]0;x\x07", {"c": "\r"}], "d": null});
        make_printable(&mut value);
        assert_eq!(value, serde_json::json!({"a\\nb": [1, "\\u{1b}]0;x\\u{7}", {"c": "\\r"}], "d": null}));
    }
}
