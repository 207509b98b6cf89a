//! HTTP and HTTPS.

mod body;
mod brief;
mod exchange;
mod place;
mod request;
mod status;
#[cfg(test)]
mod tests;
mod uri;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(feature = "tls")]
use tokio::net::TcpStream;

pub use self::{
    body::{BodyDigest, BodyRules},
    status::StatusSet,
    uri::encode,
};
use self::{exchange::Answer, place::Place, request::Request};
#[cfg(feature = "tls")]
use crate::tls::{TlsClient, TlsError, TlsSettings};
use crate::{Failure, FailureKind, HealthCheck, Login, Outcome, Passed, Target};

/// What is asked and what has to be answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Method. Default `GET`.
    pub method: String,
    /// Path and query as they go over the wire, percent-encoded where needed; see [`encode`]. Default `/`.
    pub path: String,
    /// A URL of `http` (with `tls`: `https`) that replaces the target's address and port, and the path. A name in it
    /// is looked up at each check. Default: none.
    pub url: Option<String>,
    /// The `Host` header as it is sent, and with TLS the name that is asked for, without the port. Default: the
    /// target's address, with the port if it is not the scheme's own.
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
    /// Redirects that are followed. Those to the name in the `Host` header stay on the target. Default 0: a redirect's
    /// own status is what counts.
    pub redirects: u8,
    /// Whether redirects to other hosts and ports are followed, without the login. Default false: such a redirect
    /// fails, for it says nothing about this server.
    pub other_hosts: bool,
    /// Speak TLS. Default: no.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsSettings>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            method: "GET".into(),
            path: "/".into(),
            url: None,
            host: None,
            headers: Vec::new(),
            login: None,
            payload: None,
            http10: false,
            status: StatusSet::default(),
            body: BodyRules::default(),
            redirects: 0,
            other_hosts: false,
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
    /// For redirects to other hosts.
    #[cfg(feature = "tls")]
    other_tls: Option<TlsClient>,
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
            #[cfg(feature = "tls")]
            other_tls: other_tls(&settings)?,
            route,
            settings,
        })
    }

    /// The settings it was made from.
    pub const fn settings(&self) -> &HttpSettings {
        &self.settings
    }

    /// Connects and asks once.
    async fn ask(&self, place: &Place) -> Result<Answer, Failure> {
        if !place.is_tls {
            return self.ask_over(place.connect().await?, place).await;
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = if place.is_own { &self.tls } else { &self.other_tls } {
            // In a box, as is hyper's part below: thousands of futures that do without are then small.
            return Box::pin(async {
                let stream = tls.open(|| self.dial(place), &place.server_name()).await?;
                self.ask_over(stream, place).await
            })
            .await;
        }
        Err(Failure::new(FailureKind::Misconfigured, "this program speaks no TLS"))
    }

    /// A connection on which TLS begins.
    #[cfg(feature = "tls")]
    async fn dial(&self, place: &Place) -> Result<TcpStream, Failure> {
        let mut stream = place.connect().await?;
        if let Route::Tunnel(authority) = &self.route {
            brief::tunnel(&mut stream, authority).await?;
        }
        Ok(stream)
    }

    async fn ask_over<S>(&self, mut stream: S, place: &Place) -> Result<Answer, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        if self.settings.body.is_any() && self.settings.redirects == 0 {
            let status = brief::ask(&mut stream, &self.request.bytes(place)).await?;
            return Ok(Answer::status_only(status));
        }
        let limit = self.settings.body.limit_for(&self.settings.method);
        Box::pin(exchange::ask(stream, self.request.typed(place)?, limit)).await
    }

    /// Follows the redirects of the first answer.
    async fn follow(&self, first: Place, mut answer: Answer) -> Result<Answer, Failure> {
        let mut place = first.clone();
        for _ in 0..self.settings.redirects {
            if !answer.is_redirect() || self.settings.status.contains(answer.status.code) {
                break;
            }
            place = self.redirected(&first, &place, &answer).await?;
            answer = self.ask(&place).await?;
        }
        Ok(answer)
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
        let place = match &self.settings.url {
            None => self.request.place(target, &self.settings.path),
            Some(url) => Box::pin(self.request.place_of(target, url)).await?,
        };
        let mut answer = self.ask(&place).await?;
        if self.settings.redirects > 0 {
            answer = Box::pin(self.follow(place, answer)).await?;
        }
        self.judge(answer).await
    }
}

/// A redirect carries no secrets, so that certificates matter only if the check wants them to.
#[cfg(feature = "tls")]
fn other_tls(settings: &HttpSettings) -> Result<Option<TlsClient>, TlsError> {
    let unverified = || TlsSettings { verify: false, ..TlsSettings::default() };
    let tls = || TlsSettings { server_name: None, ..settings.tls.clone().unwrap_or_else(unverified) };
    settings.other_hosts.then(tls).map(TlsClient::new).transpose()
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?}", self.route, self.settings)
    }
}
