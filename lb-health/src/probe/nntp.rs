//! NNTP: RFC 3977, STARTTLS: RFC 4642.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::script::Dialogue;
use crate::{HealthCheck, Outcome, Passed, Security, Target};

/// Greeting and QUIT. Up if the server greets with 200 (posting allowed) or 201 (reading only).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nntp {
    /// In the clear (default), TLS from the first byte (port 563), or by STARTTLS.
    pub security: Security,
}

#[async_trait]
impl HealthCheck for Nntp {
    fn kind(&self) -> &'static str {
        "nntp"
    }

    async fn check(&self, target: &Target) -> Outcome {
        let mut talk = Dialogue::open(&self.security, target).await?;
        let greeting = talk.reply().await?.expect(200..=201)?;
        if self.security.upgrades() {
            talk.exchange("STARTTLS").await?.expect(382..=382)?;
            talk = talk.secure(&self.security, target).await?;
        }
        talk.farewell("QUIT").await;
        Ok(Passed::with(greeting))
    }
}
