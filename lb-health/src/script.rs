//! A conversation in lines: what SMTP, FTP, IMAP, POP3, NNTP, Redis and plain send/expect have in common.
//!
//! ```text
//! let mut talk = Dialogue::new(stream);
//! let greeting = talk.reply().await?.expect(220..=220)?;
//! talk.send("EHLO lb").await?;
//! let hello = talk.reply().await?.expect(250..=250)?;
//! talk.farewell("QUIT").await;
//! ```
//!
//! A peer can neither fill the memory ([`MAX_LINE`], [`MAX_READ`]) nor, as the caller drops the whole look at its
//! deadline, hold anything up. A failure says which step it befell: `closed by the server: waiting for the answer
//! to EHLO`. Only the first word of a command is ever shown, as what follows may be a password.

mod datagram;
mod login;
mod nonce;
mod pattern;
mod payload;
mod reply;
mod security;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use crate::{Failure, FailureKind, Target};

pub(crate) use datagram::ask;
pub use login::Login;
pub(crate) use nonce::nonce;
pub use pattern::{BadPattern, Pattern};
pub use payload::Payload;
pub(crate) use reply::Reply;
#[cfg(feature = "tls")]
pub use security::LazyTls;
pub use security::Security;
pub(crate) use security::Stream;
#[cfg(feature = "pgsql")]
pub(crate) use security::lost;

/// Longest line in bytes, its end included. SMTP allows 512 and IMAP's capabilities stay far below as well.
pub(crate) const MAX_LINE: usize = 4096;

/// The most that is read from a peer in one conversation, in bytes.
pub(crate) const MAX_READ: usize = 64 * 1024;

/// The most that is read of a page or file that is compared with a pattern, in bytes.
pub(crate) const MAX_BODY: usize = 16 << 20;

/// How long a goodbye waits for its answer.
pub(crate) const FAREWELL: Duration = Duration::from_millis(250);

