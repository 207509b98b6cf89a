use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use proptest::prelude::*;

use super::Radius;
use super::packet::Request;
use crate::testing::{against_datagrams, endures_datagrams};
use crate::{FailureKind, Login, Secret};

fn check() -> Radius {
    Radius { secret: Secret::new("testing123"), login: Login::new("bob", "hello"), ..Default::default() }
}

/// An answer as RFC 2865 section 3 and RFC 3579 section 3.2 want it.
fn answer(request: &[u8], code: u8, secret: &str, attributes: &[u8], sign: bool) -> Vec<u8> {
    let mut packet = vec![code, request[1], 0, 0];
    packet.extend(&request[4..20]);
    packet.extend(attributes);
    if sign {
        packet.extend([80, 18]);
        packet.extend([0; 16]);
    }
    let length = packet.len();
    packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    if sign {
        let mac = Hmac::<Md5>::new_from_slice(secret.as_bytes()).unwrap().chain_update(&packet).finalize();
        packet[length - 16..].copy_from_slice(&mac.into_bytes());
    }
    let digest = Md5::new().chain_update(&packet).chain_update(secret).finalize();
    packet[4..20].copy_from_slice(&digest);
    packet
}

#[tokio::test]
async fn endures_bad_servers() {
    endures_datagrams(&check(), |request| answer(request, 2, "testing123", &[18, 4, b'h', b'i'], true)).await;
}

#[tokio::test]
async fn tells_accept_from_reject_and_challenge() {
    for sign in [true, false] {
        for (code, expected) in [
            (2, Ok("Access-Accept: hi".to_owned())),
            (3, Err((FailureKind::Denied, "Access-Reject: hi".to_owned()))),
            (11, Err((FailureKind::WrongAnswer, "Access-Challenge: hi".to_owned()))),
            (5, Err((FailureKind::Protocol, "an answer of code 5".to_owned()))),
        ] {
            let server =
                move |request: &[u8]| vec![answer(request, code, "testing123", &[18, 4, b'h', b'i'], sign)];
            let outcome = against_datagrams(&check(), server).await;
            assert_eq!(outcome.map(|up| up.detail).map_err(|down| (down.kind, down.detail)), expected);
        }
    }
}

#[tokio::test]
async fn an_answer_has_to_bear_the_secret() {
    let server = |request: &[u8]| vec![answer(request, 2, "other", &[], false)];
    let failure = against_datagrams(&check(), server).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "access denied: the answer's authenticator does not fit the shared secret"
    );

    // A Message-Authenticator that is wrong under a right authenticator.
    let forged =
        |request: &[u8]| vec![answer(request, 2, "testing123", &[&[80, 18][..], &[7; 16]].concat(), false)];
    let failure = against_datagrams(&check(), forged).await.unwrap_err();
    assert!(failure.detail.contains("Message-Authenticator"), "{failure}");

    let strict = Radius { require_message_authenticator: true, ..check() };
    let unsigned = |request: &[u8]| vec![answer(request, 2, "testing123", &[], false)];
    assert_eq!(against_datagrams(&strict, unsigned).await.unwrap_err().kind, FailureKind::Protocol);
    let signed = |request: &[u8]| vec![answer(request, 2, "testing123", &[], true)];
    assert!(against_datagrams(&strict, signed).await.is_ok());
}

#[tokio::test]
async fn ignores_answers_to_other_requests_and_padding() {
    let server = |request: &[u8]| {
        let mut other = answer(request, 3, "testing123", &[], true);
        other[1] ^= 1;
        let mut padded = answer(request, 2, "testing123", &[], true);
        padded.extend([0; 7]);
        vec![other, padded]
    };
    assert!(against_datagrams(&check(), server).await.is_ok());
}

#[tokio::test]
async fn what_does_not_fit_into_a_packet_is_our_fault() {
    for login in [Login::new("x".repeat(254), ""), Login::new("x", "y".repeat(129))] {
        let failure = against_datagrams(&Radius { login, ..check() }, |_| Vec::new()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Misconfigured);
    }
}

/// RFC 2865 section 5.2, and the lengths at its edges.
#[test]
fn passwords_can_be_read_by_who_knows_the_secret() {
    let secret = Secret::new("xyzzy5461");
    for length in [0, 1, 15, 16, 17, 128] {
        let password = "p".repeat(length);
        let request = Request::new(&secret, &Login::new("nemo", password.clone()), "lb").unwrap();
        let bytes = request.as_bytes();
        let mut at = 20;
        while bytes[at] != 2 {
            at += usize::from(bytes[at + 1]);
        }
        let hidden = &bytes[at + 2..at + usize::from(bytes[at + 1])];
        assert_eq!(hidden.len(), length.next_multiple_of(16).max(16));
        let mut previous = bytes[4..20].to_vec();
        let mut clear = Vec::new();
        for block in hidden.chunks(16) {
            let mask = Md5::new().chain_update("xyzzy5461").chain_update(&previous).finalize();
            clear.extend(block.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
            previous = block.to_vec();
        }
        clear.truncate(length);
        assert_eq!(clear, password.as_bytes());
    }
}

#[test]
fn requests_differ() {
    let (secret, login) = (Secret::new("s"), Login::new("a", "b"));
    let one = Request::new(&secret, &login, "lb").unwrap();
    let other = Request::new(&secret, &login, "lb").unwrap();
    assert_ne!(one.as_bytes()[4..20], other.as_bytes()[4..20]);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let secret = Secret::new("s");
        let request = Request::new(&secret, &Login::new("a", "b"), "lb").unwrap();
        let _ = request.read(&bytes);
        // Signed as it should be, with random attributes.
        let signed = answer(request.as_bytes(), 2, "s", &bytes, false);
        let _ = request.read(&signed);
    }
}
