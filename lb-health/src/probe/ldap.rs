//! LDAP and LDAPS: RFC 4511.
//!
//! Bind, search and unbind are encoded here, in a few lines, instead of by a client library: the one that could have
//! served (`ldap3` 0.12) panics when a server sends the two bytes `30 00`, and recurses as deep as a server nests.

mod message;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::script::{Dialogue, Stream};
use crate::{Failure, FailureKind, HealthCheck, Login, Outcome, Passed, Pattern, Security, Target};
use message::{Operation, Session};

/// Binds, anonymously or as someone, and looks up one entry. Up if there is exactly one and its name matches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ldap {
    /// In the clear (default), TLS from the first byte (port 636), or by StartTLS.
    pub security: Security,
    /// Who binds (simple authentication): a distinguished name and a password, which must not be empty. By default
    /// the bind is anonymous.
    pub login: Option<Login>,
    /// Name of the entry that is looked up (scope base, filter `(objectClass=*)`). By default empty, the root DSE,
    /// which every server has.
    pub base: String,
    /// What the entry's name has to match; anything by default.
    pub expect: Option<Pattern>,
}

#[async_trait]
impl HealthCheck for Ldap {
    fn kind(&self) -> &'static str {
        "ldap"
    }

    async fn check(&self, target: &Target) -> Outcome {
        let (name, password) = match &self.login {
            None => ("", ""),
            Some(login) if login.user.is_empty() || login.password.expose().is_empty() => {
                let what =
                    "a name or a password is empty, which would be an anonymous bind (RFC 4513 section 5.1)";
                return Err(Failure::new(FailureKind::Misconfigured, what));
            }
            Some(login) => (login.user.as_str(), login.password.expose()),
        };
        let mut session = Session::new(Dialogue::open(&self.security, target).await?);
        if self.security.upgrades() {
            session.ask(Operation::start_tls()).await?.expect_success()?;
            session = Session::new(session.into_dialogue().secure(&self.security, target).await?);
        }
        session.ask(Operation::bind(name, password)).await?.expect_success()?;
        let entry = self.look_up(&mut session).await?;
        session.unbind().await;
        Ok(Passed::with(if entry.is_empty() { "root DSE".into() } else { entry }))
    }
}

impl Ldap {
    /// The name of the one entry.
    async fn look_up(&self, session: &mut Session<Stream>) -> Result<String, Failure> {
        let mut answer = session.ask(Operation::look_up(&self.base)).await?;
        let mut entries = Vec::new();
        while let Some(name) = answer.entry()? {
            entries.push(name);
            answer = session.answer().await?;
        }
        answer.expect_success()?;
        let wrong = |what: String| Err(Failure::new(FailureKind::WrongAnswer, what));
        match (&entries[..], &self.expect) {
            ([entry], Some(pattern)) if !pattern.matches_aside(entry.as_bytes().into()).await? => {
                wrong(format!("the entry {entry} does not match /{pattern}/"))
            }
            ([entry], _) => Ok(entry.clone()),
            _ => wrong(format!("{} entries, expected one", entries.len())),
        }
    }
}
