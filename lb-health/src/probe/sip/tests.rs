use std::collections::BTreeSet;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Sip, final_answer};
use crate::FailureKind;
use crate::testing::{
    Act, Server, against, against_datagrams, endures_datagrams, floods, hangs, look, refusing, say,
};

/// An answer of this status to the request.
fn answer(request: &[u8], status: &str) -> Vec<u8> {
    let request = std::str::from_utf8(request).unwrap();
    let copied: String = request
        .lines()
        .filter(|line| ["Via", "From", "To", "Call-ID", "CSeq"].iter().any(|name| line.starts_with(name)))
        .map(|line| format!("{line}\r\n"))
        .collect();
    format!("SIP/2.0 {status}\r\n{copied}Content-Length: 0\r\n\r\n").into_bytes()
}

/// Answers over TCP with these statuses, cut after so many bytes.
async fn tcp_server(statuses: &'static [&'static str], bytes: usize) -> Server {
    Server::with(move |mut stream| async move {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        let mut all: Vec<u8> = statuses.iter().flat_map(|status| answer(&request, status)).collect();
        all.truncate(bytes);
        let _ = stream.write_all(&all).await;
    })
    .await
}

#[tokio::test]
async fn endures_bad_servers_over_udp() {
    // The status line and the Call-ID have to be there, what follows need not.
    let good = |request: &[u8]| {
        let whole = answer(request, "200 OK");
        let text = String::from_utf8(whole).unwrap();
        let id = text.lines().find(|line| line.starts_with("Call-ID")).unwrap();
        format!("SIP/2.0 200 OK\r\n{id}").into_bytes()
    };
    endures_datagrams(&Sip::default(), good).await;
}

#[tokio::test]
async fn waits_for_the_final_answer_to_its_own_request() {
    let server = |request: &[u8]| {
        let other = b"SIP/2.0 500 Other\r\nCall-ID: other\r\n\r\n".to_vec();
        vec![answer(request, "100 Trying"), other, answer(request, "200 OK")]
    };
    assert_eq!(against_datagrams(&Sip::default(), server).await.unwrap().detail, "SIP/2.0 200 OK");
}

#[tokio::test]
async fn expects_the_codes_it_is_told() {
    let busy = |request: &[u8]| vec![answer(request, "486 Busy Here")];
    let wrong = against_datagrams(&Sip::default(), busy).await.unwrap_err();
    assert_eq!(wrong.to_string(), "wrong answer: SIP/2.0 486 Busy Here, expected 200");
    let tolerant = Sip { codes: BTreeSet::from([200, 486]), ..Default::default() };
    assert!(against_datagrams(&tolerant, busy).await.is_ok());
    let strange =
        against_datagrams(&Sip::default(), |_| vec![b"HTTP/1.1 200 OK\r\n".to_vec()]).await.unwrap_err();
    assert_eq!(strange.kind, FailureKind::Protocol);
}

#[tokio::test]
async fn asks_over_tcp() {
    let tcp = Sip { tcp: true, ..Default::default() };
    let server = tcp_server(&["100 Trying", "200 OK"], usize::MAX).await;
    assert_eq!(look(&tcp, &server.target()).await.unwrap().detail, "SIP/2.0 200 OK");
    let whole = answer(&[], "200 OK").len();
    for bytes in 0..whole {
        let server = tcp_server(&["200 OK"], bytes).await;
        assert_eq!(look(&tcp, &server.target()).await.unwrap_err().kind, FailureKind::Closed, "{bytes}");
    }
    assert_eq!(look(&tcp, &refusing().await).await.unwrap_err().kind, FailureKind::Refused);
    assert_eq!(against(&tcp, [Act::HalfClose, Act::Hang]).await.unwrap_err().kind, FailureKind::Closed);
    assert_eq!(against(&tcp, [say("220 smtp\r\n\r\n")]).await.unwrap_err().kind, FailureKind::Protocol);
    let endless = Act::Flood(b"SIP/2.0 100 Trying\r\n\r\n".to_vec());
    assert_eq!(against(&tcp, [endless]).await.unwrap_err().kind, FailureKind::Protocol);
    floods(&tcp).await;
    hangs(&tcp, &[]).await;
}

#[tokio::test]
async fn asks_whom_it_is_told() {
    let check = Sip { uri: Some("sip:1000@example.com".into()), ..Default::default() };
    let server = |request: &[u8]| {
        assert!(request.starts_with(b"OPTIONS sip:1000@example.com SIP/2.0\r\n"));
        vec![answer(request, "200 OK")]
    };
    assert!(against_datagrams(&check, server).await.is_ok());
    for uri in ["", "sip:x SIP/2.0\r\nEvil: x", "sip:a b"] {
        let check = Sip { uri: Some(uri.into()), ..Default::default() };
        let failure = against_datagrams(&check, |_| Vec::new()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Misconfigured, "{uri:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = final_answer(&bytes, "id");
        let _ = final_answer(&[&b"SIP/2.0 "[..], &bytes].concat(), "id");
    }
}
