//! The login: what the server's plug-ins ask, and what we answer.

use mysql_common::auth::plugins::{AuthProc, ChallengeResponsePlugin, Context, Response};
use mysql_common::constants::CapabilityFlags;
use mysql_common::packets::{AuthPlugin, AuthSwitchRequest, HandshakePacket, HandshakeResponse};

use super::wire::{Wire, parse};
use super::{MAX_PACKET, public_key::Key};
use crate::{Failure, FailureKind, Login, aside};

/// `utf8mb4_general_ci`, which every server since MySQL 5.5.3 and MariaDB 5.5 knows.
pub(super) const CHARACTER_SET: u8 = 45;

/// Packets that a login may take; it takes six with the plug-ins that we know.
const MAX_PACKETS: usize = 10;

/// Answers the greeting and what comes after it, until the server lets us in.
pub(super) async fn log_in(
    wire: &mut Wire,
    server: &HandshakePacket<'_>,
    login: &Login,
    database: Option<&str>,
    capabilities: CapabilityFlags,
) -> Result<(), Failure> {
    let mut nonce = server.nonce();
    // With a plug-in that we do not know we say which one we do; the server then asks us to switch to the one that
    // the account has.
    let preferred = server.auth_plugin().filter(|plugin| is_known(plugin, wire.is_secure));
    let mut plugin = preferred.unwrap_or(AuthPlugin::MysqlNativePassword).into_owned();
    let mut exchange = Exchange::start(&plugin, wire, login, nonce.clone())?;
    let response = exchange.answer(wire, &nonce).await?.unwrap_or_default();
    let user = Some(login.user.as_bytes());
    let packet = HandshakeResponse::new(
        Some(response),
        (5, 5, 3),
        user,
        database.map(str::as_bytes),
        Some(plugin.borrow()),
        capabilities,
        None,
        MAX_PACKET,
    );
    wire.send("the login", &packet).await?;

    for _ in 0..MAX_PACKETS {
        let packet = wire.packet().await?;
        let answer = match packet.first() {
            Some(0x00) => return Ok(()),
            Some(0xff) => return Err(wire.server_failure(&packet)),
            Some(0xfe) if packet.len() > 1 => {
                let malformed = |_| wire.failure(FailureKind::Protocol, "a malformed request to switch");
                let request: AuthSwitchRequest<'_> = parse(&packet).map_err(malformed)?;
                plugin = request.auth_plugin().into_owned();
                nonce = request.plugin_data().to_vec();
                exchange = Exchange::start(&plugin, wire, login, nonce.clone())?;
                // There must be an answer to this, even an empty one.
                Some(exchange.answer(wire, &nonce).await?.unwrap_or_default())
            }
            Some(0x01) => exchange.answer(wire, &packet[1..]).await?,
            _ => return Err(wire.failure(FailureKind::Protocol, "an unknown step of the login")),
        };
        if let Some(answer) = answer {
            wire.send_bytes("the login", &answer).await?;
        }
    }
    Err(wire.failure(FailureKind::Protocol, "an endless login"))
}

/// Plug-ins that do not tell the password to who listens.
fn is_known(plugin: &AuthPlugin<'_>, is_secure: bool) -> bool {
    match plugin {
        AuthPlugin::MysqlNativePassword | AuthPlugin::CachingSha2Password => true,
        AuthPlugin::MysqlClearPassword | AuthPlugin::Sha256Password => is_secure,
        _ => false,
    }
}

/// What `caching_sha2_password` sends to ask for the server's public key.
const REQUEST_SERVER_KEY: &[u8] = &[2];

/// One plug-in at work.
struct Exchange<'a> {
    procedure: AuthProc,
    credentials: Credentials<'a>,
    next: Next,
}

/// Who reads the server's next challenge.
enum Next {
    /// The plug-in.
    Procedure,
    /// We do, as a public key: it is not for the plug-in to read what a server sends as a key.
    Key,
    /// Nobody; the exchange has ended.
    Nothing,
}

/// What the plug-ins want to know.
struct Credentials<'a> {
    password: &'a [u8],
    nonce: Vec<u8>,
    is_secure: bool,
}

impl<'a> Exchange<'a> {
    fn start(
        plugin: &AuthPlugin<'_>,
        wire: &Wire,
        login: &'a Login,
        nonce: Vec<u8>,
    ) -> Result<Self, Failure> {
        let procedure = plugin.init().ok().filter(|_| is_known(plugin, wire.is_secure)).ok_or_else(|| {
            let name = String::from_utf8_lossy(plugin.as_bytes());
            let hint = if is_known(plugin, true) { " in the clear" } else { "" };
            wire.failure(FailureKind::WrongAnswer, format_args!("the plug-in {name} is not supported{hint}"))
        })?;
        let password = login.password.expose().as_bytes();
        let credentials = Credentials { password, nonce, is_secure: wire.is_secure };
        Ok(Self { procedure, credentials, next: Next::Procedure })
    }

    /// What to send in answer to this challenge, if anything.
    async fn answer(&mut self, wire: &mut Wire, challenge: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        match self.next {
            Next::Procedure => {}
            Next::Key => {
                self.next = Next::Nothing;
                return self.encrypted_password(wire, challenge).await.map(Some);
            }
            Next::Nothing => return Err(wire.failure(FailureKind::Protocol, "an unknown step of the login")),
        }
        let packet = match self.procedure.run(&self.credentials, challenge) {
            Ok(Response::Next { packet } | Response::Last { packet }) => packet,
            Err(error) => return Err(wire.failure(FailureKind::Protocol, error)),
        };
        if matches!(self.procedure, AuthProc::CachingSha2Password(_))
            && packet.as_deref() == Some(REQUEST_SERVER_KEY)
        {
            self.next = Next::Key;
        }
        Ok(packet)
    }

    async fn encrypted_password(&self, wire: &mut Wire, pem: &[u8]) -> Result<Vec<u8>, Failure> {
        let pem = pem.to_vec();
        let (password, nonce) = (self.credentials.password.to_vec(), self.credentials.nonce.clone());
        aside::compute(move || Key::read(&pem)?.encrypt(&password, &nonce))
            .await?
            .map_err(|what: &str| wire.failure(FailureKind::Protocol, what))
    }
}

impl Context for &Credentials<'_> {
    fn pass(&self) -> &[u8] {
        self.password
    }

    fn is_ipc_transport(&self) -> bool {
        false
    }

    fn is_tls_transport(&self) -> bool {
        self.is_secure
    }

    fn scramble(&self) -> &[u8] {
        &self.nonce
    }

    fn server_key_pem(&self) -> Option<&[u8]> {
        None
    }
}
