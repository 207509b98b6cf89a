//! Redis, Valkey and what else speaks RESP: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::script::{Dialogue, Stream};
use crate::{Failure, FailureKind, HealthCheck, Login, Outcome, Passed, Security, Target};

/// AUTH if a login is given, PING, and ROLE if one is expected. Up if the server answers `PONG` and is what it
/// should be. A server that is still loading its data answers `LOADING` and is down.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redis {
    /// In the clear (default) or TLS from the first byte; there is no command to start it later.
    pub security: Security,
    /// Who logs in; nobody by default. An empty user is the default user, which servers before version 6 need.
    pub login: Option<Login>,
    /// The role that the server must have in its replication; any by default.
    pub role: Option<Role>,
}

/// What a server is in a replicated set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Takes writes.
    Master,
    /// Follows a master; `slave` in the protocol.
    Replica,
    /// Watches over masters.
    Sentinel,
}

#[async_trait]
impl HealthCheck for Redis {
    fn kind(&self) -> &'static str {
        "redis"
    }

    async fn check(&self, target: &Target) -> Outcome {
        self.security.without_upgrade("redis")?;
        let mut talk = Dialogue::open(&self.security, target).await?;
        if let Some(Login { user, password }) = &self.login {
            let (user, password) = (user.as_str(), password.expose());
            let words: &[&str] =
                if user.is_empty() { &["AUTH", password] } else { &["AUTH", user, password] };
            command(&mut talk, words).await?;
        }
        let mut answer = command(&mut talk, &["PING"]).await?;
        if answer != "+PONG" {
            return Err(talk.failure(FailureKind::WrongAnswer, answer));
        }
        if let Some(role) = self.role {
            answer = expect_role(&mut talk, role).await?;
        }
        talk.farewell("QUIT").await;
        Ok(Passed::with(answer.trim_start_matches('+')))
    }
}

/// The answer to ROLE is an array; its first element is the name.
async fn expect_role(talk: &mut Dialogue<Stream>, role: Role) -> Result<String, Failure> {
    let wanted = match role {
        Role::Master => "master",
        Role::Replica => "slave",
        Role::Sentinel => "sentinel",
    };
    let array = command(talk, &["ROLE"]).await?;
    if !array.starts_with('*') || !talk.line().await?.starts_with('$') {
        return Err(talk.failure(FailureKind::Protocol, "not an array of strings"));
    }
    let actual = talk.line().await?;
    if actual == wanted {
        Ok(format!("PONG; {actual}"))
    } else {
        Err(talk.failure(FailureKind::WrongAnswer, format_args!("the role is {actual}, expected {wanted}")))
    }
}

/// Sends a command and takes the first line of its answer; an error in it is a failure.
async fn command(talk: &mut Dialogue<Stream>, words: &[&str]) -> Result<String, Failure> {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    talk.send_bytes(words[0], request.as_bytes()).await?;
    let line = talk.line().await?;
    match line.as_bytes().first() {
        Some(b'+' | b'*') => Ok(line),
        Some(b'-') => {
            let denied = ["-NOAUTH", "-WRONGPASS", "-NOPERM", "-DENIED"];
            let is_denied = words[0] == "AUTH" || denied.iter().any(|code| line.starts_with(code));
            let kind = if is_denied { FailureKind::Denied } else { FailureKind::WrongAnswer };
            Err(talk.failure(kind, &line[1..]))
        }
        _ => Err(talk.failure(FailureKind::Protocol, format_args!("not an answer of Redis: {line}"))),
    }
}
