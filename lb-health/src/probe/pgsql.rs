//! PostgreSQL: protocol 3.0, <https://www.postgresql.org/docs/current/protocol.html>.

#[cfg(test)]
mod tests;

use std::error::Error as _;
use std::io;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, Error, NoTls, SimpleQueryMessage};

use crate::script::{Dialogue, Stream, lost};
use crate::{
    Failure, FailureKind, HealthCheck, Login, Outcome, Passed, Security, Target, aside,
    bounded::{Allowance, Bounded},
};

/// Logs in and runs a query. Up if that gives at least one row. Without a login, up if the server answers to the
/// question whether it speaks TLS, which shows that its postmaster is alive and not more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pgsql {
    /// In the clear (default), or TLS by the protocol's own request; TLS never comes first here.
    pub security: Security,
    /// Who logs in; nobody by default. Passwords are sent as the server asks: SCRAM-SHA-256, MD5, or in the clear.
    pub login: Option<Login>,
    /// Database; by default the one that bears the user's name.
    pub database: Option<String>,
    /// The query. Default `SELECT 1`. What the server sends may have 256 KiB in all.
    pub query: String,
}

impl Default for Pgsql {
    fn default() -> Self {
        Self { security: Security::Plain, login: None, database: None, query: "SELECT 1".into() }
    }
}

/// The most that is read from a server, in bytes.
const MAX_READ: usize = 256 * 1024;

/// Length, and the code that no version of the protocol has.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

#[async_trait]
impl HealthCheck for Pgsql {
    fn kind(&self) -> &'static str {
        "pgsql"
    }

    async fn check(&self, target: &Target) -> Outcome {
        self.security.without_direct("PostgreSQL")?;
        let mut talk = Dialogue::open(&self.security, target).await?;
        if self.security.upgrades() || self.login.is_none() {
            talk = self.request_tls(talk, target).await?;
        }
        match &self.login {
            None => Ok(Passed::with("speaks PostgreSQL")),
            Some(login) => {
                let stream = Bounded::new(talk.into_stream()?, Allowance::new(MAX_READ));
                // The server says how often SCRAM hashes the password; the library takes up to 100,000 times.
                aside::drive(query(self.config(login), stream, self.query.clone())).await?
            }
        }
    }
}

impl Pgsql {
    /// Asks for TLS; starts it if it is wanted.
    async fn request_tls(
        &self,
        mut talk: Dialogue<Stream>,
        target: &Target,
    ) -> Result<Dialogue<Stream>, Failure> {
        talk.send_bytes("the request for TLS", &SSL_REQUEST).await?;
        match talk.bytes(1).await?[0] {
            b'S' if self.security.upgrades() => talk.secure(&self.security, target).await,
            b'N' if self.security.upgrades() => {
                Err(talk.failure(FailureKind::WrongAnswer, "the server does not offer TLS"))
            }
            b'S' | b'N' => Ok(talk),
            b'E' => Err(talk.failure(FailureKind::WrongAnswer, "an error; the server takes no connections")),
            byte => Err(talk.failure(FailureKind::Protocol, format_args!("not PostgreSQL: {byte:#04x}"))),
        }
    }

    fn config(&self, login: &Login) -> Config {
        let mut config = Config::new();
        // What is below is encrypted already where it should be.
        config.ssl_mode(SslMode::Disable).application_name("lb-health");
        config.user(&login.user).password(login.password.expose());
        config.dbname(self.database.as_ref().unwrap_or(&login.user));
        config
    }
}

/// Logs in and runs the query.
async fn query(config: Config, stream: Bounded<Stream>, text: String) -> Outcome {
    let connected = config.connect_raw(stream, NoTls).await;
    let (client, connection) = connected.map_err(|error| failure("logging in", &error))?;
    // The client's end makes the connection say goodbye and end; its own end makes the query fail.
    let query = async {
        let answer = client.simple_query(&text).await;
        drop(client);
        answer
    };
    let answer = match tokio::join!(query, connection) {
        (Ok(answer), _) => answer,
        // "Closed" is all that the query knows of what has befallen the connection.
        (Err(closed), Err(lost)) if closed.is_closed() => {
            return Err(failure("running the query", &lost));
        }
        (Err(error), _) => return Err(failure("running the query", &error)),
    };
    let mut rows = answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    match rows.next() {
        None => Err(Failure::new(FailureKind::WrongAnswer, "the query gives no row")),
        // Row and column exist, or there is no value to show.
        Some(first) if first.is_empty() => Ok(Passed::with("a row without columns")),
        Some(first) => {
            let value = first.try_get(0).ok().flatten().unwrap_or("NULL");
            Ok(Passed::with(format_args!("{value} ({} rows)", 1 + rows.count())))
        }
    }
}

fn failure(doing: &str, error: &Error) -> Failure {
    if let Some(error) = error.as_db_error() {
        let denied = [
            SqlState::INVALID_PASSWORD,
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            SqlState::INSUFFICIENT_PRIVILEGE,
        ];
        let is_denied = denied.contains(error.code());
        let kind = if is_denied { FailureKind::Denied } else { FailureKind::WrongAnswer };
        return Failure::new(kind, format_args!("{doing}: {} ({})", error.message(), error.code().code()));
    }
    if error.is_closed() {
        return Failure::new(FailureKind::Closed, doing);
    }
    let source = error.source();
    match source.and_then(|source| source.downcast_ref::<io::Error>()) {
        // The library's own word for an end of the stream within the login.
        Some(io) if io.kind() != io::ErrorKind::Other && io.kind() != io::ErrorKind::InvalidInput => {
            lost(doing, io)
        }
        _ => {
            let why = source.map(|source| format!(": {source}")).unwrap_or_default();
            Failure::new(FailureKind::Protocol, format_args!("{doing}: {error}{why}"))
        }
    }
}
