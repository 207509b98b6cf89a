//! A mail as text: pure, but for the name of this host.

use std::{fmt::Write as _, fs};

use super::Email;

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
    program: &'static str,
    at: jiff::Timestamp,
    subject: String,
    text: String,
}

impl Message {
    pub(super) fn new(email: &Email, host: &str) -> Self {
        let from_header = email.from.clone();
        let mut refused = Vec::new();
        let from = address(&from_header).unwrap_or_else(|| {
            refused.push(from_header.clone());
            String::new()
        });
        let from_header = if from.is_empty() { format!("{}@{host}", email.program) } else { from_header };
        let mut to = Vec::new();
        for wanted in &email.to {
            match address(wanted) {
                Some(address) => to.push(address),
                None => refused.push(wanted.clone()),
            }
        }
        Self {
            from,
            from_header,
            to,
            refused,
            program: email.program,
            at: email.at,
            subject: one_line(&email.subject),
            text: email.text.clone(),
        }
    }

    /// Header and text as they follow `DATA`, with the final dot.
    pub(super) fn data(&self) -> String {
        let date = self.at.to_zoned(jiff::tz::TimeZone::system());
        let date = date.strftime("%a, %d %b %Y %H:%M:%S %z");
        let mut data = format!(
            "Date: {date}\r\nFrom: {}\r\nTo: {}\r\nSubject: {}\r\nX-Mailer: {}\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
            one_line(&self.from_header),
            self.to.join(", "),
            encoded(&self.subject),
            self.program,
        );
        for line in self.text.lines() {
            // A line with a dot alone would end the mail.
            let dot = if line.starts_with('.') { "." } else { "" };
            let _ = write!(data, "{dot}{}\r\n", one_line(line));
        }
        data + ".\r\n"
    }

    /// Header and text for `sendmail -t`, which adds the rest.
    pub(super) fn for_sendmail(&self) -> String {
        let (from, to) = (one_line(&self.from_header), self.to.join(", "));
        format!(
            "From: {from}\nTo: {to}\nSubject: {}\n\n{}\n",
            encoded(&self.subject).replace('\r', ""),
            self.text
        )
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
pub fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(from: &str, to: &[&str], subject: &str, text: &str) -> Email {
        Email {
            program: "lb-failover",
            from: from.to_owned(),
            to: to.iter().map(|to| (*to).to_owned()).collect(),
            subject: subject.to_owned(),
            text: text.to_owned(),
            at: jiff::Timestamp::UNIX_EPOCH,
            relay: None,
            helo: None,
            timeout: None,
        }
    }

    #[test]
    fn the_header_is_that_of_keepalived_and_the_text_can_not_end_the_mail() {
        let to = ["root@localhost", "a@example.com"];
        let email = email("LB <k@example.com>", &to, "[R1] x\r\nBcc: evil", "one\n.\n..two\nthree\r\n");
        let message = Message::new(&email, "vm");
        let data = message.data();
        assert!(data.starts_with("Date: ") && data.lines().next().unwrap().contains("19"), "{data}");
        assert!(
            data.contains("\r\nFrom: LB <k@example.com>\r\nTo: root@localhost, a@example.com\r\n"),
            "{data}"
        );
        assert!(data.contains("\r\nSubject: [R1] x  Bcc: evil\r\n"), "{data}");
        assert!(data.ends_with("\r\n\r\none\r\n..\r\n...two\r\nthree\r\n.\r\n"), "{data}");
        assert_eq!(message.from, "k@example.com");
        let input = "From: LB <k@example.com>\nTo: root@localhost, a@example.com\nSubject: [R1] x  Bcc: evil\n\none\n.\n";
        assert!(message.for_sendmail().starts_with(input), "{}", message.for_sendmail());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in ["", "a b@c", "a@b>\r\nRCPT TO:<c@d", "a@b\n", "<a@b", "a@b,c@d", "-oQ/tmp", "<>"] {
            assert_eq!(address(bad), None, "{bad:?}");
        }
        assert_eq!(address(" root ").as_deref(), Some("root"));
        let message = Message::new(&email("k@vm", &["a@b", "c d"], "", ""), "vm");
        assert_eq!((message.to, message.refused), (vec!["a@b".to_owned()], vec!["c d".to_owned()]));
        let message = Message::new(&email("no sender", &[], "", ""), "vm");
        assert_eq!((message.from.as_str(), message.from_header.as_str()), ("", "lb-failover@vm"));
    }

    #[test]
    fn subjects_in_any_language_are_encoded() {
        assert_eq!(encoded("plain = text"), "plain = text");
        assert_eq!(encoded("Zürich 1"), "=?utf-8?q?Z=C3=BCrich=201?=");
        let long = encoded(&"é".repeat(50));
        assert!(long.lines().all(|line| line.len() <= 76) && long.lines().count() > 1, "{long}");
    }
}
