use std::time::Duration;

use tokio::time::timeout;

use super::Tcp;
use crate::{
    FailureKind, HealthCheck, Target,
    testing::{look, refusing, requirements::skip},
};

#[tokio::test]
async fn up_and_refused() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    look(&Tcp, &listener.local_addr().unwrap().into()).await.unwrap();
    assert_eq!(look(&Tcp, &refusing().await).await.unwrap_err().kind, FailureKind::Refused);
}

#[tokio::test]
async fn over_ipv6() {
    let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else {
        return skip("over_ipv6", "::1 on lo");
    };
    look(&Tcp, &listener.local_addr().unwrap().into()).await.unwrap();
}

/// A queue of connections that is full answers no SYN.
#[tokio::test]
async fn hangs_with_a_server_that_hangs() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let target = Target::new(socket.local_addr().unwrap().as_socket().unwrap());
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), crate::connect::connect(&target)).await {
        queue.push(stream);
        assert!(queue.len() < 100, "the queue does not fill");
    }
    let outcome = timeout(Duration::from_millis(200), Tcp.check(&target)).await;
    assert!(outcome.is_err(), "{outcome:?}");
}

#[tokio::test]
async fn the_socket_is_bound_as_told() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = Target::new(listener.local_addr().unwrap());
    let from = Target { source: Some([127, 0, 0, 9].into()), ..here.clone() };
    let stream = crate::connect::connect(&from).await.unwrap();
    assert_eq!(stream.local_addr().unwrap().ip(), from.source.unwrap());
    look(&Tcp, &from).await.unwrap();

    let foreign = Target { source: Some([192, 0, 2, 1].into()), ..here.clone() };
    let failure = look(&Tcp, &foreign).await.unwrap_err();
    assert!(failure.kind == FailureKind::Local && failure.detail.contains("source address"), "{failure}");
    let nowhere = Target { interface: Some("no-such-if0".into()), ..here };
    let failure = look(&Tcp, &nowhere).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Misconfigured, "{failure}");
}
