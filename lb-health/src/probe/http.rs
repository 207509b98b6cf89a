//! HTTP and HTTPS.

mod body;
mod brief;
mod exchange;
mod request;
mod status;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(feature = "tls")]
use tokio::net::TcpStream;

pub use self::{
    body::{BodyDigest, BodyRules},
    status::StatusSet,
};
use self::{exchange::Answer, request::Request};
#[cfg(feature = "tls")]
use crate::tls::{TlsClient, TlsError, TlsSettings};
use crate::{Failure, FailureKind, HealthCheck, Login, Outcome, Passed, Target, connect::connect_briefly};

/// What is asked and what has to be answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Method. Default `GET`.
    pub method: String,
    /// Path and query as they go over the wire, percent-encoded where needed. Default `/`.
    pub path: String,
    /// The `Host` header, and with TLS the name that is asked for. Default: the target's address, with the port if
    /// it is not the scheme's own.
    pub host: Option<String>,
    /// More header lines, in this order. They replace `User-Agent` and `Accept`, which are sent otherwise.
    pub headers: Vec<(String, String)>,
    /// Basic authentication, RFC 7617.
    pub login: Option<Login>,
    /// What is sent along, with a `Content-Length`. Default: nothing.
    pub payload: Option<String>,
    /// Speak HTTP/1.0 instead of HTTP/1.1. Default false.
    pub http10: bool,
    /// Statuses that pass. Default 200–299.
    pub status: StatusSet,
    /// What the body has to be. Default: it is not even read.
    pub body: BodyRules,
    /// Redirects that are followed, each only to the same target under the same name; one that leads elsewhere
    /// fails, for it says nothing about this server. Default 0: a redirect's own status is what counts.
    pub redirects: u8,
    /// Speak TLS. Default: no.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsSettings>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            method: "GET".into(),
            path: "/".into(),
            host: None,
            headers: Vec::new(),
            login: None,
            payload: None,
            http10: false,
            status: StatusSet::default(),
            body: BodyRules::default(),
            redirects: 0,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

/// The settings cannot be put into a request.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Not a method's name.
    #[error("{0:?} is not an HTTP method")]
    Method(String),
    /// Not a path as it goes over the wire.
    #[error("{0:?} is not a path for an HTTP request: it starts with / and is percent-encoded")]
    Path(String),
    /// Not a host for the `Host` header.
    #[error("{0:?} is not a host for an HTTP request")]
    Host(String),
    /// Not a header line, or one that is made from other settings.
    #[error("{0:?} is not a header that can be added")]
    Header(String),
    /// Not a URL that can be asked of a proxy.
    #[error("{0:?} is not an http:// or https:// URL with a host")]
    Url(String),
    /// The TLS settings cannot work.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Up if the target answers a request as expected.
///
/// Each look makes a connection of its own, so that it sees what a new client would see, and ends it by a reset, so
/// that thousands of looks a second leave no sockets behind. Where only the status matters, nothing beyond the
/// status line is waited for.
#[derive(Clone)]
pub struct Http {
    settings: HttpSettings,
    request: Request,
    route: Route,
    #[cfg(feature = "tls")]
    tls: Option<TlsClient>,
}

/// How the answer is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// The target answers itself.
    Direct,
    /// The target is a proxy, the request is for `http://` this authority.
    Proxy(String),
    /// The target is a proxy, and makes a tunnel to this authority.
    #[cfg(feature = "tls")]
    Tunnel(String),
}

impl Http {
    /// Prepares the request.
    ///
    /// # Errors
    /// See [`HttpError`]; nothing has been sent to anybody yet.
    pub fn new(settings: HttpSettings) -> Result<Self, HttpError> {
        Self::over(Route::Direct, settings)
    }

    pub(super) fn over(route: Route, settings: HttpSettings) -> Result<Self, HttpError> {
        Ok(Self {
            request: Request::new(&settings, &route)?,
            #[cfg(feature = "tls")]
            tls: settings.tls.clone().map(TlsClient::new).transpose()?,
            route,
            settings,
        })
    }

    /// The settings it was made from.
    pub const fn settings(&self) -> &HttpSettings {
        &self.settings
    }

    /// Connects and asks once.
    async fn ask(&self, target: &Target, path: &str) -> Result<Answer, Failure> {
        let stream = connect_briefly(target).await?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            // In a box, as is hyper's part below: thousands of futures that do without are then small.
            return Box::pin(self.ask_tls(tls, stream, target, path)).await;
        }
        self.ask_over(stream, target, path).await
    }

    #[cfg(feature = "tls")]
    async fn ask_tls(
        &self,
        tls: &TlsClient,
        mut stream: TcpStream,
        target: &Target,
        path: &str,
    ) -> Result<Answer, Failure> {
        if let Route::Tunnel(authority) = &self.route {
            brief::tunnel(&mut stream, authority).await?;
        }
        let stream = tls.connect(stream, &self.request.server_name(target)).await?;
        self.ask_over(stream, target, path).await
    }

    async fn ask_over<S>(&self, mut stream: S, target: &Target, path: &str) -> Result<Answer, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        if self.settings.body.is_any() && self.settings.redirects == 0 {
            let status = brief::ask(&mut stream, &self.request.bytes(target, path)).await?;
            return Ok(Answer::status_only(status));
        }
        let limit = self.settings.body.limit_for(&self.settings.method);
        Box::pin(exchange::ask(stream, self.request.typed(target, path), limit)).await
    }

    async fn judge(&self, answer: Answer) -> Outcome {
        if !self.settings.status.contains(answer.status.code) {
            let refused = self.settings.login.is_some() && matches!(answer.status.code, 401 | 407);
            let kind = if refused { FailureKind::Denied } else { FailureKind::WrongAnswer };
            return Err(Failure::new(kind, &answer.status));
        }
        self.settings.body.judge(answer.body, answer.cut).await?;
        Ok(Passed::with(&answer.status))
    }
}

#[async_trait]
impl HealthCheck for Http {
    fn kind(&self) -> &'static str {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return "https";
        }
        "http"
    }

    async fn check(&self, target: &Target) -> Outcome {
        let mut answer = self.ask(target, &self.settings.path).await?;
        for _ in 0..self.settings.redirects {
            if !answer.is_redirect() || self.settings.status.contains(answer.status.code) {
                break;
            }
            let path = self.request.redirected(target, &answer)?;
            answer = self.ask(target, &path).await?;
        }
        self.judge(answer).await
    }
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?}", self.route, self.settings)
    }
}
