//! A scripted server for datagrams.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::look;
use crate::{FailureKind, HealthCheck, Outcome, Target};

/// Answers every datagram with those that the function makes of it. Ends when dropped.
pub(crate) struct Datagrams {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Datagrams {
    pub(crate) async fn start(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Self::on(socket, answer)
    }

    /// As [`Datagrams::start`], on this socket.
    pub(crate) fn on(
        socket: tokio::net::UdpSocket,
        answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Self {
        let address = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 65536];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                for datagram in answer(&buffer[..length]) {
                    // The client may have gone.
                    let _ = socket.send_to(&datagram, from).await;
                }
            }
        });
        Self { address, task }
    }

    pub(crate) fn target(&self) -> Target {
        Target::new(self.address)
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A target that answers datagrams with ICMP's "port unreachable": a port that was free a moment ago.
pub(crate) async fn refusing_datagrams() -> Target {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    Target::new(socket.local_addr().unwrap())
}

/// Looks once at a server that answers every datagram like this.
pub(crate) async fn against_datagrams(
    check: &dyn HealthCheck,
    answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
) -> Outcome {
    let server = Datagrams::start(answer).await;
    look(check, &server.target()).await
}

/// What every probe that asks by datagram has to stand: nobody there, no answer, a lost one, strange ones.
/// `answer` makes the probe pass.
pub(crate) async fn endures_datagrams(
    check: &dyn HealthCheck,
    answer: impl Fn(&[u8]) -> Vec<u8> + Clone + Send + 'static,
) {
    let refused = look(check, &refusing_datagrams().await).await.expect_err("passes a closed port");
    assert_eq!(refused.kind, FailureKind::Refused, "{refused}");

    let good = answer.clone();
    against_datagrams(check, move |asked| vec![good(asked)]).await.expect("fails a good server");

    // The first question gets lost.
    let (good, lost) = (answer.clone(), std::sync::atomic::AtomicBool::new(false));
    let lossy = move |asked: &[u8]| {
        if lost.swap(true, std::sync::atomic::Ordering::Relaxed) { vec![good(asked)] } else { Vec::new() }
    };
    against_datagrams(check, lossy).await.expect("fails a server because of one lost datagram");

    // A cut answer is none, whatever else it is; the runner's deadline may have to end the look.
    let length = against_length(check, answer.clone()).await;
    for bytes in 0..length {
        let good = answer.clone();
        let server = Datagrams::start(move |asked| {
            let mut cut = good(asked);
            cut.truncate(bytes);
            vec![cut]
        })
        .await;
        let outcome = tokio::time::timeout(Duration::from_millis(20), check.check(&server.target())).await;
        assert!(!matches!(outcome, Ok(Ok(_))), "passes {bytes} of {length} bytes");
    }

    let silent = Datagrams::start(|_| Vec::new()).await;
    let outcome = tokio::time::timeout(Duration::from_millis(100), check.check(&silent.target())).await;
    assert!(outcome.is_err(), "does not wait for its answer: {outcome:?}");
}

/// How long the good answer is.
async fn against_length(
    check: &dyn HealthCheck,
    answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static,
) -> usize {
    let (tell, told) = std::sync::mpsc::channel();
    let answer = move |asked: &[u8]| {
        let answer = answer(asked);
        let _ = tell.send(answer.len());
        vec![answer]
    };
    let _ = against_datagrams(check, answer).await;
    told.try_recv().expect("the probe asks nothing")
}
