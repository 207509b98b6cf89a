//! IMAP and IMAPS: RFC 9051 (and 3501).

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::script::{Dialogue, Stream};
use crate::{Failure, FailureKind, HealthCheck, Login, Outcome, Passed, Security, Target};

/// Greeting, LOGIN if a login is given, and LOGOUT. Up if the server greets with `OK` (or `PREAUTH`) and lets the
/// user in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Imap {
    /// In the clear (default), TLS from the first byte (port 993), or by STARTTLS.
    pub security: Security,
    /// Who logs in; nobody by default. Name and password are sent as quoted strings, so many servers take ASCII only.
    pub login: Option<Login>,
}

#[async_trait]
impl HealthCheck for Imap {
    fn kind(&self) -> &'static str {
        "imap"
    }

    async fn check(&self, target: &Target) -> Outcome {
        let mut talk = Dialogue::open(&self.security, target).await?;
        let mut answer = talk.line().await?;
        match answer.strip_prefix("* ").and_then(first_word) {
            Some("OK" | "PREAUTH") => {}
            Some("BYE") => return Err(talk.failure(FailureKind::WrongAnswer, answer)),
            _ => return Err(talk.failure(FailureKind::Protocol, format_args!("not IMAP: {answer}"))),
        }
        if self.security.upgrades() {
            command(&mut talk, "STARTTLS", "", FailureKind::WrongAnswer).await?;
            talk = talk.secure(&self.security, target).await?;
        }
        if let Some(Login { user, password }) = &self.login {
            let credentials = format!(" {} {}", quoted(user), quoted(password.expose()));
            answer = command(&mut talk, "LOGIN", &credentials, FailureKind::Denied).await?;
        }
        talk.farewell("z LOGOUT").await;
        Ok(Passed::with(answer))
    }
}

/// Gives a command and waits for its own answer; `NO` is a failure of this kind.
async fn command(
    talk: &mut Dialogue<Stream>,
    name: &str,
    arguments: &str,
    refusal: FailureKind,
) -> Result<String, Failure> {
    if arguments.contains(['\r', '\n', '\0']) {
        return Err(Failure::new(FailureKind::Misconfigured, "the login contains a line end"));
    }
    talk.send_bytes(name, format!("a {name}{arguments}\r\n").as_bytes()).await?;
    loop {
        let line = talk.line().await?;
        match line.split_once(' ') {
            Some(("*", rest)) if first_word(rest) == Some("BYE") => {
                return Err(talk.failure(FailureKind::WrongAnswer, line));
            }
            Some(("*", _)) => {}
            Some(("a", rest)) => match first_word(rest) {
                Some("OK") => return Ok(line),
                Some("NO") => return Err(talk.failure(refusal, line)),
                _ => return Err(talk.failure(FailureKind::WrongAnswer, line)),
            },
            _ => return Err(talk.failure(FailureKind::Protocol, format_args!("not IMAP: {line}"))),
        }
    }
}

fn first_word(text: &str) -> Option<&str> {
    text.split(' ').next()
}

/// A quoted string, RFC 9051 section 4.3.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
