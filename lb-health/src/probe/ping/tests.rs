use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use super::{Echo, Ping, unprivileged};
use crate::{
    FailureKind, HealthCheck, Outcome, Target,
    testing::{look, requirements::skip},
};

/// The outcome, or `None` with a line where this may not ping.
async fn ping(address: &str) -> Option<Outcome> {
    let target = Target::new(SocketAddr::new(address.parse().unwrap(), 0));
    match look(&Ping::default(), &target).await {
        Err(failure) if failure.kind == FailureKind::Misconfigured => {
            skip("ping", &format!("CAP_NET_RAW or net.ipv4.ping_group_range, and {address}: {failure}"));
            None
        }
        outcome => Some(outcome),
    }
}

#[tokio::test]
async fn loopback_answers() {
    for address in ["127.0.0.1", "::1"] {
        if let Some(outcome) = ping(address).await {
            outcome.unwrap();
        }
    }
}

#[tokio::test]
async fn silence_is_waited_for_and_attempts_are_counted() {
    let target = Target::new(SocketAddr::from(([127, 0, 0, 1], 0)));
    let Ok(echo) = Echo::open(&target) else {
        return skip("ping", "CAP_NET_RAW or net.ipv4.ping_group_range");
    };
    // Nothing was sent: nothing comes, and a foreign answer does not count.
    let waiting = tokio::time::timeout(Duration::from_millis(50), echo.answer()).await;
    assert!(waiting.is_err());
    let many = Ping { attempts: NonZeroU32::new(3).unwrap(), pause: Duration::from_millis(50) };
    look(&many, &target).await.unwrap();
}

#[tokio::test]
async fn only_our_own_answers_count() {
    let Ok(mut echo) = Echo::open(&Target::new(SocketAddr::from(([127, 0, 0, 1], 0)))) else {
        return skip("ping", "CAP_NET_RAW or net.ipv4.ping_group_range");
    };
    echo.raw = false;
    let mut reply = echo.request(1);
    assert!(!echo.is_answer(&reply), "a request is no answer");
    reply[0] = 0;
    assert!(echo.is_answer(&reply));
    assert!(!echo.is_answer(&reply[..15]) && !echo.is_answer(&[]));
    reply[15] ^= 1;
    assert!(!echo.is_answer(&reply));
    echo.raw = true;
    reply[15] ^= 1;
    let with_header = [&[0x45; 20][..], &reply[..]].concat();
    assert!(echo.is_answer(&with_header));
    echo.identifier ^= 1;
    assert!(!echo.is_answer(&with_header));
}

#[test]
fn the_remedy_is_told() {
    let failure = unprivileged(&std::io::Error::from_raw_os_error(1));
    assert!(failure.detail.contains("net.ipv4.ping_group_range") && failure.detail.contains("CAP_NET_RAW"));
}

#[test]
fn identity_tells_settings_apart() {
    let many = Ping { attempts: NonZeroU32::new(3).unwrap(), ..Ping::default() };
    assert_ne!(many.identity(), Ping::default().identity());
}
