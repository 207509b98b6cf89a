//! Messages of RFC 4511 section 4.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::probe::ber::{
    self, BOOLEAN, ENUMERATED, Elements, INTEGER, Length, OCTET_STRING, SEQUENCE, element,
};
use crate::script::Dialogue;
use crate::{Failure, FailureKind};

// Tags of [APPLICATION n].
const BIND: u8 = 0x60;
const UNBIND: u8 = 0x42;
const SEARCH: u8 = 0x63;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_REFERENCE: u8 = 0x73;
const EXTENDED: u8 = 0x77;
const EXTENDED_RESPONSE: u8 = 0x78;
const INTERMEDIATE: u8 = 0x79;

/// What is asked for.
pub(super) struct Operation {
    name: &'static str,
    bytes: Vec<u8>,
    /// Tag of the answer that ends it.
    answer: u8,
}

impl Operation {
    /// A simple bind, RFC 4511 section 4.2.
    pub(super) fn bind(name: &str, password: &str) -> Self {
        let version = element(INTEGER, &[3]);
        let parts = [version, element(OCTET_STRING, name.as_bytes()), element(0x80, password.as_bytes())];
        Self { name: "the bind", bytes: element(BIND, &parts.concat()), answer: 0x61 }
    }

    /// A search for this entry and none of its attributes, RFC 4511 section 4.5.
    pub(super) fn look_up(base: &str) -> Self {
        let no_attributes = element(SEQUENCE, &element(OCTET_STRING, b"1.1"));
        let parts = [
            element(OCTET_STRING, base.as_bytes()),
            element(ENUMERATED, &[0]), // the base object alone
            element(ENUMERATED, &[0]), // aliases are not followed
            element(INTEGER, &[2]),    // more than one entry would be an error already
            element(INTEGER, &[0]),    // the caller has its own deadline
            element(BOOLEAN, &[0xff]),
            element(0x87, b"objectClass"), // present
            no_attributes,
        ];
        Self { name: "the search", bytes: element(SEARCH, &parts.concat()), answer: 0x65 }
    }

    /// RFC 4511 section 4.14.
    pub(super) fn start_tls() -> Self {
        let bytes = element(EXTENDED, &element(0x80, b"1.3.6.1.4.1.1466.20037"));
        Self { name: "StartTLS", bytes, answer: EXTENDED_RESPONSE }
    }
}

/// Operations one after the other over a connection.
pub(super) struct Session<S> {
    talk: Dialogue<S>,
    /// Identifier of the operation that is under way.
    id: u8,
    name: &'static str,
    answer: u8,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) fn new(talk: Dialogue<S>) -> Self {
        Self { talk, id: 0, name: "", answer: 0 }
    }

    pub(super) fn into_dialogue(self) -> Dialogue<S> {
        self.talk
    }

    /// Asks, and takes the first answer.
    pub(super) async fn ask(&mut self, operation: Operation) -> Result<Answer, Failure> {
        self.id += 1;
        (self.name, self.answer) = (operation.name, operation.answer);
        let message = [element(INTEGER, &[self.id]), operation.bytes].concat();
        self.talk.send_bytes(self.name, &element(SEQUENCE, &message)).await?;
        self.answer().await
    }

    /// The next answer to what was asked last: an entry, or the end.
    pub(super) async fn answer(&mut self) -> Result<Answer, Failure> {
        loop {
            let message = self.message().await?;
            let mut parts = Elements(&message);
            let (Some(id), Some((tag, contents))) = (parts.number(INTEGER), parts.next()) else {
                return Err(self.malformed("a message without operation"));
            };
            if id == 0 && tag == EXTENDED_RESPONSE {
                // Notice of disconnection, RFC 4511 section 4.4.1.
                Answer { name: "the server's notice", tag, contents: contents.into() }.expect_success()?;
            }
            if id != u32::from(self.id) {
                return Err(self.malformed("an answer to another question"));
            }
            match tag {
                SEARCH_REFERENCE | INTERMEDIATE => {}
                _ if tag == self.answer || tag == SEARCH_ENTRY => {
                    return Ok(Answer { name: self.name, tag, contents: contents.into() });
                }
                _ => return Err(self.malformed(&format!("an operation of tag {tag:#04x}"))),
            }
        }
    }

    /// Takes leave; there is no answer to that.
    pub(super) async fn unbind(mut self) {
        let message = [element(INTEGER, &[self.id + 1]), vec![UNBIND, 0]].concat();
        // The look has been decided.
        let _ = self.talk.send_bytes("the unbind", &element(SEQUENCE, &message)).await;
    }

    /// The contents of the next message.
    async fn message(&mut self) -> Result<Vec<u8>, Failure> {
        let head = self.talk.bytes(2).await?;
        let length = match (head[0], ber::length(head[1])) {
            (SEQUENCE, Some(Length::Known(length))) => length,
            (SEQUENCE, Some(Length::Follows(count))) => {
                let digits = self.talk.bytes(count).await?;
                digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit))
            }
            _ => return Err(self.malformed(&format!("{:02x} {:02x}", head[0], head[1]))),
        };
        self.talk.bytes(length).await
    }

    fn malformed(&self, what: &str) -> Failure {
        self.talk.failure(FailureKind::Protocol, format_args!("not an answer of LDAP: {what}"))
    }
}

/// One answer.
pub(super) struct Answer {
    name: &'static str,
    tag: u8,
    contents: Vec<u8>,
}

impl Answer {
    /// The entry's name if it is one.
    pub(super) fn entry(&self) -> Result<Option<String>, Failure> {
        if self.tag != SEARCH_ENTRY {
            return Ok(None);
        }
        match Elements(&self.contents).expect(OCTET_STRING) {
            Some(name) => Ok(Some(String::from_utf8_lossy(name).into_owned())),
            None => Err(Failure::new(FailureKind::Protocol, "an entry without a name")),
        }
    }

    /// An error unless the result (RFC 4511 section 4.1.9) is success.
    pub(super) fn expect_success(&self) -> Result<(), Failure> {
        let mut parts = Elements(&self.contents);
        let result = parts.number(ENUMERATED).filter(|_| self.tag != SEARCH_ENTRY);
        let Some(code) = result else {
            return Err(Failure::new(
                FailureKind::Protocol,
                format_args!("{} is answered without result", self.name),
            ));
        };
        let _matched = parts.expect(OCTET_STRING);
        let said = parts.expect(OCTET_STRING).map(String::from_utf8_lossy).unwrap_or_default();
        let (kind, meaning) = match code {
            0 => return Ok(()),
            8 => (FailureKind::Denied, "stronger authentication required"),
            10 => (FailureKind::WrongAnswer, "referral"),
            32 => (FailureKind::WrongAnswer, "no such object"),
            48 => (FailureKind::Denied, "inappropriate authentication"),
            49 => (FailureKind::Denied, "invalid credentials"),
            50 => (FailureKind::Denied, "insufficient access rights"),
            51 => (FailureKind::WrongAnswer, "busy"),
            52 => (FailureKind::WrongAnswer, "unavailable"),
            53 => (FailureKind::WrongAnswer, "unwilling to perform"),
            _ => (FailureKind::WrongAnswer, "see RFC 4511 appendix A"),
        };
        let colon = if said.is_empty() { "" } else { ": " };
        Err(Failure::new(kind, format_args!("{}: result {code} ({meaning}){colon}{said}", self.name)))
    }
}
