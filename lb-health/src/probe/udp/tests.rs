use std::time::Duration;

use super::{Reply, Udp};
use crate::testing::{against_datagrams, endures_datagrams, look, refusing_datagrams};
use crate::{FailureKind, Pattern};

fn expecting(pattern: &str) -> Udp {
    Udp { request: r"ping\n".into(), expect: Some(Pattern::new(pattern).unwrap()), ..Default::default() }
}

#[tokio::test]
async fn compares_the_answer() {
    let echo = |asked: &[u8]| vec![asked.to_vec()];
    assert_eq!(
        against_datagrams(&expecting(r"^ping\z"), echo).await.unwrap_err().kind,
        FailureKind::WrongAnswer
    );
    for pattern in ["^ping\n$", "^ping$"] {
        assert_eq!(against_datagrams(&expecting(pattern), echo).await.unwrap().detail, "ping ");
    }
    let wrong = against_datagrams(&expecting("pong"), echo).await.unwrap_err();
    assert_eq!(wrong.detail, "the answer does not match /pong/: ping ");
    // Bytes that are no text.
    assert!(against_datagrams(&expecting(r"\xff\0"), |_| vec![vec![0xff, 0]]).await.is_ok());
}

#[tokio::test]
async fn endures_bad_servers() {
    endures_datagrams(&expecting("^pong!$"), |_| b"pong!".to_vec()).await;
}

#[tokio::test]
async fn takes_silence_for_health_where_nothing_is_expected() {
    let check = Udp { silence: Duration::from_millis(50), ..Default::default() };
    assert_eq!(against_datagrams(&check, |_| Vec::new()).await.unwrap().detail, "not refused");
    assert_eq!(against_datagrams(&check, |_| vec![b"hello".to_vec()]).await.unwrap().detail, "hello");
    // A refusal has to come in time; it comes within the call to send on loopback.
    let check = Udp { silence: Duration::from_secs(20), ..Default::default() };
    let refused = look(&check, &refusing_datagrams().await).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Refused);
}

#[tokio::test]
async fn a_reply_is_compared_byte_for_byte() {
    let reply = |bytes: &[(u8, u8)], shortest, longest| Udp {
        reply: Some(Reply { bytes: bytes.to_vec(), shortest, longest }),
        ..Udp::default()
    };
    let answering = |answer: &'static [u8]| move |_: &[u8]| vec![answer.to_vec()];
    let header = [(0xab, 0xff), (0x10, 0xf0)];
    assert!(against_datagrams(&reply(&header, 0, 255), answering(b"\xab\x1f..")).await.is_ok());
    // As far as it goes.
    assert!(against_datagrams(&reply(&header, 0, 255), answering(b"\xab")).await.is_ok());
    let wrong = against_datagrams(&reply(&header, 0, 255), answering(b"\xab\x2f")).await.unwrap_err();
    assert_eq!(wrong.detail, "byte 1 of the answer is 0x2f");
    let short = against_datagrams(&reply(&header, 3, 255), answering(b"\xab\x1f")).await.unwrap_err();
    assert_eq!(short.detail, "the answer has 2 bytes, not 3 to 255");
    assert!(against_datagrams(&reply(&[], 0, 2), answering(b"123")).await.is_err());
    assert!(against_datagrams(&reply(&[], 0, 3), answering(b"123")).await.is_ok());
}
