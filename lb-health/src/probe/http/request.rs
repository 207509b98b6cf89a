//! Settings as a request, ready to be sent.

use std::fmt::Write;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Uri, Version,
    header::{self, HeaderName, HeaderValue},
    http::uri::Authority,
};

use super::{
    HttpError, HttpSettings, Route,
    place::{self, Place},
    uri::Parts,
};
use crate::{Failure, FailureKind, Target};

/// Everything about a request but where it goes.
#[derive(Clone)]
pub(super) struct Request {
    method: Method,
    version: Version,
    /// Whether a proxy is asked for a URL.
    by_proxy: bool,
    host: Option<String>,
    is_tls: bool,
    headers: HeaderMap,
    /// The headers as text, up to and with the empty line, and the payload.
    rest: Vec<u8>,
    payload: Bytes,
}

impl Request {
    pub(super) fn new(settings: &HttpSettings, route: &Route) -> Result<Self, HttpError> {
        let method = Method::from_bytes(settings.method.as_bytes())
            .map_err(|_| HttpError::Method(settings.method.clone()))?;
        let bad_path = !settings.path.starts_with('/') || settings.path.parse::<Uri>().is_err();
        // HTTP has no place for a fragment.
        if bad_path || settings.path.contains('#') {
            return Err(HttpError::Path(settings.path.clone()));
        }
        let host = match route {
            Route::Direct => settings.host.clone(),
            Route::Proxy(authority) => Some(plain_host(authority)?),
            #[cfg(feature = "tls")]
            Route::Tunnel(authority) => Some(plain_host(settings.host.as_ref().unwrap_or(authority))?),
        };
        if host.as_ref().is_some_and(|host| host.is_empty() || HeaderValue::from_str(host).is_err()) {
            return Err(HttpError::Host(host.unwrap_or_default()));
        }
        let payload = Bytes::from(settings.payload.clone().unwrap_or_default());
        let headers = headers(settings, payload.len())?;
        let mut rest = Vec::new();
        for (name, value) in &headers {
            rest.extend([b"\r\n", name.as_str().as_bytes(), b": ", value.as_bytes()].concat());
        }
        rest.extend(b"\r\n\r\n");
        rest.extend(&payload);
        #[cfg(feature = "tls")]
        let is_tls = settings.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let is_tls = false;
        if let Some(url) = &settings.url {
            let parts = Parts::of(url);
            let scheme = if is_tls { "https" } else { "http" };
            let is_sound = parts.scheme == Some(scheme) && place::host_and_port(&parts, is_tls).is_some();
            if !is_sound || parts.target().parse::<Uri>().is_err() {
                return Err(HttpError::Url(url.clone()));
            }
        }
        Ok(Self {
            method,
            version: if settings.http10 { Version::HTTP_10 } else { Version::HTTP_11 },
            by_proxy: matches!(route, Route::Proxy(_)),
            host,
            is_tls,
            headers,
            rest,
            payload,
        })
    }

    /// The first place to ask.
    pub(super) fn place(&self, target: &Target, path: &str) -> Place {
        Place {
            targets: vec![target.clone()],
            is_tls: self.is_tls,
            is_own: true,
            host: self.host_for(target),
            path: path.to_owned(),
        }
    }

    /// The first place to ask where a URL replaces it.
    pub(super) async fn place_of(&self, target: &Target, url: &str) -> Result<Place, Failure> {
        let url = Parts::of(url);
        let host = self.host.clone().unwrap_or_else(|| url.authority.unwrap_or_default().to_owned());
        let targets = place::look_up(url.authority.unwrap_or_default(), self.is_tls, target).await?;
        Ok(Place { targets, is_tls: self.is_tls, is_own: true, host, path: url.target() })
    }

    /// The request as it goes over the wire.
    pub(super) fn bytes(&self, place: &Place) -> Vec<u8> {
        let version = if self.version == Version::HTTP_10 { "1.0" } else { "1.1" };
        let uri = self.uri(place);
        let line = [self.method.as_str(), " ", &uri, " HTTP/", version, "\r\nhost: ", &place.host];
        [line.concat().as_bytes(), &self.rest].concat()
    }

    /// The request for hyper.
    pub(super) fn typed(&self, place: &Place) -> Result<hyper::Request<Full<Bytes>>, Failure> {
        let bad = |_| Failure::new(FailureKind::WrongAnswer, format_args!("cannot ask for {}", place.path));
        let mut request = hyper::Request::new(Full::new(self.payload.clone()));
        *request.method_mut() = self.method.clone();
        *request.version_mut() = self.version;
        *request.uri_mut() = self.uri(place).parse().map_err(bad)?;
        *request.headers_mut() = self.headers.clone();
        if let Ok(host) = HeaderValue::from_bytes(place.host.as_bytes()) {
            request.headers_mut().insert(header::HOST, host);
        }
        if !place.is_own {
            request.headers_mut().remove(header::AUTHORIZATION);
        }
        Ok(request)
    }

    /// What is written into the request line.
    fn uri(&self, place: &Place) -> String {
        let (scheme, host) = if self.by_proxy { ("http://", place.host.as_str()) } else { ("", "") };
        [scheme, host, &place.path].concat()
    }

    fn host_for(&self, target: &Target) -> String {
        if let Some(host) = &self.host {
            return host.clone();
        }
        let mut host = target.address.to_string();
        if target.address.port() == place::default_port(self.is_tls) {
            // The IPv6 form needs its brackets.
            host.truncate(host.rfind(':').unwrap_or(host.len()));
        }
        host
    }
}

fn headers(settings: &HttpSettings, payload: usize) -> Result<HeaderMap, HttpError> {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("lb-health/", env!("CARGO_PKG_VERSION"))),
    );
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    let mut added = HeaderMap::new();
    for (name, value) in &settings.headers {
        let line = || HttpError::Header(format!("{name}: {value}"));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| line())?;
        // These frame the message, or are made from other settings.
        let own = [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];
        if own.contains(&name) {
            return Err(line());
        }
        headers.remove(&name);
        added.append(name.clone(), HeaderValue::from_str(value).map_err(|_| line())?);
    }
    headers.extend(added);
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if let Some(login) = &settings.login {
        let credentials = base64(format!("{}:{}", login.user, login.password.expose()).as_bytes());
        let mut value = HeaderValue::from_str(&format!("Basic {credentials}"))
            .map_err(|_| HttpError::Header("Authorization".into()))?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    if payload > 0 {
        headers.insert(header::CONTENT_LENGTH, payload.into());
    }
    Ok(headers)
}

/// A host that can stand in a URL.
fn plain_host(host: &str) -> Result<String, HttpError> {
    let bad = || HttpError::Host(host.into());
    let authority: Authority = host.parse().map_err(|_| bad())?;
    // `user@host` is an authority, but no host.
    if authority.as_str().contains('@') { Err(bad()) } else { Ok(host.into()) }
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits =
            three.iter().enumerate().fold(0u32, |bits, (n, &byte)| bits | u32::from(byte) << (16 - 8 * n));
        for n in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * n)) as usize & 63]);
            text.write_char(if n <= three.len() { digit } else { '=' }).unwrap_or_default();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_as_in_rfc_4648_section_10() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
