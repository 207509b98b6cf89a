//! TLS for probes: settings as plain data, one rustls configuration per setting, and the handshake.

#[cfg(feature = "openssl")]
mod fallback;
#[cfg(test)]
mod tests;

#[cfg(feature = "openssl")]
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::{
    collections::HashMap,
    fmt, fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use rustls::{
    ClientConfig, DigitallySignedStruct, NamedGroup, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{ActiveKeyExchange, CryptoProvider, SupportedKxGroup, ring},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
pub use tokio_rustls::client::TlsStream;

use crate::{Failure, FailureKind, script::Stream};

/// How a probe speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSettings {
    /// Whether the certificate must be valid, for the name, now, and signed by a trusted root. Default true. With
    /// false every certificate is accepted.
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
    /// Whether the server has answered to OpenSSL only.
    #[cfg(feature = "openssl")]
    by_openssl: Arc<AtomicBool>,
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
        Ok(Self {
            settings,
            name,
            config,
            #[cfg(feature = "openssl")]
            by_openssl: Arc::default(),
        })
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
        let name = self.name_for(host)?;
        tokio_rustls::TlsConnector::from(Arc::clone(&self.config))
            .connect(name, stream)
            .await
            .map_err(|error| tls_failure("TLS handshake", &error))
    }

    /// Connects by `dial` and shakes hands. A server that has nothing in common with rustls is asked again by OpenSSL, if
    /// this crate has it: by RSA key exchange, CBC or DHE, say.
    pub(crate) async fn open<S, F>(&self, dial: impl Fn() -> F, host: &str) -> Result<Stream, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        F: Future<Output = Result<S, Failure>>,
    {
        #[cfg(feature = "openssl")]
        if self.by_openssl.load(Relaxed) {
            if let Ok(stream) = fallback::connect(&self.settings, dial().await?, host).await {
                return Ok(stream);
            }
            self.by_openssl.store(false, Relaxed);
        }
        let name = self.name_for(host)?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.config));
        match connector.connect(name, dial().await?).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) if has_nothing_in_common(&error) => {
                #[cfg(feature = "openssl")]
                {
                    let stream = fallback::connect(&self.settings, dial().await?, host).await?;
                    self.by_openssl.store(true, Relaxed);
                    Ok(stream)
                }
                #[cfg(not(feature = "openssl"))]
                Err(Failure::new(
                    FailureKind::Tls,
                    format_args!(
                        "{}: only RSA key exchange, CBC or DHE? Use a build with the feature openssl, or \
                         checktype=external with openssl s_client (docs/from-ldirectord.md)",
                        tls_failure("TLS handshake", &error).detail
                    ),
                ))
            }
            Err(error) => Err(tls_failure("TLS handshake", &error)),
        }
    }

    fn name_for(&self, host: &str) -> Result<ServerName<'static>, Failure> {
        match &self.name {
            Some(name) => Ok(name.clone()),
            None => ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
                .map_err(|_| Failure::new(FailureKind::Tls, format_args!("{host:?} is not a server name"))),
        }
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

/// The name that TLS can ask for in a text such as `host`, `host:port` or `[address]:port`; `None` if there is none.
pub fn host_name(text: &str) -> Option<&str> {
    let host = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        // An IPv6 address without brackets has more than one colon.
        None => text.split_once(':').filter(|(_, port)| !port.contains(':')).map_or(text, |(host, _)| host),
    };
    ServerName::try_from(host).is_ok().then_some(host)
}

/// Whether a handshake has failed because the two sides have no version, cipher suite or signature scheme in common.
fn has_nothing_in_common(error: &io::Error) -> bool {
    use rustls::{AlertDescription, Error};
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::AlertReceived(alert)) => matches!(
            alert,
            AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity
                | AlertDescription::ProtocolVersion
        ),
        Some(Error::PeerIncompatible(_)) => true,
        Some(Error::General(what)) => what == NO_KEY_EXCHANGE,
        _ => false,
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
    let mut provider = ring::default_provider();
    if !settings.verify {
        provider.kx_groups.push(&CertificateCurve);
    }
    let provider = Arc::new(provider);
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

/// P-521, which TLS 1.2 servers with such a certificate want a client to name. It is named last, so that only a server that
/// has nothing else exchanges keys by it.
#[derive(Debug)]
struct CertificateCurve;

const NO_KEY_EXCHANGE: &str = "the server exchanges keys by P-521 only";

impl SupportedKxGroup for CertificateCurve {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, rustls::Error> {
        Err(rustls::Error::General(NO_KEY_EXCHANGE.into()))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

/// Accepts every certificate. A signature by a key that nobody has vouched for proves nothing, so that keys and schemes
/// are accepted as well that the provider does not know: P-521, RSA below 2,048 bits, SHA-1.
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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let more = [
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED448,
            SignatureScheme::RSA_PKCS1_SHA1,
            SignatureScheme::ECDSA_SHA1_Legacy,
        ];
        [&self.0.signature_verification_algorithms.supported_schemes()[..], &more].concat()
    }
}
