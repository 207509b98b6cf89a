//! A scripted server on loopback: good answers, bad ones, and every way to give none.

#![cfg_attr(
    not(feature = "dns"),
    allow(unused_imports, dead_code, reason = "each feature's tests need a part")
)]

mod datagrams;
#[path = "../tests/support/requirements.rs"]
pub(crate) mod requirements;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::script::Stream;
use crate::{Failure, FailureKind, HealthCheck, Outcome, Target};

pub(crate) use datagrams::{Datagrams, against_datagrams, endures_datagrams, refusing_datagrams};

/// What the server does with a connection, one after the other; after the last it closes.
#[derive(Clone)]
pub(crate) enum Act {
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Reads until these bytes have come, and drops what came up to them.
    Hear(Vec<u8>),
    /// Sends these bytes one by one with a pause between.
    Drip(Vec<u8>, Duration),
    /// Sends these bytes again and again until the client has gone.
    Flood(Vec<u8>),
    /// Shakes hands as a TLS server and goes on over TLS.
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
    /// Closes the sending direction.
    HalfClose,
    /// Says nothing and waits until the client has gone.
    Hang,
}

/// Sends this text.
pub(crate) fn say(bytes: impl AsRef<[u8]>) -> Act {
    Act::Say(bytes.as_ref().to_vec())
}

/// Waits for this text.
pub(crate) fn hear(bytes: impl AsRef<[u8]>) -> Act {
    Act::Hear(bytes.as_ref().to_vec())
}

/// Serves every connection with the same acts. Ends when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(acts: impl Into<Vec<Act>>) -> Self {
        let acts = acts.into();
        Self::with(move |stream| perform(stream, acts.clone())).await
    }

    /// Serves every connection with this function.
    pub(crate) async fn with<F, R>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut sessions = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                sessions.spawn(serve(stream));
            }
        });
        Self { address, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn target(&self) -> Target {
        Target::new(self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Does all the acts over one connection; ends early if the client has gone.
pub(crate) async fn perform(stream: TcpStream, acts: Vec<Act>) {
    let mut stream: Stream = Box::new(stream);
    for act in acts {
        let done = match act {
            Act::Say(bytes) => stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok(),
            Act::Hear(bytes) => hear_until(&mut stream, &bytes).await,
            Act::Drip(bytes, pause) => {
                let mut gone = false;
                for byte in bytes {
                    gone = stream.write_all(&[byte]).await.is_err() || stream.flush().await.is_err();
                    if gone {
                        break;
                    }
                    tokio::time::sleep(pause).await;
                }
                !gone
            }
            Act::Flood(bytes) => {
                while stream.write_all(&bytes).await.is_ok() {}
                false
            }
            #[cfg(feature = "tls")]
            Act::Tls(acceptor) => match acceptor.accept(stream).await {
                Ok(secured) => {
                    stream = Box::new(secured);
                    true
                }
                Err(_) => return,
            },
            Act::HalfClose => stream.shutdown().await.is_ok(),
            Act::Hang => {
                let _ = stream.read_to_end(&mut Vec::new()).await;
                false
            }
        };
        if !done {
            return;
        }
    }
    // A close with unread data would be a reset, and lose what has just been said.
    let _ = stream.shutdown().await;
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut Vec::new())).await;
}

/// Takes no byte more than that: what follows may be a TLS handshake.
async fn hear_until(stream: &mut Stream, wanted: &[u8]) -> bool {
    let mut heard = Vec::new();
    while !heard.ends_with(wanted) {
        match stream.read_u8().await {
            Ok(byte) => heard.push(byte),
            Err(_) => return false,
        }
    }
    true
}

/// A target that refuses connections: a port that was free a moment ago.
pub(crate) async fn refusing() -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Target::new(listener.local_addr().unwrap())
}

/// How long a test waits before it says that a probe hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Looks once; panics if the probe neither passes nor fails.
pub(crate) async fn look(check: &dyn HealthCheck, target: &Target) -> Outcome {
    tokio::time::timeout(PATIENCE, check.check(target)).await.expect("the probe does not end by itself")
}

/// Looks once at a server that does this.
pub(crate) async fn against(check: &dyn HealthCheck, acts: impl Into<Vec<Act>>) -> Outcome {
    let server = Server::start(acts).await;
    look(check, &server.target()).await
}

