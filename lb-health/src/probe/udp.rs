//! Send a datagram, expect one back or at least no refusal.

#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::connect::{connect_datagram, io_failure};
use crate::script::ask;
use crate::{Failure, FailureKind, HealthCheck, Outcome, Passed, Pattern, Payload, Target};

/// Sends a datagram. With an expectation the target is up if an answer matches it; until one comes, the datagram is
/// sent again every second.
///
/// Without one, silence is taken for health: the target is down only if its host says that nobody listens on the
/// port (ICMP port unreachable). A host that is off, or a firewall that drops, looks healthy then; use it together
/// with another check, or expect an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Udp {
    /// What is sent; by default an empty datagram.
    pub request: Payload,
    /// What an answer has to match; `None` (default): silence will do.
    pub expect: Option<Pattern>,
    /// What else an answer has to be; `None` (default): anything. With it, silence will not do.
    pub reply: Option<Reply>,
    /// How long a refusal is waited for where silence will do. Default 500 ms; has to be less than the deadline of
    /// the look.
    pub silence: Duration,
}

/// What a datagram has to be, byte for byte: keepalived's `require_reply`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reply {
    /// Its first bytes, each with a mask of the bits that count. A shorter answer has to agree as far as it goes.
    pub bytes: Vec<(u8, u8)>,
    /// Fewest bytes. Default 0.
    pub shortest: usize,
    /// Most bytes. Default 255, as keepalived.
    pub longest: usize,
}

impl Default for Udp {
    fn default() -> Self {
        Self { request: Payload::default(), expect: None, reply: None, silence: Duration::from_millis(500) }
    }
}

impl Default for Reply {
    fn default() -> Self {
        Self { bytes: Vec::new(), shortest: 0, longest: 255 }
    }
}

#[async_trait]
impl HealthCheck for Udp {
    fn kind(&self) -> &'static str {
        "udp"
    }

    async fn check(&self, target: &Target) -> Outcome {
        if self.expect.is_none() && self.reply.is_none() {
            return self.not_refused(target).await;
        }
        ask(target, self.request.as_bytes(), |answer| Some(self.judge(answer))).await
    }
}

impl Udp {
    async fn not_refused(&self, target: &Target) -> Outcome {
        let socket = connect_datagram(target).await?;
        socket
            .send(self.request.as_bytes())
            .await
            .map_err(|error| io_failure("sending the request", &error))?;
        let mut answer = [0; Failure::DETAIL_LIMIT];
        match tokio::time::timeout(self.silence, socket.recv(&mut answer)).await {
            Ok(Ok(length)) => Ok(Passed::with(String::from_utf8_lossy(&answer[..length]))),
            Ok(Err(error)) => Err(io_failure("waiting for an answer", &error)),
            Err(_) => Ok(Passed::with("not refused")),
        }
    }

    fn judge(&self, answer: &[u8]) -> Outcome {
        if let Some(reply) = &self.reply {
            reply.judge(answer)?;
        }
        let text = String::from_utf8_lossy(answer);
        match &self.expect {
            Some(pattern) if !pattern.matches(answer)? => {
                let what = format!("the answer does not match /{pattern}/: {text}");
                Err(Failure::new(FailureKind::WrongAnswer, what))
            }
            _ => Ok(Passed::with(text)),
        }
    }
}

impl Reply {
    fn judge(&self, answer: &[u8]) -> Result<(), Failure> {
        let wrong = |what: std::fmt::Arguments<'_>| Err(Failure::new(FailureKind::WrongAnswer, what));
        let (length, Self { shortest, longest, .. }) = (answer.len(), self);
        if !(*shortest..=*longest).contains(&length) {
            return wrong(format_args!("the answer has {length} bytes, not {shortest} to {longest}"));
        }
        let differs = |(byte, (wanted, mask)): (&u8, &(u8, u8))| (byte ^ wanted) & mask != 0;
        match answer.iter().zip(&self.bytes).position(differs) {
            Some(at) => wrong(format_args!("byte {at} of the answer is {:#04x}", answer[at])),
            None => Ok(()),
        }
    }
}
