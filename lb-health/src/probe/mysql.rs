//! MySQL and MariaDB: <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>.

mod auth;
mod public_key;
#[cfg(test)]
mod tests;
mod wire;

use async_trait::async_trait;
use mysql_common::constants::CapabilityFlags;
use mysql_common::packets::{HandshakePacket, SslRequest};
use serde::{Deserialize, Serialize};

use crate::script::Dialogue;
use crate::{FailureKind, HealthCheck, Login, Outcome, Passed, Security, Target};
use wire::Wire;

/// Logs in and runs a query. Up if that gives at least one row.
///
/// Without a login, up if the server greets; one with too many connections greets with an error, and is down. To
/// the server this is a connection that was given up, and it blocks hosts with `max_connect_errors` (default 100) of
/// those in a row: better give a login, which needs no privileges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mysql {
    /// In the clear (default), or TLS by the protocol's own request; TLS never comes first here.
    pub security: Security,
    /// Who logs in; nobody by default. Of the server's plug-ins, `mysql_native_password` and `caching_sha2_password`
    /// are known, and over TLS `mysql_clear_password` and `sha256_password`. In the clear, `caching_sha2_password`
    /// takes the server's public key on trust when it has not cached the password.
    pub login: Option<Login>,
    /// Database; none by default.
    pub database: Option<String>,
    /// The query. Default `SELECT 1`.
    pub query: String,
}

impl Default for Mysql {
    fn default() -> Self {
        Self { security: Security::Plain, login: None, database: None, query: "SELECT 1".into() }
    }
}

/// Largest packet we say that we take, in bytes.
const MAX_PACKET: u32 = 1 << 24;

#[async_trait]
impl HealthCheck for Mysql {
    fn kind(&self) -> &'static str {
        "mysql"
    }

    async fn check(&self, target: &Target) -> Outcome {
        self.security.without_direct("MySQL")?;
        let mut wire = Wire::new(Dialogue::open(&self.security, target).await?);
        let greeting = wire.packet().await?;
        let server = handshake(&greeting).map_err(|(kind, what)| wire.failure(kind, what))?;
        let version = server.server_version_str().into_owned();
        let Some(login) = &self.login else {
            return Ok(Passed::with(version));
        };
        if self.security.upgrades() {
            if !server.capabilities().contains(CapabilityFlags::CLIENT_SSL) {
                return Err(wire.failure(FailureKind::WrongAnswer, "the server does not offer TLS"));
            }
            let request = SslRequest::new(self.capabilities(), MAX_PACKET, auth::CHARACTER_SET);
            wire.send("the request for TLS", &request).await?;
            wire = wire.secure(&self.security, target).await?;
        }
        auth::log_in(&mut wire, &server, login, self.database.as_deref(), self.capabilities()).await?;
        let value = wire.first_value(&self.query).await;
        wire.quit().await;
        Ok(Passed::with(format_args!("{version}: {}", value?)))
    }
}

impl Mysql {
    /// What we say that we can.
    fn capabilities(&self) -> CapabilityFlags {
        let mut capabilities = CapabilityFlags::CLIENT_PROTOCOL_41
            | CapabilityFlags::CLIENT_SECURE_CONNECTION
            | CapabilityFlags::CLIENT_LONG_PASSWORD
            | CapabilityFlags::CLIENT_TRANSACTIONS
            | CapabilityFlags::CLIENT_PLUGIN_AUTH;
        capabilities.set(CapabilityFlags::CLIENT_CONNECT_WITH_DB, self.database.is_some());
        capabilities.set(CapabilityFlags::CLIENT_SSL, self.security.upgrades());
        capabilities
    }
}

/// The server's greeting, or what it means instead.
fn handshake(greeting: &[u8]) -> Result<HandshakePacket<'_>, (FailureKind, String)> {
    match greeting.first() {
        Some(0xff) => return Err(wire::server_error(greeting)),
        Some(10) => {}
        _ => return Err((FailureKind::Protocol, "not MySQL".into())),
    }
    // The length of the challenge is a byte that the parser takes for a signed one, and 128 less 8 overflows there.
    let version = greeting.iter().position(|byte| *byte == 0);
    let is_sane = version.and_then(|end| greeting.get(end + 21)).is_some_and(|length| *length < 128);
    let packet = if is_sane { wire::parse(greeting).ok() } else { None };
    let packet: HandshakePacket<'_> = packet.ok_or((FailureKind::Protocol, "a malformed greeting".into()))?;
    if packet.capabilities().contains(CapabilityFlags::CLIENT_PROTOCOL_41) {
        Ok(packet)
    } else {
        Err((FailureKind::Protocol, "a server from before MySQL 4.1".into()))
    }
}
