//! A mail to a relay: by lettre's SMTP client, in the clear and without a password, as keepalived sends it.

use std::{
    error::Error as _,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use lettre::transport::smtp::{
    Error,
    client::{AsyncSmtpConnection, AsyncTokioStream},
    commands::{Data, Mail},
    extension::ClientId,
};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, Join, ReadBuf, Take, join},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{error::Elapsed, timeout},
};

use super::{Relay, message::Message};

/// All that a relay may answer in one conversation, in bytes.
const MAX_ANSWERS: u64 = 1 << 20;

/// What was asked when a relay answered.
const CONNECTION: &str = "the connection";
const TEXT: &str = "the mail";

/// Why a mail was not taken.
#[derive(Debug, Error)]
pub(super) enum NotSent {
    /// The relay does not answer at that address.
    #[error("it can not be reached: {0}")]
    Unreachable(#[source] io::Error),
    /// The relay took too long for something.
    #[error("it takes too long")]
    Slow(#[from] Elapsed),
    /// The relay refused, broke off, or does not speak SMTP.
    #[error("{}", Failure(.to, .error))]
    Failed {
        /// What it was asked.
        to: &'static str,
        /// What happened.
        error: Error,
    },
}

impl NotSent {
    /// Whether it is certain that nobody has got the mail.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Slow(_) => false,
            Self::Failed { to, error } => {
                error.status().is_some() || (error.is_response() && *to == CONNECTION)
            }
        }
    }

    /// Whether the same mail may be taken later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Slow(_) => true,
            Self::Failed { error, .. } => !error.is_permanent(),
        }
    }
}

struct Failure<'a>(&'a str, &'a Error);

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(to, error) = self;
        match error.status() {
            Some(_) => write!(f, "to {to} it answers: {}", answer(error)),
            None if error.is_response() => write!(f, "it does not speak SMTP: {}", answer(error)),
            None => write!(f, "the connection broke: {}", answer(error)),
        }
    }
}

/// What a relay has answered, as far as it has.
fn answer(error: &Error) -> String {
    let text = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    error.status().map_or_else(|| text.clone(), |code| format!("{code} {text}"))
}

/// Sends a mail; returns those to whom the relay does not send it, and why, if there are others.
///
/// # Errors
/// Nobody gets it.
pub(super) async fn send(
    relay: &Relay,
    hello: &str,
    message: &Message,
    limit: Duration,
) -> Result<Vec<(String, String)>, NotSent> {
    let mut connection = match connect(relay, hello, Greeting::Ehlo, limit).await {
        // A relay that does not know EHLO (RFC 5321 §3.2).
        Err(NotSent::Failed { error, .. }) if error.is_permanent() => {
            connect(relay, hello, Greeting::Helo, limit).await?
        }
        connection => connection?,
    };
    let ask = |to| move |error| NotSent::Failed { to, error };
    let sender = Mail::new(message.from.clone(), Vec::new());
    timeout(limit, connection.command(sender)).await?.map_err(ask("MAIL FROM"))?;
    let mut left_out = Vec::new();
    for to in &message.to {
        // Not by lettre's `Rcpt`, which has no recipient without a domain.
        match timeout(limit, connection.command(format!("RCPT TO:<{to}>\r\n"))).await? {
            Ok(_) => {}
            Err(error) if error.status().is_some() => left_out.push((to, error)),
            Err(error) => return Err(ask("RCPT TO")(error)),
        }
    }
    if left_out.len() == message.to.len()
        && let Some((_, error)) = left_out.pop()
    {
        return Err(ask("RCPT TO")(error));
    }
    timeout(limit, connection.command(Data)).await?.map_err(ask("DATA"))?;
    timeout(limit, connection.message(message.content.as_bytes())).await?.map_err(ask(TEXT))?;
    // It has the mail; how it says goodbye is of no concern.
    let _ = timeout(limit, connection.quit()).await;
    Ok(left_out.into_iter().map(|(to, error)| (to.clone(), answer(&error))).collect())
}

async fn connect(
    relay: &Relay,
    hello: &str,
    greeting: Greeting,
    limit: Duration,
) -> Result<AsyncSmtpConnection, NotSent> {
    let connect = async {
        match relay {
            Relay::Address(address) => TcpStream::connect(address).await,
            Relay::Name(name, port) => TcpStream::connect((name.as_str(), *port)).await,
        }
    };
    let stream = timeout(limit, connect).await?.map_err(NotSent::Unreachable)?;
    let peer = stream.peer_addr().map_err(NotSent::Unreachable)?;
    let (reader, writer) = stream.into_split();
    let stream = Box::new(RelayStream { stream: join(reader.take(MAX_ANSWERS), writer), peer, greeting });
    let hello = ClientId::Domain(hello.to_owned());
    let connected = timeout(limit, AsyncSmtpConnection::connect_with_transport(stream, &hello)).await?;
    connected.map_err(|error| NotSent::Failed { to: CONNECTION, error })
}

/// By which command a relay is greeted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeting {
    /// As lettre does it.
    Ehlo,
    /// As before RFC 1869.
    Helo,
}

/// The connection to a relay: it ends after [`MAX_ANSWERS`], since lettre reads a line of any length.
#[derive(Debug)]
struct RelayStream {
    stream: Join<Take<OwnedReadHalf>, OwnedWriteHalf>,
    peer: SocketAddr,
    greeting: Greeting,
}

impl AsyncTokioStream for RelayStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for RelayStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for RelayStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.greeting == Greeting::Helo
            && let Some(name) = buf.strip_prefix(b"EHLO")
        {
            return Pin::new(&mut self.stream).poll_write(cx, &[b"HELO", name].concat());
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
