//! A mail to a relay: as much of RFC 5321 as that takes, in the clear and without a password, as keepalived.

use std::{io, time::Duration};

use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::{error::Elapsed, timeout},
};

use super::Relay;

/// Longest line of an answer, and most lines of one: more than any relay sends.
const LINE: u64 = 2048;
const LINES: usize = 100;

/// Why a mail was not taken.
#[derive(Debug, Error)]
pub(super) enum NotSent {
    /// It does not answer at that address.
    #[error("it can not be reached: {0}")]
    Unreachable(#[source] io::Error),
    /// It broke off.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// It took too long for something.
    #[error("it takes too long")]
    Slow(#[from] Elapsed),
    /// It said something else than hoped for.
    #[error("to {to} it answers: {answer}")]
    Refused {
        /// What it was told.
        to: &'static str,
        /// What it said.
        answer: Answer,
    },
    /// What it said is no SMTP.
    #[error("it does not speak SMTP: {0:?}")]
    Nonsense(String),
}

impl NotSent {
    /// Whether it is certain that nobody has got the mail.
    pub(super) const fn is_final(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Refused { .. } | Self::Nonsense(_) => true,
            Self::Broken(_) | Self::Slow(_) => false,
        }
    }

    /// Whether the same mail may be taken later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Refused { answer, .. } => !(500..600).contains(&answer.code),
            _ => true,
        }
    }
}

/// What a relay answers: a number and a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    code: u16,
    text: String,
}

/// Sends a mail; returns those to whom the relay does not send it, and why, if there are others.
///
/// # Errors
/// Nobody gets it.
pub(super) async fn send(
    relay: &Relay,
    hello: &str,
    from: &str,
    to: &[String],
    data: &str,
    limit: Duration,
) -> Result<Vec<(String, Answer)>, NotSent> {
    let connect = async {
        match relay {
            Relay::Address(address) => TcpStream::connect(address).await,
            Relay::Name(name, port) => TcpStream::connect((name.as_str(), *port)).await,
        }
    };
    let stream = timeout(limit, connect).await?.map_err(NotSent::Unreachable)?;
    let mut talk = Talk { stream: BufReader::new(stream), limit };
    talk.expect("the connection", 220).await?;
    let answer = talk.tell(&format!("EHLO {hello}")).await?;
    if answer.code != 250 {
        talk.ask("HELO", &format!("HELO {hello}"), 250).await?;
    }
    talk.ask("MAIL FROM", &format!("MAIL FROM:<{from}>"), 250).await?;
    let mut left_out = Vec::new();
    for to in to {
        let answer = talk.tell(&format!("RCPT TO:<{to}>")).await?;
        if !matches!(answer.code, 250 | 251) {
            left_out.push((to.clone(), answer));
        }
    }
    if left_out.len() == to.len()
        && let Some((_, answer)) = left_out.pop()
    {
        return Err(NotSent::Refused { to: "RCPT TO", answer });
    }
    talk.ask("DATA", "DATA", 354).await?;
    talk.write(data).await?;
    talk.expect("the mail", 250).await?;
    // It has the mail; how it says goodbye is of no concern.
    let _ = talk.tell("QUIT").await;
    Ok(left_out)
}

struct Talk {
    stream: BufReader<TcpStream>,
    limit: Duration,
}

impl Talk {
    async fn ask(&mut self, to: &'static str, line: &str, wanted: u16) -> Result<(), NotSent> {
        self.write(&format!("{line}\r\n")).await?;
        self.expect(to, wanted).await
    }

    async fn tell(&mut self, line: &str) -> Result<Answer, NotSent> {
        self.write(&format!("{line}\r\n")).await?;
        timeout(self.limit, answer(&mut self.stream)).await?
    }

    async fn write(&mut self, text: &str) -> Result<(), NotSent> {
        Ok(timeout(self.limit, self.stream.get_mut().write_all(text.as_bytes())).await??)
    }

    async fn expect(&mut self, to: &'static str, wanted: u16) -> Result<(), NotSent> {
        let answer = timeout(self.limit, answer(&mut self.stream)).await??;
        if answer.code == wanted { Ok(()) } else { Err(NotSent::Refused { to, answer }) }
    }
}

/// Reads lines `250-text` up to and with one `250 text`.
async fn answer(stream: &mut BufReader<TcpStream>) -> Result<Answer, NotSent> {
    let mut text = String::new();
    for _ in 0..LINES {
        let mut bytes = Vec::new();
        stream.take(LINE).read_until(b'\n', &mut bytes).await?;
        let line = String::from_utf8_lossy(&bytes);
        if !line.ends_with('\n') {
            let cut_short = io::Error::from(io::ErrorKind::UnexpectedEof);
            return Err(if bytes.is_empty() {
                cut_short.into()
            } else {
                NotSent::Nonsense(line.into_owned())
            });
        }
        let line = line.trim_end();
        let number = line.get(..3).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(code) = number.and_then(|number| number.parse().ok()) else {
            return Err(NotSent::Nonsense(line.to_owned()));
        };
        if text.is_empty() {
            text = line.get(4..).unwrap_or_default().to_owned();
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(Answer { code, text });
        }
    }
    Err(NotSent::Nonsense("an answer without an end".to_owned()))
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}
