//! TLS by OpenSSL, for servers that have nothing in common with rustls: RSA key exchange, CBC, DHE, short keys.

use std::pin::Pin;

use openssl::{
    error::ErrorStack,
    ssl::{Ssl, SslContext, SslMethod, SslVerifyMode, SslVersion},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_openssl::SslStream;

use super::{TlsSettings, TlsVersion};
use crate::{Failure, FailureKind, script::Stream};

/// Everything that OpenSSL still has; what a health check wants to know is whether clients are answered.
const CIPHERS: &str = "ALL:@SECLEVEL=0";

/// Shakes hands over a fresh connection.
pub(super) async fn connect<S>(settings: &TlsSettings, stream: S, host: &str) -> Result<Stream, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let failure = |error: &dyn std::fmt::Display| {
        Failure::new(FailureKind::Tls, format_args!("TLS handshake by OpenSSL: {error}"))
    };
    let ssl = session(settings, host).map_err(|error| failure(&error))?;
    let mut stream = SslStream::new(ssl, stream).map_err(|error| failure(&error))?;
    Pin::new(&mut stream).connect().await.map_err(|error| failure(&error))?;
    Ok(Box::new(stream))
}

fn session(settings: &TlsSettings, host: &str) -> Result<Ssl, ErrorStack> {
    let mut context = SslContext::builder(SslMethod::tls_client())?;
    context.set_cipher_list(CIPHERS)?;
    context.set_min_proto_version(Some(match settings.min_version {
        TlsVersion::V1_2 => SslVersion::TLS1_2,
        TlsVersion::V1_3 => SslVersion::TLS1_3,
    }))?;
    match (&settings.roots, settings.verify) {
        (_, false) => {}
        (Some(roots), true) => context.set_ca_file(roots)?,
        (None, true) => context.set_default_verify_paths()?,
    }
    context.set_verify(if settings.verify { SslVerifyMode::PEER } else { SslVerifyMode::NONE });
    let mut ssl = Ssl::new(&context.build())?;
    let name = settings.server_name.as_deref().unwrap_or(host).trim_matches(['[', ']']);
    match name.parse() {
        Ok(address) => ssl.param_mut().set_ip(address)?,
        Err(_) => {
            ssl.set_hostname(name)?;
            ssl.param_mut().set_host(name)?;
        }
    }
    Ok(ssl)
}
