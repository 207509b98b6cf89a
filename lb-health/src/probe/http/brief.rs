//! The short way: one write, and reading until the status is known.
//!
//! Health checks are mostly about the status, and there this costs less than a whole HTTP client does; measured by
//! `cargo bench --bench scale -- --only ours,hyper`.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::status::Status;
use crate::{Failure, FailureKind};

/// Sends the request and returns the status of the final answer.
pub(super) async fn ask<S>(stream: &mut S, request: &[u8]) -> Result<Status, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    send(stream, request).await?;
    receive(stream, StatusReader::until_status()).await
}

/// Asks a proxy for a tunnel. The stream is then the tunnel.
#[cfg(feature = "tls")]
pub(super) async fn tunnel<S>(stream: &mut S, authority: &str) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    send(stream, format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n").as_bytes()).await?;
    let status = receive(stream, StatusReader::until_end_of_head()).await?;
    match status.code {
        200..=299 => Ok(()),
        401 | 403 | 407 => Err(Failure::new(FailureKind::Denied, format_args!("CONNECT: {status}"))),
        _ => Err(Failure::new(FailureKind::WrongAnswer, format_args!("CONNECT: {status}"))),
    }
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, request: &[u8]) -> Result<(), Failure> {
    let sent = async {
        stream.write_all(request).await?;
        stream.flush().await
    };
    sent.await.map_err(|error| failure("sending the request", &error))
}

async fn receive<S: AsyncRead + Unpin>(stream: &mut S, mut reader: StatusReader) -> Result<Status, Failure> {
    // Read from one place to the next only as much as is looked at: what comes after the status stays in the kernel.
    let mut chunk = [0; 512];
    loop {
        let got = stream.read(&mut chunk).await.map_err(|error| failure("waiting for the answer", &error))?;
        if got == 0 {
            let what = if reader.heard == 0 { "before the answer" } else { "within the answer" };
            return Err(Failure::new(FailureKind::Closed, what));
        }
        if let Some(status) = reader.read(&chunk[..got])? {
            return Ok(status);
        }
    }
}

fn failure(doing: &str, error: &std::io::Error) -> Failure {
    #[cfg(feature = "tls")]
    return crate::tls::tls_failure(doing, error);
    #[cfg(not(feature = "tls"))]
    crate::connect::io_failure(doing, error)
}

/// Finds the status of the final answer in a stream of bytes, however they are cut.
struct StatusReader {
    line: Vec<u8>,
    /// The status, while the rest of its head is skipped.
    status: Option<Status>,
    /// Whether to wait for the empty line after a final status.
    whole_head: bool,
    heard: usize,
}

/// Longest line in bytes that is looked at; a status line is far shorter.
const LINE_LIMIT: usize = 1024;

/// Most bytes up to the status, with all interim answers.
const HEAD_LIMIT: usize = 64 * 1024;

impl StatusReader {
    const fn until_status() -> Self {
        Self { line: Vec::new(), status: None, whole_head: false, heard: 0 }
    }

    #[cfg(feature = "tls")]
    const fn until_end_of_head() -> Self {
        Self { line: Vec::new(), status: None, whole_head: true, heard: 0 }
    }

    fn read(&mut self, bytes: &[u8]) -> Result<Option<Status>, Failure> {
        self.heard += bytes.len();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            self.keep(&rest[..end])?;
            rest = &rest[end + 1..];
            if let Some(status) = self.end_line()? {
                // In a tunnel nobody speaks before we do.
                return match rest {
                    [_, ..] if self.whole_head => Err(garbage("more than the answer to CONNECT")),
                    _ => Ok(Some(status)),
                };
            }
        }
        self.keep(rest)?;
        if self.heard > HEAD_LIMIT {
            return Err(garbage(format_args!("no final status within {HEAD_LIMIT} bytes")));
        }
        Ok(None)
    }

    fn end_line(&mut self) -> Result<Option<Status>, Failure> {
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let Some(status) = &self.status else {
            let Some(status) = Status::parse(&line) else { return Err(not_http(&line)) };
            // Interim answers, RFC 9110 §15.2, come before the one that counts; 101 would be the last.
            if !self.whole_head && !is_interim(&status) {
                return Ok(Some(status));
            }
            self.status = Some(status);
            return Ok(None);
        };
        if !line.is_empty() {
            return Ok(None);
        }
        let interim = is_interim(status);
        Ok(self.status.take().filter(|_| !interim))
    }

    /// Adds to the line. Of header lines that are skipped, it only matters whether they are empty.
    fn keep(&mut self, part: &[u8]) -> Result<(), Failure> {
        let room = LINE_LIMIT.saturating_sub(self.line.len());
        self.line.extend_from_slice(&part[..part.len().min(room)]);
        if self.status.is_none() && part.len() > room {
            return Err(not_http(&self.line));
        }
        // Garbage without line ends has been seen through as soon as it does not begin as it should.
        let begun = self.line.len().min(7);
        if self.status.is_none() && self.line[..begun] != b"HTTP/1."[..begun] {
            return Err(not_http(&self.line));
        }
        Ok(())
    }
}

