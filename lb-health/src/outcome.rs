//! What one look saw.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What one look saw.
pub type Outcome = Result<Passed, Failure>;

/// The target is as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// What the target said, shortened, such as `200 OK`; empty when there is nothing to tell.
    pub detail: String,
    /// A number that the look came to, where its probe has one, such as the weight that a server asks for. What it
    /// means is for those who asked. Another number than the last time is news.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<i64>,
}

/// The target is not as it should be, or could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{kind}: {detail}")]
pub struct Failure {
    /// What class of failure.
    pub kind: FailureKind,
    /// What exactly, in at most [`Failure::DETAIL_LIMIT`] bytes of printable text.
    pub detail: String,
}

/// Class of a failed look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FailureKind {
    /// The connection was refused, or reset while it was set up.
    Refused,
    /// No network path.
    Unreachable,
    /// Not finished by the deadline.
    Timeout,
    /// The peer closed or reset before it had answered.
    Closed,
    /// An answer came, and it is not the expected one.
    WrongAnswer,
    /// What came is not the protocol.
    Protocol,
    /// TLS could not be set up: certificate, name or handshake.
    Tls,
    /// The credentials were refused.
    Denied,
    /// The check could not run because this host lacks something that comes back by itself: file descriptors, memory,
    /// ports, processes. Says nothing about the server, and counts neither way. Nothing that a server does may lead
    /// here, or it would stay in service for ever.
    Local,
    /// The check cannot run as it is set up: its program does not exist, a privilege is missing, a parameter has a line
    /// end. Counts as failed: nobody knows that the server is well.
    Misconfigured,
    /// The check panicked, which is a defect of this program that mostly the server's answer has set off. Counts as
    /// failed.
    Panicked,
    /// The operator has said so: `off`, maintenance.
    Administrative,
}

impl Failure {
    /// Longest detail in bytes.
    pub const DETAIL_LIMIT: usize = 256;

    /// A failure; control characters in `detail` are replaced and it is cut at the limit.
    pub fn new(kind: FailureKind, detail: impl fmt::Display) -> Self {
        Self { kind, detail: printable(&detail.to_string()) }
    }
}

impl Passed {
    /// The target is up and said this.
    pub fn with(detail: impl fmt::Display) -> Self {
        Self { detail: printable(&detail.to_string()), grade: None }
    }

    /// The same with a number.
    #[must_use]
    pub const fn graded(mut self, grade: i64) -> Self {
        self.grade = Some(grade);
        self
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Refused => "connection refused",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timed out",
            Self::Closed => "closed by the server",
            Self::WrongAnswer => "wrong answer",
            Self::Protocol => "protocol error",
            Self::Tls => "TLS failed",
            Self::Denied => "access denied",
            Self::Local => "check could not run",
            Self::Misconfigured => "check is set up wrong",
            Self::Panicked => "check panicked",
            Self::Administrative => "switched off",
        })
    }
}

/// Text from a peer, made fit for one log line.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(Failure::DETAIL_LIMIT));
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if out.len() + c.len_utf8() > Failure::DETAIL_LIMIT {
            break;
        }
        out.push(c);
    }
    out
}
