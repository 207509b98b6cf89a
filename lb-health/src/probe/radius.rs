//! RADIUS: RFC 2865, Message-Authenticator: RFC 3579.

mod packet;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::script::ask;
use crate::{Failure, FailureKind, HealthCheck, Login, Outcome, Passed, Secret, Target};
use packet::{Answer, Request};

/// Sends an Access-Request with a password (PAP) and a Message-Authenticator, again every second until an answer
/// comes. Up if that is an Access-Accept that bears the shared secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Radius {
    /// Secret that the server shares with us. Empty by default.
    pub secret: Secret,
    /// Who asks for access. Name at most 253 bytes, password at most 128.
    pub login: Login,
    /// What we call ourselves (NAS-Identifier), at most 253 bytes; `lb-health` if empty, the default.
    pub nas: String,
    /// Whether an answer without a Message-Authenticator is refused. Default false: then the MD5 of RFC 2865 alone
    /// has to be right, which someone on the path can forge (CVE-2024-3596).
    pub require_message_authenticator: bool,
}

#[async_trait]
impl HealthCheck for Radius {
    fn kind(&self) -> &'static str {
        "radius"
    }

    async fn check(&self, target: &Target) -> Outcome {
        let nas = if self.nas.is_empty() { "lb-health" } else { &self.nas };
        let request = Request::new(&self.secret, &self.login, nas)?;
        let answer = ask(target, request.as_bytes(), |datagram| request.read(datagram).transpose()).await?;
        self.judge(&answer)
    }
}

impl Radius {
    fn judge(&self, answer: &Answer) -> Outcome {
        let said = answer.message.as_ref().map_or(String::new(), |message| format!(": {message}"));
        if self.require_message_authenticator && !answer.has_message_authenticator {
            return Err(Failure::new(FailureKind::Protocol, "the answer has no Message-Authenticator"));
        }
        match answer.code {
            packet::ACCEPT => Ok(Passed::with(format_args!("Access-Accept{said}"))),
            packet::REJECT => Err(Failure::new(FailureKind::Denied, format_args!("Access-Reject{said}"))),
            packet::CHALLENGE => {
                Err(Failure::new(FailureKind::WrongAnswer, format_args!("Access-Challenge{said}")))
            }
            code => Err(Failure::new(FailureKind::Protocol, format_args!("an answer of code {code}"))),
        }
    }
}
