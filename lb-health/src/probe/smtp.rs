//! SMTP and submission: RFC 5321, STARTTLS: RFC 3207.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::script::{Dialogue, Reply, Stream};
use crate::{Failure, FailureKind, HealthCheck, Outcome, Passed, Security, Target};

/// Greeting, EHLO (HELO for a server that does not know it) and QUIT. Up if the server greets with 220 and answers
/// the hello with 250. Nothing is mailed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Smtp {
    /// In the clear (default), TLS from the first byte (port 465), or by STARTTLS.
    pub security: Security,
    /// The name we introduce ourselves with. Default `localhost`.
    pub hello: String,
}

impl Default for Smtp {
    fn default() -> Self {
        Self { security: Security::Plain, hello: "localhost".into() }
    }
}

#[async_trait]
impl HealthCheck for Smtp {
    fn kind(&self) -> &'static str {
        "smtp"
    }

    async fn check(&self, target: &Target) -> Outcome {
        let mut talk = Dialogue::open(&self.security, target).await?;
        let greeting = talk.reply().await?.expect(220..=220)?;
        let mut hello = self.hello(&mut talk).await?;
        if self.security.upgrades() {
            if !hello.announces("STARTTLS") {
                return Err(Failure::new(FailureKind::WrongAnswer, "the server does not offer STARTTLS"));
            }
            talk.exchange("STARTTLS").await?.expect(220..=220)?;
            talk = talk.secure(&self.security, target).await?;
            hello = self.hello(&mut talk).await?;
        }
        talk.farewell("QUIT").await;
        Ok(Passed::with(format_args!("{greeting}; {hello}")))
    }
}

impl Smtp {
    async fn hello(&self, talk: &mut Dialogue<Stream>) -> Result<Reply, Failure> {
        let reply = talk.exchange(&format!("EHLO {}", self.hello)).await?;
        let reply = match reply.code() {
            // Not known, not implemented, parameter not implemented: a server from before 1995.
            500 | 502 | 504 => talk.exchange(&format!("HELO {}", self.hello)).await?,
            _ => reply,
        };
        reply.expect(250..=250)
    }
}
