//! Where a request goes, and where a redirect leads to.

use std::net::IpAddr;

use tokio::net::TcpStream;

use super::{
    Http, Route,
    exchange::Answer,
    uri::{Parts, resolve},
};
use crate::{Failure, FailureKind, Target, connect::connect_briefly};

/// Where a request goes.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Addresses to try one after the other.
    pub(super) targets: Vec<Target>,
    pub(super) is_tls: bool,
    /// Whether this is the server that is checked.
    pub(super) is_own: bool,
    /// The `Host` header.
    pub(super) host: String,
    /// Path and query.
    pub(super) path: String,
}

/// Addresses of a name that are tried.
const MAX_ADDRESSES: usize = 4;

impl Place {
    pub(super) async fn connect(&self) -> Result<TcpStream, Failure> {
        let mut failure =
            Failure::new(FailureKind::Unreachable, format_args!("{} has no address", self.host));
        for target in &self.targets {
            match connect_briefly(target).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// The name that TLS asks for, unless its settings say another one: what the `Host` header names, else the address.
    #[cfg(feature = "tls")]
    pub(super) fn server_name(&self) -> String {
        let address =
            || self.targets.first().map(|target| target.address.ip().to_string()).unwrap_or_default();
        crate::tls::host_name(&self.host).map_or_else(address, str::to_owned)
    }

    fn uri(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.host, self.path)
    }

    /// Whether a host and port are those that were asked, by the name in the `Host` header or by address.
    fn is_at(&self, is_tls: bool, (host, port): (&str, u16)) -> bool {
        let named = Parts { authority: Some(&self.host), ..Parts::default() };
        let by_name = host_and_port(&named, self.is_tls)
            .is_some_and(|(own, own_port)| own.eq_ignore_ascii_case(host) && own_port == port);
        let by_address = host.parse().is_ok_and(|address: IpAddr| {
            self.targets.iter().any(|target| (target.address.ip(), target.address.port()) == (address, port))
        });
        is_tls == self.is_tls && (by_name || by_address)
    }
}

impl Http {
    /// Where the redirect leads to that was answered at `place`.
    pub(super) async fn redirected(
        &self,
        first: &Place,
        place: &Place,
        answer: &Answer,
    ) -> Result<Place, Failure> {
        let wrong = |what: &str| {
            let to = answer.location.as_deref().unwrap_or_default();
            Failure::new(FailureKind::WrongAnswer, format_args!("{} {what} {to}", answer.status))
        };
        let location = answer.location.as_deref().ok_or_else(|| wrong("without a location"))?;
        let uri = resolve(&place.uri(), location);
        let parts = Parts::of(&uri);
        let is_tls = match parts.scheme.unwrap_or_default().to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(wrong("leads away from this server, to")),
        };
        let there = host_and_port(&parts, is_tls).ok_or_else(|| wrong("to an unreadable location"))?;
        let path = parts.target();
        if first.is_at(is_tls, there) {
            return Ok(Place { path, ..first.clone() });
        }
        if !self.settings.other_hosts || !matches!(self.route, Route::Direct | Route::Proxy(_)) {
            return Err(wrong("leads away from this server, to"));
        }
        let authority = parts.authority.unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default().to_owned();
        let targets = match &self.route {
            // The proxy fetches this one, too.
            Route::Proxy(_) if !is_tls => first.targets.clone(),
            Route::Proxy(_) => return Err(wrong("leads away from this proxy, to")),
            _ => match first.targets.first() {
                Some(target) => look_up(authority, is_tls, target).await?,
                None => Vec::new(),
            },
        };
        Ok(Place { targets, is_tls, is_own: false, host, path })
    }
}

pub(super) const fn default_port(is_tls: bool) -> u16 {
    if is_tls { 443 } else { 80 }
}

/// The host without brackets, and the port, that a URL leads to.
pub(super) fn host_and_port<'a>(url: &Parts<'a>, is_tls: bool) -> Option<(&'a str, u16)> {
    let authority = url.authority?.rsplit('@').next()?;
    let (host, port) = match authority.rsplit_once(':') {
        // A colon within an IPv6 address.
        Some((_, port)) if port.contains(']') => (authority, ""),
        Some((host, port)) => (host, port),
        None => (authority, ""),
    };
    let port = if port.is_empty() { default_port(is_tls) } else { port.parse().ok()? };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (!host.is_empty() && port != 0).then_some((host, port))
}

/// The addresses that the authority of a URL stands for, to be reached as `target` is.
pub(super) async fn look_up(authority: &str, is_tls: bool, target: &Target) -> Result<Vec<Target>, Failure> {
    let url = Parts { authority: Some(authority), ..Parts::default() };
    let unknown = |why: &dyn std::fmt::Display| {
        Failure::new(FailureKind::Unreachable, format_args!("{authority} cannot be looked up: {why}"))
    };
    let place = host_and_port(&url, is_tls).ok_or_else(|| unknown(&"not a host"))?;
    let addresses = tokio::net::lookup_host(place).await.map_err(|error| unknown(&error))?;
    let targets = addresses.take(MAX_ADDRESSES).map(|address| Target {
        address,
        source: target.source.filter(|source| source.is_ipv4() == address.is_ipv4()),
        ..target.clone()
    });
    Ok(targets.collect())
}
