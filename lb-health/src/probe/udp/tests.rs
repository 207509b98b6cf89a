use std::time::Duration;

use super::Udp;
use crate::testing::{against_datagrams, endures_datagrams, look, refusing_datagrams};
use crate::{FailureKind, Pattern};

fn expecting(pattern: &str) -> Udp {
    Udp { request: r"ping\n".into(), expect: Some(Pattern::new(pattern).unwrap()), ..Default::default() }
}

#[tokio::test]
async fn compares_the_answer() {
    let echo = |asked: &[u8]| vec![asked.to_vec()];
    assert_eq!(
        against_datagrams(&expecting("^ping$(?!x)\n?"), echo).await.unwrap_err().kind,
        FailureKind::WrongAnswer
    );
    assert_eq!(against_datagrams(&expecting("^ping\n$"), echo).await.unwrap().detail, "ping ");
    let wrong = against_datagrams(&expecting("pong"), echo).await.unwrap_err();
    assert_eq!(wrong.detail, "the answer does not match /pong/: ping ");
    // Bytes that are no text.
    assert!(against_datagrams(&expecting("\u{fffd}"), |_| vec![vec![0xff, 0]]).await.is_ok());
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