const fn is_interim(status: &Status) -> bool {
    matches!(status.code, 100 | 102..=199)
}

fn not_http(line: &[u8]) -> Failure {
    let start = &line[..line.len().min(40)];
    garbage(format_args!("not an HTTP/1 status line: {:?}", String::from_utf8_lossy(start)))
}

fn garbage(what: impl std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Protocol, what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{FailureKind, StatusReader};

    fn read(mut reader: StatusReader, parts: &[&[u8]]) -> Result<Option<(u16, String)>, FailureKind> {
        for part in parts {
            match reader.read(part) {
                Ok(None) => {}
                Ok(Some(status)) => return Ok(Some((status.code, status.reason))),
                Err(failure) => return Err(failure.kind),
            }
        }
        Ok(None)
    }

    fn status(text: &str) -> Result<Option<(u16, String)>, FailureKind> {
        read(StatusReader::until_status(), &[text.as_bytes()])
    }

    #[test]
    fn status_lines() {
        assert_eq!(status("HTTP/1.1 200 OK\r\nX: y"), Ok(Some((200, "OK".into()))));
        assert_eq!(status("HTTP/1.0 404 Not Found\n"), Ok(Some((404, "Not Found".into()))));
        assert_eq!(status("HTTP/1.1 204\r\n"), Ok(Some((204, String::new()))));
        assert_eq!(status("HTTP/1.1 200 OK"), Ok(None), "the line has no end yet");
        assert_eq!(
            status("HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n"),
            Ok(Some((200, "OK".into())))
        );
    }

    #[test]
    fn garbage_is_seen_through() {
        for text in
            ["SSH-2.0-x\r\n", "HTTP/2.0 200 OK\r\n", "HTTP/1.1 20 OK\r\n", "HTTP/1.1 2000\r\n", "\r\n", "\0"]
        {
            assert_eq!(status(text), Err(FailureKind::Protocol), "{text:?}");
        }
        assert_eq!(status(&format!("HTTP/1.1 200 {}", "x".repeat(2000))), Err(FailureKind::Protocol));
        assert_eq!(status(&"HTTP/1.1 100 Continue\r\n\r\n".repeat(9999)), Err(FailureKind::Protocol));
        assert_eq!(
            status(&format!("HTTP/1.1 103 Hints\r\n{}", "A: b\r\n".repeat(20_000))),
            Err(FailureKind::Protocol)
        );
    }

    #[test]
    #[cfg(feature = "tls")]
    fn a_tunnel_begins_after_the_head() {
        let tunnel = |text: &str| read(StatusReader::until_end_of_head(), &[text.as_bytes()]);
        assert_eq!(tunnel("HTTP/1.1 200 Established\r\nVia: p\r\n"), Ok(None));
        assert_eq!(
            tunnel("HTTP/1.1 200 Established\r\nVia: p\r\n\r\n"),
            Ok(Some((200, "Established".into())))
        );
        assert_eq!(tunnel("HTTP/1.1 200 Established\r\n\r\n\x16"), Err(FailureKind::Protocol));
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(cuts in prop::collection::vec(1usize..12, 0..40)) {
            let text = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 503 Service Unavailable\r\n\r\n";
            let mut parts = Vec::new();
            let mut rest = &text[..];
            for cut in cuts {
                let (part, after) = rest.split_at(cut.min(rest.len()));
                parts.push(part);
                rest = after;
            }
            parts.push(rest);
            let status = read(StatusReader::until_status(), &parts);
            prop_assert_eq!(status, Ok(Some((503, "Service Unavailable".into()))));
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            let _ = read(StatusReader::until_status(), &[&bytes]);
            let _ = read(StatusReader::until_status(), &[b"HTTP/1.1 100 \r\n", &bytes]);
        }
    }
}
