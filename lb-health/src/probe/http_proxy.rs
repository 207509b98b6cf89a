//! HTTP through a proxy: it is the proxy that is checked.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use hyper::Uri;

use super::http::{Http, HttpError, HttpSettings, Route};
use crate::{HealthCheck, Outcome, Target};

/// Up if the target, an HTTP proxy such as Squid, fetches a URL.
///
/// For `http://` the URL goes into the request line (RFC 9112 §3.2.2); for `https://` the proxy is asked for a
/// tunnel (CONNECT, RFC 9110 §9.3.6) and TLS is spoken with the origin server through it.
#[derive(Clone)]
pub struct HttpProxy(Http);

impl HttpProxy {
    /// Prepares the request for `url`. Host and path of the settings are replaced by the URL's, and so is whether
    /// TLS is spoken; how it is spoken is taken from the settings.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub fn new(url: &str, mut settings: HttpSettings) -> Result<Self, HttpError> {
        let bad = || HttpError::Url(url.into());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let authority = uri.authority().ok_or_else(bad)?.to_string();
        settings.path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        settings.host = Some(authority.clone());
        let route = match uri.scheme_str() {
            Some("http") => {
                #[cfg(feature = "tls")]
                {
                    settings.tls = None;
                }
                Route::Proxy(authority)
            }
            #[cfg(feature = "tls")]
            Some("https") => {
                settings.tls.get_or_insert_default();
                let port = uri.port_u16().unwrap_or(443);
                Route::Tunnel(format!("{}:{port}", uri.host().ok_or_else(bad)?))
            }
            _ => return Err(bad()),
        };
        Http::over(route, settings).map(Self)
    }
}

#[async_trait]
impl HealthCheck for HttpProxy {
    fn kind(&self) -> &'static str {
        "http-proxy"
    }

    async fn check(&self, target: &Target) -> Outcome {
        self.0.check(target).await
    }
}

impl std::fmt::Debug for HttpProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
