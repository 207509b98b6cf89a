//! POP3 and POP3S: RFC 1939, STLS: RFC 2595.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::script::{Dialogue, Stream};
use crate::{Failure, FailureKind, HealthCheck, Login, Outcome, Passed, Security, Target};

/// Greeting, USER and PASS if a login is given, and QUIT. Up if each is answered with `+OK`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pop {
    /// In the clear (default), TLS from the first byte (port 995), or by STLS.
    pub security: Security,
    /// Who logs in; nobody by default. A server may lock the mailbox for the time of the look.
    pub login: Option<Login>,
}

#[async_trait]
impl HealthCheck for Pop {
    fn kind(&self) -> &'static str {
        "pop"
    }

    async fn check(&self, target: &Target) -> Outcome {
        let mut talk = Dialogue::open(&self.security, target).await?;
        let mut answer = agreed(&mut talk, FailureKind::WrongAnswer).await?;
        if self.security.upgrades() {
            talk.send("STLS").await?;
            agreed(&mut talk, FailureKind::WrongAnswer).await?;
            talk = talk.secure(&self.security, target).await?;
        }
        if let Some(login) = &self.login {
            talk.send(&format!("USER {}", login.user)).await?;
            agreed(&mut talk, FailureKind::Denied).await?;
            talk.send(&format!("PASS {}", login.password.expose())).await?;
            answer = agreed(&mut talk, FailureKind::Denied).await?;
        }
        talk.farewell("QUIT").await;
        Ok(Passed::with(answer))
    }
}

/// The next line if it starts with `+OK`; `-ERR` is a failure of this kind.
async fn agreed(talk: &mut Dialogue<Stream>, refusal: FailureKind) -> Result<String, Failure> {
    let line = talk.line().await?;
    match line.split(' ').next() {
        Some("+OK") => Ok(line),
        Some("-ERR") => Err(talk.failure(refusal, line)),
        _ => Err(talk.failure(FailureKind::Protocol, format_args!("not POP3: {line}"))),
    }
}
