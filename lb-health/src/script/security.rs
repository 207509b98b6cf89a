//! With or without TLS, and from when on.

use std::io;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Failure, FailureKind, Target, connect::connect};
#[cfg(feature = "tls")]
use crate::{
    connect::is_shortage,
    tls::{TlsClient, TlsSettings},
};

/// Whether a protocol is spoken in the clear or over TLS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Security {
    /// In the clear.
    #[default]
    Plain,
    /// TLS from the first byte: IMAPS, POP3S, LDAPS, SMTPS, FTPS.
    #[cfg(feature = "tls")]
    Tls(LazyTls),
    /// In the clear at first, then TLS by the protocol's own command (STARTTLS, STLS, AUTH TLS). A server that does
    /// not offer it is down.
    #[cfg(feature = "tls")]
    StartTls(LazyTls),
}

/// TLS settings, and the client made from them at the first look.
#[cfg(feature = "tls")]
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "TlsSettings", into = "TlsSettings")]
pub struct LazyTls {
    settings: TlsSettings,
    client: std::sync::OnceLock<TlsClient>,
}

/// A connection of either kind.
pub(crate) type Stream = Box<dyn Duplex>;

/// What can be read and written.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

impl Security {
    /// TLS from the first byte.
    #[cfg(feature = "tls")]
    pub fn tls(settings: TlsSettings) -> Self {
        Self::Tls(settings.into())
    }

    /// TLS from the protocol's own command on.
    #[cfg(feature = "tls")]
    pub fn start_tls(settings: TlsSettings) -> Self {
        Self::StartTls(settings.into())
    }

    /// Whether the protocol's command for TLS has to be given.
    pub(crate) fn upgrades(&self) -> bool {
        match self {
            Self::Plain => false,
            #[cfg(feature = "tls")]
            Self::Tls(_) => false,
            #[cfg(feature = "tls")]
            Self::StartTls(_) => true,
        }
    }

    /// An error for a protocol that has no command to start TLS with.
    pub(crate) fn without_upgrade(&self, protocol: &str) -> Result<(), Failure> {
        if !self.upgrades() {
            return Ok(());
        }
        let what = format_args!("{protocol} has no command that starts TLS; use TLS from the first byte")
            .to_string();
        Err(Failure::new(FailureKind::Misconfigured, what))
    }

    /// An error for a protocol in which TLS never comes first.
    #[cfg(any(feature = "mysql", feature = "pgsql"))]
    pub(crate) fn without_direct(&self, protocol: &str) -> Result<(), Failure> {
        if self.upgrades() || !self.is_secure() {
            return Ok(());
        }
        let what = format_args!("TLS never comes first in {protocol}; let the protocol start it").to_string();
        Err(Failure::new(FailureKind::Misconfigured, what))
    }

    /// Whether passwords cannot be read on the way.
    pub(crate) fn is_secure(&self) -> bool {
        *self != Self::Plain
    }

    /// Connects, and shakes hands where TLS comes first.
    pub(crate) async fn open(&self, target: &Target) -> Result<Stream, Failure> {
        #[cfg(feature = "tls")]
        if let Self::Tls(tls) = self {
            return tls.client()?.open(|| connect(target), &target.address.ip().to_string()).await;
        }
        Ok(Box::new(connect(target).await?))
    }

    /// Shakes hands over this stream; when there is no TLS in these settings, gives it back.
    pub(crate) async fn secure(&self, stream: Stream, target: &Target) -> Result<Stream, Failure> {
        match self {
            Self::Plain => {
                let _ = target;
                Ok(stream)
            }
            #[cfg(feature = "tls")]
            Self::Tls(tls) | Self::StartTls(tls) => {
                Ok(Box::new(tls.client()?.connect_to(stream, target.address.ip()).await?))
            }
        }
    }
}

/// What an error on such a connection means.
pub(crate) fn lost(doing: &str, error: &io::Error) -> Failure {
    #[cfg(feature = "tls")]
    return crate::tls::tls_failure(doing, error);
    #[cfg(not(feature = "tls"))]
    return crate::connect::io_failure(doing, error);
}

#[cfg(feature = "tls")]
impl LazyTls {
    /// The settings.
    pub fn settings(&self) -> &TlsSettings {
        &self.settings
    }

    /// The client; the file of roots is read by the first call that succeeds.
    fn client(&self) -> Result<&TlsClient, Failure> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = TlsClient::new(self.settings.clone()).map_err(|error| {
            let source = std::error::Error::source(&error);
            let io = source.and_then(|source| source.downcast_ref::<io::Error>());
            let kind = match io {
                Some(io) if is_shortage(io) => FailureKind::Local,
                _ => FailureKind::Misconfigured,
            };
            let why = source.map(|source| format!(": {source}")).unwrap_or_default();
            Failure::new(kind, format_args!("{error}{why}"))
        })?;
        Ok(self.client.get_or_init(|| client))
    }
}

#[cfg(feature = "tls")]
impl From<TlsSettings> for LazyTls {
    fn from(settings: TlsSettings) -> Self {
        Self { settings, client: std::sync::OnceLock::new() }
    }
}

#[cfg(feature = "tls")]
impl From<LazyTls> for TlsSettings {
    fn from(tls: LazyTls) -> Self {
        tls.settings
    }
}

/// The settings only, as they are what tells two checks apart.
#[cfg(feature = "tls")]
impl std::fmt::Debug for LazyTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.settings.fmt(f)
    }
}

#[cfg(feature = "tls")]
impl PartialEq for LazyTls {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings
    }
}
