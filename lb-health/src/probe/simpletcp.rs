//! Send something over TCP, expect something back: ldirectord's `simpletcp`.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::script::{Dialogue, Stream, text};
use crate::{Failure, FailureKind, HealthCheck, Outcome, Passed, Pattern, Payload, Security, Target};

/// Sends the request and compares what comes back. Up as soon as it matches; the server need not close.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimpleTcp {
    /// In the clear (default) or TLS from the first byte; there is no command to start it later.
    pub security: Security,
    /// What is sent; by default nothing, for servers that speak first.
    pub request: Payload,
    /// Whether our sending side is closed after the request, as ldirectord does. Default false, as not all servers
    /// answer a client that has half closed.
    pub half_close: bool,
    /// What has to come. Without it, a line of any text will do, an empty one too.
    pub expect: Option<Pattern>,
    /// Compare with the answer as a whole, up to 1 MiB of it, once the server has closed. Default false: with each
    /// line as it comes, its end (`\n` or `\r\n`) included, as ldirectord does.
    pub whole: bool,
}

/// The most that is read of an answer, in bytes. Each of its lines is compared, however short.
const MAX_ANSWER: usize = 1 << 20;

#[async_trait]
impl HealthCheck for SimpleTcp {
    fn kind(&self) -> &'static str {
        "simpletcp"
    }

    async fn check(&self, target: &Target) -> Outcome {
        self.security.without_upgrade("simpletcp")?;
        let mut talk = Dialogue::with_limit(self.security.open(target).await?, MAX_ANSWER);
        if !self.request.is_empty() {
            talk.send_bytes("the request", self.request.as_bytes()).await?;
        }
        if self.half_close {
            talk.finish_sending().await?;
        }
        if self.whole { self.whole(talk).await } else { self.by_line(talk).await }
    }
}

impl SimpleTcp {
    async fn by_line(&self, mut talk: Dialogue<Stream>) -> Outcome {
        let mut last = None;
        while let Some(line) = talk.line_or_end().await? {
            // Lines that have come already are read without waiting.
            tokio::task::yield_now().await;
            if self.is_expected(&line).await? {
                return Ok(Passed::with(text(&line)));
            }
            last = Some(line);
        }
        match last {
            None => Err(talk.failure(FailureKind::Closed, "")),
            Some(line) => Err(talk.failure(
                FailureKind::WrongAnswer,
                format_args!("no line matches /{}/, the last is: {}", self.wanted(), text(&line)),
            )),
        }
    }

    async fn whole(&self, mut talk: Dialogue<Stream>) -> Outcome {
        let (answer, _) = talk.rest().await?;
        if answer.is_empty() {
            Err(talk.failure(FailureKind::Closed, ""))
        } else if self.is_expected(&answer).await? {
            Ok(Passed::with(text(&answer)))
        } else {
            let what = format!("the answer does not match /{}/: {}", self.wanted(), text(&answer));
            Err(talk.failure(FailureKind::WrongAnswer, what))
        }
    }

    async fn is_expected(&self, answer: &[u8]) -> Result<bool, Failure> {
        match &self.expect {
            Some(pattern) => pattern.matches_aside(answer.into()).await,
            None => Ok(true),
        }
    }

    fn wanted(&self) -> &str {
        self.expect.as_ref().map_or("", Pattern::as_str)
    }
}
