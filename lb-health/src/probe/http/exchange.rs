//! The long way: hyper reads the whole answer.

use std::pin::pin;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1::Builder, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{status::Status, uri::encode};
use crate::{
    Failure, FailureKind,
    bounded::{Allowance, Bounded},
};

/// An answer, as far as it was read.
pub(super) struct Answer {
    pub(super) status: Status,
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
    /// Whether the body goes on.
    pub(super) cut: bool,
}

/// Largest head in bytes.
const HEAD_LIMIT: usize = 64 * 1024;

/// Most bytes that are read until the final head has come: all interim answers, it, and what came along with it.
const MAX_HEADS: usize = 2 * HEAD_LIMIT;

/// Most bytes that are read for each byte of a body. A chunk of one byte takes six.
const MAX_FRAMING: usize = 8;

/// Sends the request and reads the answer, and of its body at most `limit` bytes.
pub(super) async fn ask<S>(
    stream: S,
    request: hyper::Request<Full<Bytes>>,
    limit: usize,
) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let allowance = Allowance::new(MAX_HEADS);
    let (mut sender, connection) = Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .title_case_headers(true)
        .handshake(TokioIo::new(Bounded::new(stream, allowance.clone())))
        .await
        .map_err(|error| failure(&error))?;
    let mut connection = pin!(connection);
    let mut exchange = pin!(async {
        let response = sender.send_request(request).await.map_err(|error| failure(&error))?;
        allowance.renew(limit.saturating_mul(MAX_FRAMING).saturating_add(HEAD_LIMIT));
        read(response, limit).await
    });
    tokio::select! {
        answer = &mut exchange => answer,
        // What the connection has left behind is enough for the exchange to end.
        _ = &mut connection => exchange.await,
    }
}

async fn read(response: hyper::Response<Incoming>, limit: usize) -> Result<Answer, Failure> {
    let reason = response.extensions().get::<hyper::ext::ReasonPhrase>().map_or_else(
        || response.status().canonical_reason().unwrap_or_default().to_owned(),
        |phrase| String::from_utf8_lossy(phrase.as_bytes()).into_owned(),
    );
    let location = response.headers().get(header::LOCATION);
    let mut answer = Answer {
        status: Status { code: response.status().as_u16(), reason },
        location: location.map(|value| encode(value.as_bytes())),
        body: Vec::new(),
        cut: false,
    };
    let mut body = response.into_body();
    while limit > 0
        && !answer.cut
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|error| failure(&error))?;
        if let Some(data) = frame.data_ref() {
            let room = limit - answer.body.len();
            answer.cut = data.len() > room;
            answer.body.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    Ok(answer)
}

impl Answer {
    pub(super) const fn status_only(status: Status) -> Self {
        Self { status, location: None, body: Vec::new(), cut: false }
    }

    pub(super) const fn is_redirect(&self) -> bool {
        matches!(self.status.code, 301 | 302 | 303 | 307 | 308)
    }
}

fn failure(error: &hyper::Error) -> Failure {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    if let Some(io) = source {
        #[cfg(feature = "tls")]
        return crate::tls::tls_failure("HTTP", io);
        #[cfg(not(feature = "tls"))]
        return crate::connect::io_failure("HTTP", io);
    }
    let kind = if error.is_parse() {
        FailureKind::Protocol
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        FailureKind::Closed
    } else {
        FailureKind::Protocol
    };
    Failure::new(kind, error)
}
