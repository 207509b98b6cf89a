//! TLS for probes: settings as plain data, one rustls configuration per setting, and the handshake.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt, fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
pub use tokio_rustls::client::TlsStream;

use crate::{Failure, FailureKind};

/// How a probe speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSettings {
    /// Whether the certificate must be valid, for the name, now, and signed by a trusted root. Default true. With
    /// false everything but the handshake's own signatures is accepted.
    pub verify: bool,
    /// The name that is asked for (SNI) and that the certificate must bear; default: the name that the probe would
    /// use (its virtual host), else the target's address, for which no SNI is sent.
    pub server_name: Option<String>,
    /// A PEM file of roots that are trusted instead of the system's. Read once, when the probe is made.
    pub roots: Option<PathBuf>,
    /// The oldest version that is accepted. Default TLS 1.2; there is nothing older in here.
    pub min_version: TlsVersion,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2, RFC 5246.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3, RFC 8446.
    #[serde(rename = "1.3")]
    V1_3,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self { verify: true, server_name: None, roots: None, min_version: TlsVersion::V1_2 }
    }
}

/// The settings cannot work.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The file of roots cannot be read.
    #[error("reading the TLS roots {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file of roots holds no usable certificate.
    #[error("{0} holds no PEM certificate that can serve as a root")]
    NoRoots(PathBuf),
    /// The system offers no trusted roots.
    #[error("the system has no trusted roots (install ca-certificates, or name a file of roots)")]
    NoSystemRoots,
    /// `server_name` is neither a DNS name nor an address.
    #[error("{0:?} is not a server name that TLS can ask for")]
    Name(String),
    /// rustls refused the configuration.
    #[error("setting up TLS")]
    Rustls(#[from] rustls::Error),
}

/// A TLS client made from settings. Clones and clients of equal settings share one rustls configuration.
///
/// Sessions are never resumed: a resumed session shows no certificate, and the check would miss that it has expired.
#[derive(Clone)]
pub struct TlsClient {
    settings: TlsSettings,
    name: Option<ServerName<'static>>,
    config: Arc<ClientConfig>,
}

impl TlsClient {
    /// Reads the roots and prepares the configuration.
    ///
    /// # Errors
    /// See [`TlsError`]; nothing has been sent to anybody yet.
    pub fn new(settings: TlsSettings) -> Result<Self, TlsError> {
        let name = settings
            .server_name
            .as_ref()
            .map(|name| ServerName::try_from(name.clone()).map_err(|_| TlsError::Name(name.clone())))
            .transpose()?;
        let pem = match settings.roots.as_deref().filter(|_| settings.verify) {
            Some(path) => fs::read(path).map_err(|source| TlsError::Read { path: path.into(), source })?,
            None => Vec::new(),
        };
        let config = shared_config(&settings, pem)?;
        Ok(Self { settings, name, config })
    }

    /// The settings it was made from.
    pub const fn settings(&self) -> &TlsSettings {
        &self.settings
    }

    /// Shakes hands over `stream`. `host` is used when the settings name no server: a DNS name, or the address.
    ///
    /// # Errors
    /// [`FailureKind::Tls`] for certificate and handshake, [`FailureKind::Closed`] when the peer went away.
    pub async fn connect<S>(&self, stream: S, host: &str) -> Result<TlsStream<S>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
                .map_err(|_| Failure::new(FailureKind::Tls, format_args!("{host:?} is not a server name")))?,
        };
        tokio_rustls::TlsConnector::from(Arc::clone(&self.config))
            .connect(name, stream)
            .await
            .map_err(|error| tls_failure("TLS handshake", &error))
    }

    /// As [`TlsClient::connect`], asking for an address.
    ///
    /// # Errors
    /// As [`TlsClient::connect`].
    pub async fn connect_to<S>(&self, stream: S, address: IpAddr) -> Result<TlsStream<S>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.connect(stream, &address.to_string()).await
    }
}

/// The settings only, so that it can be part of a check's identity.
impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

/// As [`crate::connect::io_failure`], and TLS's own errors are [`FailureKind::Tls`].
pub fn tls_failure(doing: &str, error: &io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => Failure::new(FailureKind::Tls, tls),
        None => crate::connect::io_failure(doing, error),
    }
}

/// Oldest version first, PEM text of the roots (empty: the system's), whether they matter at all.
type Flavour = (TlsVersion, bool, Vec<u8>);

fn shared_config(settings: &TlsSettings, pem: Vec<u8>) -> Result<Arc<ClientConfig>, TlsError> {
    static MADE: OnceLock<Mutex<HashMap<Flavour, Weak<ClientConfig>>>> = OnceLock::new();
    let mut made = MADE.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    made.retain(|_, config| config.strong_count() > 0);
    let flavour = (settings.min_version, settings.verify, pem);
    if let Some(config) = made.get(&flavour).and_then(Weak::upgrade) {
        return Ok(config);
    }
    let config = Arc::new(new_config(settings, &flavour.2)?);
    made.insert(flavour, Arc::downgrade(&config));
    Ok(config)
}

fn new_config(settings: &TlsSettings, pem: &[u8]) -> Result<ClientConfig, TlsError> {
    // Named, because the implicit choice panics as soon as another crate of the program brings a second provider.
    let provider = Arc::new(ring::default_provider());
    let versions: &[_] = match settings.min_version {
        TlsVersion::V1_2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::V1_3 => &[&rustls::version::TLS13],
    };
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
    let mut config = if settings.verify {
        let roots = match &settings.roots {
            Some(path) => file_roots(path, pem)?,
            None => system_roots()?,
        };
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
            .with_no_client_auth()
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn file_roots(path: &Path, pem: &[u8]) -> Result<Arc<RootCertStore>, TlsError> {
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
    if added == 0 {
        return Err(TlsError::NoRoots(path.into()));
    }
    Ok(Arc::new(store))
}

fn system_roots() -> Result<Arc<RootCertStore>, TlsError> {
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(TlsError::NoSystemRoots);
    }
    Ok(Arc::new(store))
}

/// Accepts every certificate; the handshake's signatures are still checked.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
