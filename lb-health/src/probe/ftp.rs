//! FTP: RFC 959, EPSV: RFC 2428, TLS: RFC 4217.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::script::{Dialogue, MAX_BODY, Stream};
use crate::{Failure, FailureKind, HealthCheck, Login, Outcome, Passed, Pattern, Security, Target};

/// Logs in, and retrieves a file if one is named. Up if the server lets the user in, sends the file in full and the
/// file matches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ftp {
    /// In the clear (default), TLS from the first byte (port 990), or by AUTH TLS. With TLS, files are protected too.
    pub security: Security,
    /// Who logs in. Default `anonymous` with the password `anonymous@`.
    pub login: Login,
    /// The file to retrieve; none by default.
    pub path: Option<String>,
    /// What the file's first 16 MiB have to match; anything by default.
    pub expect: Option<Pattern>,
}

impl Default for Ftp {
    fn default() -> Self {
        let login = Login::new("anonymous", "anonymous@");
        Self { security: Security::Plain, login, path: None, expect: None }
    }
}

#[async_trait]
impl HealthCheck for Ftp {
    fn kind(&self) -> &'static str {
        "ftp"
    }

    async fn check(&self, target: &Target) -> Outcome {
        let mut talk = Dialogue::open(&self.security, target).await?;
        talk.reply().await?.expect(220..=220)?;
        if self.security.upgrades() {
            talk.exchange("AUTH TLS").await?.expect(234..=234)?;
            talk = talk.secure(&self.security, target).await?;
        }
        let mut answer = talk.exchange(&format!("USER {}", self.login.user)).await?;
        if answer.code() == 331 {
            answer = talk.exchange(&format!("PASS {}", self.login.password.expose())).await?;
        }
        let mut detail = answer.expect(230..=230)?.to_string();
        if let Some(path) = &self.path {
            detail = self.retrieve(&mut talk, path, target).await?;
        }
        talk.farewell("QUIT").await;
        Ok(Passed::with(detail))
    }
}

impl Ftp {
    async fn retrieve(
        &self,
        talk: &mut Dialogue<Stream>,
        path: &str,
        target: &Target,
    ) -> Result<String, Failure> {
        if self.security.is_secure() {
            talk.exchange("PBSZ 0").await?.expect(200..=200)?;
            talk.exchange("PROT P").await?.expect(200..=200)?;
        }
        talk.exchange("TYPE I").await?.expect(200..=200)?;
        // The file comes from where the answers come from: an address in the answer to PASV could send us anywhere.
        let mut data = target.clone();
        data.address.set_port(passive_port(talk).await?);
        let mut stream: Stream = Box::new(crate::connect::connect(&data).await?);
        talk.exchange(&format!("RETR {path}")).await?.expect(125..=150)?;
        stream = self.security.secure(stream, target).await?;
        let (content, complete) = Dialogue::with_limit(stream, MAX_BODY).rest().await?;
        if complete {
            talk.reply().await?.expect(226..=250)?;
        }
        match &self.expect {
            Some(pattern) if !pattern.matches_aside((&content).into()).await? => Err(Failure::new(
                FailureKind::WrongAnswer,
                format_args!("{path} does not match /{pattern}/: {}", String::from_utf8_lossy(&content)),
            )),
            _ => Ok(format!("{path}: {} bytes", content.len())),
        }
    }
}

/// The port that the server listens on for us.
async fn passive_port(talk: &mut Dialogue<Stream>) -> Result<u16, Failure> {
    let extended = talk.exchange("EPSV").await?;
    let (reply, port) = if extended.code() == 229 {
        let port = extended_port(&extended.to_string());
        (extended, port)
    } else {
        let passive = talk.exchange("PASV").await?.expect(227..=227)?;
        let port = classic_port(&passive.to_string());
        (passive, port)
    };
    port.ok_or_else(|| talk.failure(FailureKind::Protocol, format_args!("no port in: {reply}")))
}

/// `229 Entering Extended Passive Mode (|||6446|)`; the bar may be any character.
fn extended_port(reply: &str) -> Option<u16> {
    let (_, inside) = reply.split_once('(')?;
    let bar = inside.chars().next()?;
    let port = inside.split(bar).nth(3)?;
    port.parse().ok().filter(|port| *port != 0)
}

/// `227 Entering Passive Mode (h1,h2,h3,h4,p1,p2)`; some servers leave out the brackets.
fn classic_port(reply: &str) -> Option<u16> {
    let start = reply.get(4..)?.find(|c: char| c.is_ascii_digit())? + 4;
    let numbers: Vec<u8> = reply[start..]
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|number| number.parse().ok())
        .take(6)
        .collect();
    match numbers[..] {
        [_, _, _, _, high, low] => Some(u16::from_be_bytes([high, low])).filter(|port| *port != 0),
        _ => None,
    }
}
