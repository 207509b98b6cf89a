//! Settings as a request, ready to be sent.

use std::{borrow::Cow, fmt::Write};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Uri, Version,
    header::{self, HeaderName, HeaderValue},
    http::uri::Authority,
};

use super::{HttpError, HttpSettings, Route, exchange::Answer};
use crate::{Failure, FailureKind, Target};

/// Everything about a request but the path, and the host if that is the target's address.
#[derive(Clone)]
pub(super) struct Request {
    method: Method,
    version: Version,
    /// `http://` and the authority, for a proxy.
    prefix: String,
    host: Option<HeaderValue>,
    default_port: u16,
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
        let (prefix, host) = match route {
            Route::Direct => (String::new(), settings.host.clone()),
            Route::Proxy(authority) => (format!("http://{authority}"), Some(authority.clone())),
            #[cfg(feature = "tls")]
            Route::Tunnel(authority) => {
                (String::new(), settings.host.clone().or_else(|| Some(authority.clone())))
            }
        };
        let payload = Bytes::from(settings.payload.clone().unwrap_or_default());
        let headers = headers(settings, payload.len())?;
        let mut rest = Vec::new();
        for (name, value) in &headers {
            rest.extend([b"\r\n", name.as_str().as_bytes(), b": ", value.as_bytes()].concat());
        }
        rest.extend(b"\r\n\r\n");
        rest.extend(&payload);
        #[cfg(feature = "tls")]
        let default_port = if settings.tls.is_some() { 443 } else { 80 };
        #[cfg(not(feature = "tls"))]
        let default_port = 80;
        Ok(Self {
            method,
            version: if settings.http10 { Version::HTTP_10 } else { Version::HTTP_11 },
            prefix,
            host: host.map(|host| host_value(&host)).transpose()?,
            default_port,
            headers,
            rest,
            payload,
        })
    }

    /// The request as it goes over the wire.
    pub(super) fn bytes(&self, target: &Target, path: &str) -> Vec<u8> {
        let version = if self.version == Version::HTTP_10 { "1.0" } else { "1.1" };
        let mut bytes = Vec::with_capacity(64 + path.len() + self.prefix.len() + self.rest.len());
        let host = self.host_for(target);
        let line = [self.method.as_str(), " ", &self.prefix, path, " HTTP/", version, "\r\nhost: "];
        line.iter().for_each(|part| bytes.extend_from_slice(part.as_bytes()));
        bytes.extend_from_slice(&host);
        bytes.extend_from_slice(&self.rest);
        bytes
    }

    /// The request for hyper.
    pub(super) fn typed(&self, target: &Target, path: &str) -> hyper::Request<Full<Bytes>> {
        let mut request = hyper::Request::new(Full::new(self.payload.clone()));
        *request.method_mut() = self.method.clone();
        *request.version_mut() = self.version;
        *request.uri_mut() = format!("{}{path}", self.prefix).parse().unwrap_or_default();
        *request.headers_mut() = self.headers.clone();
        if let Ok(host) = HeaderValue::from_bytes(&self.host_for(target)) {
            request.headers_mut().insert(header::HOST, host);
        }
        request
    }

    /// The name that TLS asks for, unless its settings say another one.
    #[cfg(feature = "tls")]
    pub(super) fn server_name(&self, target: &Target) -> String {
        let host = self.host.as_ref().and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
        host.map_or_else(|| target.address.ip().to_string(), |authority| authority.host().to_owned())
    }

    /// Where a redirect leads to: a path on the same target under the same name.
    pub(super) fn redirected(&self, target: &Target, answer: &Answer) -> Result<String, Failure> {
        let wrong = |what: &str| {
            let to = answer.location.as_deref().unwrap_or_default();
            Failure::new(FailureKind::WrongAnswer, format_args!("{} {what} {to}", answer.status))
        };
        let location = answer.location.as_deref().ok_or_else(|| wrong("without a location"))?;
        let location = location.split('#').next().unwrap_or_default();
        let uri: Uri = location.parse().map_err(|_| wrong("to an unreadable location"))?;
        let elsewhere = wrong("leads away from this server, to");
        match (uri.scheme_str(), uri.authority()) {
            (None, None) if location.starts_with('/') && !location.starts_with("//") => Ok(location.into()),
            (Some(scheme), Some(authority)) => {
                let scheme_port = match scheme {
                    "http" => 80,
                    "https" => 443,
                    _ => return Err(elsewhere),
                };
                if scheme_port != self.default_port || !self.is_own(target, authority) {
                    return Err(elsewhere);
                }
                Ok(uri.path_and_query().map_or("/", |path| path.as_str()).to_owned())
            }
            _ => Err(wrong("to an unreadable location")),
        }
    }

    /// Whether the authority is the one that this request is made to.
    fn is_own(&self, target: &Target, authority: &Authority) -> bool {
        let host = self.host_for(target);
        let Ok(own) = Authority::try_from(&host[..]) else { return false };
        own.host().eq_ignore_ascii_case(authority.host())
            && own.port_u16().unwrap_or(self.default_port)
                == authority.port_u16().unwrap_or(self.default_port)
    }

    fn host_for(&self, target: &Target) -> Cow<'_, [u8]> {
        match &self.host {
            Some(host) => Cow::Borrowed(host.as_bytes()),
            None if target.address.port() == self.default_port => {
                // The IPv6 form needs its brackets.
                let mut host = target.address.to_string();
                host.truncate(host.rfind(':').unwrap_or(host.len()));
                Cow::Owned(host.into_bytes())
            }
            None => Cow::Owned(target.address.to_string().into_bytes()),
        }
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

fn host_value(host: &str) -> Result<HeaderValue, HttpError> {
    let bad = || HttpError::Host(host.into());
    let authority: Authority = host.parse().map_err(|_| bad())?;
    // `user@host` is an authority, but no host.
    if authority.as_str().contains('@') {
        return Err(bad());
    }
    HeaderValue::from_str(host).map_err(|_| bad())
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
