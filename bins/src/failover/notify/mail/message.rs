//! A mail as text: pure, but for the name of this host.

use std::{fmt::Write as _, fs};

use crate::config::keepalived::model::Mail;

/// A mail, ready for any relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Who sends it, as an address alone.
    pub(super) from: String,
    /// The same as it was written, perhaps with a name.
    pub(super) from_header: String,
    /// Who is to have it.
    pub(super) to: Vec<String>,
    /// What was given as an address and is none.
    pub(super) refused: Vec<String>,
    subject: String,
    text: String,
}

impl Message {
    pub(super) fn new(settings: &Mail, host: &str, subject: &str, text: &str) -> Self {
        let from_header = settings.from.clone().unwrap_or_else(|| format!("keepalived@{host}"));
        let mut refused = Vec::new();
        let from = address(&from_header).unwrap_or_else(|| {
            refused.push(from_header.clone());
            String::new()
        });
        let from_header = if from.is_empty() { format!("keepalived@{host}") } else { from_header };
        let mut to = Vec::new();
        for wanted in &settings.to {
            match address(wanted) {
                Some(address) => to.push(address),
                None => refused.push(wanted.clone()),
            }
        }
        Self { from, from_header, to, refused, subject: one_line(subject), text: text.to_owned() }
    }

    /// Header and text as they follow `DATA`, with the final dot.
    pub(super) fn data(&self, at: &jiff::Timestamp) -> String {
        let date = at.to_zoned(jiff::tz::TimeZone::system()).strftime("%a, %d %b %Y %H:%M:%S %z").to_string();
        let mut data = format!(
            "Date: {date}\r\nFrom: {}\r\nTo: {}\r\nSubject: {}\r\nX-Mailer: lb-failover\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
            one_line(&self.from_header),
            self.to.join(", "),
            encoded(&self.subject),
        );
        for line in self.text.lines() {
            // A line with a dot alone would end the mail.
            let dot = if line.starts_with('.') { "." } else { "" };
            let _ = write!(data, "{dot}{}\r\n", one_line(line));
        }
        data + ".\r\n"
    }
}

/// The address in `a@b` or `Name <a@b>`, if nothing in it could be taken for more than an address.
fn address(text: &str) -> Option<String> {
    let inner = match text.split_once('<') {
        Some((_, rest)) => rest.trim_end().strip_suffix('>')?,
        None => text.trim(),
    };
    let strange = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';');
    (!inner.is_empty()
        && !inner.starts_with('-')
        && !inner.contains(strange)
        && !text.contains(char::is_control))
    .then(|| inner.to_owned())
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// As RFC 2047 has it, where it is not ASCII: each word on a line of its own, and no more than 75 characters long.
fn encoded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut words = vec![String::new()];
    for c in text.chars() {
        let mut buffer = [0; 4];
        let bytes = c.encode_utf8(&mut buffer).bytes();
        let code: String =
            if c.is_ascii_alphanumeric() { c.into() } else { bytes.map(|b| format!("={b:02X}")).collect() };
        match words.last_mut() {
            Some(word) if word.len() + code.len() <= 60 => *word += &code,
            _ => words.push(code),
        }
    }
    let words: Vec<_> = words.iter().map(|word| format!("=?utf-8?q?{word}?=")).collect();
    words.join("\r\n ")
}

/// What this host is called.
pub(super) fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(from: Option<&str>, to: &[&str]) -> Mail {
        let to = to.iter().map(|to| (*to).to_owned()).collect();
        Mail { from: from.map(str::to_owned), to, ..Mail::default() }
    }

    #[test]
    fn the_header_is_that_of_keepalived_and_the_text_can_not_end_the_mail() {
        let settings = settings(Some("LB <k@example.com>"), &["root@localhost", "a@example.com"]);
        let message = Message::new(&settings, "vm", "[R1] x\r\nBcc: evil", "one\n.\n..two\nthree\r\n");
        let data = message.data(&jiff::Timestamp::UNIX_EPOCH);
        assert!(data.starts_with("Date: ") && data.lines().next().unwrap().contains("19"), "{data}");
        assert!(
            data.contains("\r\nFrom: LB <k@example.com>\r\nTo: root@localhost, a@example.com\r\n"),
            "{data}"
        );
        assert!(data.contains("\r\nSubject: [R1] x  Bcc: evil\r\n"), "{data}");
        assert!(data.ends_with("\r\n\r\none\r\n..\r\n...two\r\nthree\r\n.\r\n"), "{data}");
        assert_eq!(message.from, "k@example.com");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in ["", "a b@c", "a@b>\r\nRCPT TO:<c@d", "a@b\n", "<a@b", "a@b,c@d", "-oQ/tmp", "<>"] {
            assert_eq!(address(bad), None, "{bad:?}");
        }
        assert_eq!(address(" root ").as_deref(), Some("root"));
        let message = Message::new(&settings(None, &["a@b", "c d"]), "vm", "", "");
        assert_eq!((message.to, message.refused), (vec!["a@b".to_owned()], vec!["c d".to_owned()]));
        assert_eq!(message.from, "keepalived@vm");
    }

    #[test]
    fn subjects_in_any_language_are_encoded() {
        assert_eq!(encoded("plain = text"), "plain = text");
        assert_eq!(encoded("Zürich 1"), "=?utf-8?q?Z=C3=BCrich=201?=");
        let long = encoded(&"é".repeat(50));
        assert!(long.lines().all(|line| line.len() <= 76) && long.lines().count() > 1, "{long}");
    }
}