/// The failure of a look at a server that does this; panics if it passes.
pub(crate) async fn failure(check: &dyn HealthCheck, acts: impl Into<Vec<Act>>) -> Failure {
    against(check, acts).await.expect_err("the probe passes a bad server")
}

/// The acts, cut after so many bytes said.
pub(crate) fn cut(acts: &[Act], mut bytes: usize) -> Vec<Act> {
    let mut kept = Vec::new();
    for act in acts {
        match act {
            Act::Say(text) if text.len() > bytes => {
                kept.push(say(&text[..bytes]));
                break;
            }
            Act::Say(text) => bytes -= text.len(),
            _ => {}
        }
        kept.push(act.clone());
    }
    kept
}

/// How many bytes the acts say in all.
pub(crate) fn said(acts: &[Act]) -> usize {
    acts.iter().map(|act| if let Act::Say(text) = act { text.len() } else { 0 }).sum()
}

/// What every probe of a protocol over TCP has to stand: nobody there, a server that hangs after any answer, one
/// that closes after any byte, and ones that do not stop to talk. `good` is a session that makes the probe pass.
pub(crate) async fn endures(check: &dyn HealthCheck, good: &[Act]) {
    let refused = look(check, &refusing().await).await.expect_err("passes a closed port");
    assert_eq!(refused.kind, FailureKind::Refused, "{refused}");

    against(check, good).await.expect("fails a good server");
    let drip: Vec<Act> =
        good.iter()
            .map(|act| {
                if let Act::Say(bytes) = act { Act::Drip(bytes.clone(), Duration::ZERO) } else { act.clone() }
            })
            .collect();
    against(check, drip).await.expect("fails a good server that is slow");

    // Closed at any byte: once enough has come for a verdict, more does not change it.
    let mut passed = false;
    for bytes in 0..=said(good) {
        match against(check, cut(good, bytes)).await {
            Ok(_) => passed = true,
            Err(failure) => {
                assert!(!passed, "passes a shorter answer than {bytes} bytes, but then: {failure}")
            }
        }
    }
    let nothing = failure(check, cut(good, 0)).await;
    assert_eq!(nothing.kind, FailureKind::Closed, "{nothing}");

    floods(check).await;
    hangs(check, &[]).await;
}

/// A probe ends by itself in a flood of any kind.
pub(crate) async fn floods(check: &dyn HealthCheck) {
    for flood in
        ["x", "220-more\r\n", "220 ok\r\n", "+OK\r\n", "* more\r\n", "\r\n", "\0", "\u{ff}", "0\u{84}"]
    {
        let flood = flood.repeat(1024 / flood.len());
        // Whatever the verdict: the flood must not keep the probe.
        let _ = against(check, [Act::Flood(flood.into_bytes())]).await;
    }
}

/// A probe waits for a server that hangs after these acts, and closes the connection when it is dropped.
pub(crate) async fn hangs(check: &dyn HealthCheck, acts: &[Act]) {
    let (gone, mut seen) = tokio::sync::mpsc::channel(1);
    let acts = acts.to_vec();
    let server = Server::with(move |stream| {
        let (acts, gone) = (acts.iter().cloned().chain([Act::Hang]).collect(), gone.clone());
        async move {
            perform(stream, acts).await;
            let _ = gone.send(()).await;
        }
    })
    .await;
    let deadline = Duration::from_millis(100);
    let outcome = tokio::time::timeout(deadline, check.check(&server.target())).await;
    assert!(outcome.is_err(), "does not wait for its answer: {outcome:?}");
    tokio::time::timeout(PATIENCE, seen.recv()).await.expect("the connection of a dropped look stays open");
}

/// A TLS server for 127.0.0.1, the settings that trust it, and what keeps the file of its certificate.
#[cfg(feature = "tls")]
pub(crate) fn tls() -> (Act, crate::tls::TlsSettings, tempfile::NamedTempFile) {
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, made.cert.pem().as_bytes()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let settings = crate::tls::TlsSettings { roots: Some(file.path().into()), ..Default::default() };
    (Act::Tls(std::sync::Arc::new(config).into()), settings, file)
}
