//! A mail as text: pure, but for the name of this host.

use std::{fs, time::SystemTime};

use lettre::{
    Address,
    message::{
        Mailbox, MessageBuilder,
        header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0},
    },
};

use super::Email;

/// A mail, ready for any relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Who sends it.
    pub(super) from: Option<Address>,
    /// Who is to have it. A name without a domain is completed by the mail server.
    pub(super) to: Vec<String>,
    /// What was given as an address and is none.
    pub(super) refused: Vec<String>,
    /// Header and text in ASCII, with the line ends of SMTP.
    pub(super) content: String,
}

impl Message {
    pub(super) fn new(email: &Email, host: &str) -> Self {
        let mut refused = Vec::new();
        let mut take = |text: &String| {
            let address = address(text);
            if address.is_none() {
                refused.push(text.clone());
            }
            address.map(|address| (mailbox(text, &address, host), address))
        };
        let from = take(&email.from).map(|(mailbox, _)| mailbox);
        let (recipients, to): (Vec<Mailbox>, Vec<String>) = email.to.iter().filter_map(take).unzip();
        let sender = from.clone().unwrap_or_else(|| mailbox("", email.program, host));
        let builder = lettre::Message::builder().date(SystemTime::from(email.at)).from(sender);
        let builder = recipients.into_iter().fold(builder, MessageBuilder::to);
        let mailer = HeaderValue::new(HeaderName::new_from_ascii_str("X-Mailer"), email.program.to_owned());
        let text: Vec<String> = email.text.lines().map(one_line).collect();
        let message = builder
            .subject(one_line(&email.subject))
            .raw_header(mailer)
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN)
            .body(text.join("\n"));
        // The only mail that cannot be built is one for nobody, which is not sent.
        let content = message.map(|message| message.formatted()).unwrap_or_default();
        Self {
            from: from.map(|mailbox| mailbox.email),
            to,
            refused,
            content: String::from_utf8_lossy(&content).into_owned(),
        }
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

/// The address that was found in a text, with the name in front of it, and with a domain in any case.
fn mailbox(text: &str, address: &str, host: &str) -> Mailbox {
    let (user, domain) = address.rsplit_once('@').unwrap_or((address, host));
    let name = text.split_once('<').map(|(name, _)| name.trim().trim_matches('"').to_owned());
    Mailbox::new(name.filter(|name| !name.is_empty()), Address::new_dangerous(user, domain))
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
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
    fn the_header_is_that_of_keepalived_and_a_subject_cannot_add_to_it() {
        let to = ["root@localhost", "a@example.com"];
        let email = email("LB <k@example.com>", &to, "[R1] x\r\nBcc: evil", "one\n.\nthree\r\n");
        let message = Message::new(&email, "vm");
        let (header, text) = message.content.split_once("\r\n\r\n").unwrap();
        for line in [
            "Date: Thu, 01 Jan 1970 00:00:00 +0000",
            "From: LB <k@example.com>",
            "To: root@localhost, a@example.com",
            "Subject: [R1] x  Bcc: evil",
            "X-Mailer: lb-failover",
        ] {
            assert!(header.split("\r\n").any(|found| found == line), "{line}: {header}");
        }
        assert_eq!(text, "one\r\n.\r\nthree");
        assert_eq!(message.from.unwrap().to_string(), "k@example.com");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in ["", "a b@c", "a@b>\r\nRCPT TO:<c@d", "a@b\n", "<a@b", "a@b,c@d", "-oQ/tmp", "<>"] {
            assert_eq!(address(bad), None, "{bad:?}");
        }
        assert_eq!(address(" root ").as_deref(), Some("root"));
        let message = Message::new(&email("k@vm", &["a@b", "c d"], "", ""), "vm");
        assert_eq!((message.to, message.refused), (vec!["a@b".to_owned()], vec!["c d".to_owned()]));
        let message = Message::new(&email("no sender", &["a@b"], "", ""), "vm");
        assert_eq!(message.from, None);
        assert!(message.content.contains("\r\nFrom: lb-failover@vm\r\n"), "{}", message.content);
        assert_eq!(Message::new(&email("k@vm", &["c d"], "", ""), "vm").content, "", "a mail for nobody");
    }

    #[test]
    fn a_user_of_this_host_needs_no_domain() {
        let message = Message::new(&email("\"LB Alerts\" <lb@example.com>", &["root"], "", ""), "lb_1");
        assert_eq!(message.to, ["root"]);
        for line in ["\r\nTo: root@lb_1\r\n", "\r\nFrom: \"LB Alerts\" <lb@example.com>\r\n"] {
            assert!(message.content.contains(line), "{}", message.content);
        }
    }

    #[test]
    fn every_language_is_encoded_in_ascii() {
        let message = Message::new(&email("k@vm", &["a@b"], "Zürich 1", "Größe"), "vm");
        assert!(message.content.is_ascii(), "{}", message.content);
        assert!(message.content.contains("\r\nSubject: =?utf-8?"), "{}", message.content);
        let long = Message::new(&email("k@vm", &["a@b"], &"é".repeat(200), &"x".repeat(2000)), "vm").content;
        assert!(long.lines().all(|line| line.len() <= 998), "{long}");
    }
}
