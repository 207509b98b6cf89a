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
    /// How long a refusal is waited for where silence will do. Default 500 ms; has to be less than the deadline of
    /// the look.
    pub silence: Duration,
}

impl Default for Udp {
    fn default() -> Self {
        Self { request: Payload::default(), expect: None, silence: Duration::from_millis(500) }
    }
}

#[async_trait]
impl HealthCheck for Udp {
    fn kind(&self) -> &'static str {
        "udp"
    }

    async fn check(&self, target: &Target) -> Outcome {
        match &self.expect {
            Some(pattern) => {
                ask(target, self.request.as_bytes(), |answer| Some(judge(pattern, answer))).await
            }
            None => self.not_refused(target).await,
        }
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
}

fn judge(pattern: &Pattern, answer: &[u8]) -> Outcome {
    let answer = String::from_utf8_lossy(answer);
    if pattern.matches(&answer)? {
        Ok(Passed::with(answer))
    } else {
        let what = format_args!("the answer does not match /{pattern}/: {answer}").to_string();
        Err(Failure::new(FailureKind::WrongAnswer, what))
    }
}