/// One conversation over a stream.
#[derive(Debug)]
pub(crate) struct Dialogue<S> {
    stream: BufReader<S>,
    /// Bytes that may still be read.
    allowance: usize,
    /// Longest line in bytes, its end included.
    max_line: usize,
    /// What the next answer answers, for messages.
    step: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dialogue<S> {
    /// A conversation in which the server speaks first.
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
            allowance: MAX_READ,
            max_line: MAX_LINE,
            step: "the greeting".into(),
        }
    }

    /// A conversation of up to `limit` bytes, in lines of any length.
    pub(crate) fn with_limit(stream: S, limit: usize) -> Self {
        Self { allowance: limit, max_line: limit, ..Self::new(stream) }
    }

    /// Sends one line; `\r\n` is added. A text that would be more than one line is refused: it would smuggle
    /// commands in.
    pub(crate) async fn send(&mut self, line: &str) -> Result<(), Failure> {
        self.await_answer_to(line.split(' ').next().unwrap_or_default());
        if line.contains(['\r', '\n', '\0']) {
            return Err(self.failure(FailureKind::Misconfigured, "a parameter contains a line end"));
        }
        self.write(format!("{line}\r\n").as_bytes()).await
    }

    /// Sends these bytes as they are; `name` is what a failure calls them.
    pub(crate) async fn send_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.await_answer_to(name);
        self.write(bytes).await
    }

    /// Says that nothing more will be sent, and stays to listen.
    pub(crate) async fn finish_sending(&mut self) -> Result<(), Failure> {
        self.stream.shutdown().await.map_err(|error| self.lost(&error))
    }

    /// The next line without its end (`\r\n` or `\n`); bytes that are not UTF-8 become `U+FFFD`.
    pub(crate) async fn line(&mut self) -> Result<String, Failure> {
        match self.next_line().await? {
            Some(line) => Ok(line),
            None => Err(self.failure(FailureKind::Closed, "")),
        }
    }

    /// The next line as it came, with its end, and `None` at the end of the stream. A last line without an end is a
    /// line.
    pub(crate) async fn line_or_end(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let mut line = Vec::new();
        self.read_line(&mut line).await?;
        Ok(if line.is_empty() { None } else { Some(line) })
    }

    /// Everything up to the end of the stream, or as much of it as may be read; and whether that was the end.
    pub(crate) async fn rest(&mut self) -> Result<(Vec<u8>, bool), Failure> {
        let mut bytes = Vec::new();
        let limit = self.allowance as u64;
        (&mut self.stream).take(limit).read_to_end(&mut bytes).await.map_err(|error| self.lost(&error))?;
        self.allowance -= bytes.len();
        Ok((bytes, self.allowance > 0))
    }

    /// Exactly so many bytes.
    #[cfg(any(feature = "ldap", feature = "mysql", feature = "pgsql"))]
    pub(crate) async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Failure> {
        self.allowance = match self.allowance.checked_sub(count) {
            Some(left) => left,
            None => return Err(self.too_much()),
        };
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).await.map_err(|error| self.lost(&error))?;
        Ok(bytes)
    }

    /// The next reply with a three-digit code.
    pub(crate) async fn reply(&mut self) -> Result<Reply, Failure> {
        let first = self.line().await?;
        let Some((code, more)) = reply::code(&first) else {
            return Err(self.failure(FailureKind::Protocol, format!("not a reply: {first}")));
        };
        let mut lines = vec![first];
        // SMTP repeats the code with a hyphen on each line but the last, FTP may have any text in between (RFC 959
        // section 4.2). Both end with the code and a space.
        let mut last = !more;
        while !last {
            let line = self.line().await?;
            last = reply::code(&line) == Some((code, false));
            lines.push(line);
        }
        Ok(Reply::new(self.step.clone(), code, lines))
    }

    /// Sends one line and takes its reply.
    pub(crate) async fn exchange(&mut self, line: &str) -> Result<Reply, Failure> {
        self.send(line).await?;
        self.reply().await
    }

    /// Says goodbye and gives the server a moment to close its side in good order. The look has been decided by
    /// then: a server that is bad at goodbyes is not a bad server.
    pub(crate) async fn farewell(mut self, line: &str) {
        let goodbye = async {
            self.send(line).await?;
            self.line().await
        };
        let _ = tokio::time::timeout(FAREWELL, goodbye).await;
    }

    /// A failure of the present step.
    pub(crate) fn failure(&self, kind: FailureKind, what: impl std::fmt::Display) -> Failure {
        let (step, what) = (&self.step, what.to_string());
        let colon = if what.is_empty() { "" } else { ": " };
        Failure::new(kind, format_args!("waiting for {step}{colon}{what}"))
    }

    fn await_answer_to(&mut self, name: &str) {
        self.step = format!("the answer to {name}");
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stream.write_all(bytes).await.map_err(|error| self.lost(&error))?;
        self.stream.flush().await.map_err(|error| self.lost(&error))
    }

    /// `None` if the stream ends before the line does.
    async fn next_line(&mut self) -> Result<Option<String>, Failure> {
        let mut line = Vec::new();
        let complete = self.read_line(&mut line).await?;
        Ok(complete.then(|| text(&line)))
    }

    /// Reads up to and with the next line feed; whether there was one.
    async fn read_line(&mut self, line: &mut Vec<u8>) -> Result<bool, Failure> {
        loop {
            let chunk = match self.stream.fill_buf().await {
                Ok(chunk) => chunk,
                Err(error) => return Err(self.lost(&error)),
            };
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(chunk.len(), |at| at + 1);
            line.extend_from_slice(&chunk[..taken]);
            self.stream.consume(taken);
            if line.len() > self.max_line {
                let what = format!("a line of over {} bytes", self.max_line);
                return Err(self.failure(FailureKind::Protocol, what));
            }
            let Some(left) = self.allowance.checked_sub(taken) else {
                return Err(self.too_much());
            };
            self.allowance = left;
            if end.is_some() || taken == 0 {
                return Ok(end.is_some());
            }
        }
    }

    fn too_much(&self) -> Failure {
        let limit = MAX_READ.max(self.max_line);
        self.failure(FailureKind::Protocol, format!("over {limit} bytes"))
    }

    fn lost(&self, error: &io::Error) -> Failure {
        security::lost(&format!("waiting for {}", self.step), error)
    }
}

impl Dialogue<Stream> {
    /// Connects, with TLS if it comes first.
    pub(crate) async fn open(security: &Security, target: &Target) -> Result<Self, Failure> {
        Ok(Self::new(security.open(target).await?))
    }

    /// Goes on with TLS, after the server has agreed. What it has sent ahead would be taken as protected although
    /// it was not: that is an error (RFC 3207 section 6).
    pub(crate) async fn secure(self, security: &Security, target: &Target) -> Result<Self, Failure> {
        Ok(Self::new(security.secure(self.into_stream()?, target).await?))
    }

    /// The stream itself, to go on in another way.
    pub(crate) fn into_stream(self) -> Result<Stream, Failure> {
        if self.stream.buffer().is_empty() {
            Ok(self.stream.into_inner())
        } else {
            Err(self.failure(FailureKind::Protocol, "data that nobody has asked for"))
        }
    }
}

/// A line without its end, as text; bytes that are not UTF-8 become `U+FFFD`.
pub(crate) fn text(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}
