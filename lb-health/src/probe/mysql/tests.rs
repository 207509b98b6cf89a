use mysql_common::auth::plugins::caching_sha2_password::scramble_sha256;
use mysql_common::auth::plugins::mysql_native_password::scramble_native;
use proptest::prelude::*;

use super::{Mysql, handshake, public_key::Key};
use crate::probe::ber::{INTEGER, SEQUENCE, element};
use crate::testing::{Act, against, endures, failure, hangs, hear, say};
use crate::{FailureKind, Login};

const NONCE: &[u8; 20] = b"abcdefghijklmnopqrst";
const NATIVE: &str = "mysql_native_password";
const SHA2: &str = "caching_sha2_password";

fn packet(sequence: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len() as u32;
    [&length.to_le_bytes()[..3], &[sequence], contents].concat()
}

fn greeting(plugin: &str, tls: bool) -> Vec<u8> {
    let capabilities = if tls { 0x0008_8a09_u32 } else { 0x0008_8209 }.to_le_bytes();
    let mut bytes = b"\x0a8.0.36\0\x01\0\0\0".to_vec();
    bytes.extend(&NONCE[..8]);
    bytes.push(0);
    bytes.extend(&capabilities[..2]);
    bytes.extend([45, 2, 0]);
    bytes.extend(&capabilities[2..]);
    bytes.push(21);
    bytes.extend([0; 10]);
    bytes.extend(&NONCE[8..]);
    bytes.push(0);
    bytes.extend(plugin.as_bytes());
    bytes.push(0);
    bytes
}

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const EOF: &[u8] = &[0xfe, 0, 0, 2, 0];

fn error(sequence: u8, code: u16) -> Act {
    let mut contents = vec![0xff];
    contents.extend(code.to_le_bytes());
    contents.extend(b"#28000no");
    say(packet(sequence, &contents))
}

/// The query, and a result of these rows.
fn querying(rows: &[&[u8]]) -> Vec<Act> {
    let mut packets = vec![&[1][..], b"column"];
    packets.push(EOF);
    packets.extend(rows);
    packets.push(EOF);
    let result: Vec<u8> =
        packets.iter().zip(1..).flat_map(|(contents, sequence)| packet(sequence, contents)).collect();
    vec![hear(b"\x03SELECT 1"), say(result)]
}

fn good() -> Vec<Act> {
    let mut acts = vec![
        say(packet(0, &greeting(NATIVE, false))),
        hear([&b"bob\0\x14"[..], &scramble_native(NONCE, b"secret").unwrap()].concat()),
        say(packet(2, OK)),
    ];
    acts.extend(querying(&[b"\x011"]));
    acts
}

fn bob() -> Mysql {
    Mysql { login: Some(Login::new("bob", "secret")), ..Default::default() }
}

#[tokio::test]
async fn expects_a_row() {
    assert_eq!(against(&bob(), good()).await.unwrap().detail, "8.0.36: 1");
    let with = |rows: &[&[u8]]| good()[..3].iter().cloned().chain(querying(rows)).collect::<Vec<_>>();
    assert_eq!(against(&bob(), with(&[b"\xfb"])).await.unwrap().detail, "8.0.36: NULL");
    let long = [b"\xfa".to_vec(), vec![b'x'; 5000]].concat();
    assert!(against(&bob(), with(&[&long, &long])).await.is_ok());

    let none = failure(&bob(), with(&[])).await;
    assert_eq!(none.detail, "waiting for the answer to the query: the query gives no row");
    let mut update = good();
    update[4] = say(packet(1, OK));
    assert_eq!(failure(&bob(), update.clone()).await.kind, FailureKind::WrongAnswer);
    update[4] = error(1, 1146);
    assert!(failure(&bob(), update.clone()).await.detail.ends_with("error 1146: no"));
    update[4] = error(1, 1142);
    assert_eq!(failure(&bob(), update).await.kind, FailureKind::Denied);
}

#[tokio::test]
async fn endures_bad_servers() {
    endures(&bob(), &good()).await;
    endures(&Mysql::default(), &good()[..1]).await;
    hangs(&bob(), &good()[..3]).await;
}

#[tokio::test]
async fn without_a_login_a_greeting_will_do() {
    assert_eq!(against(&Mysql::default(), good()).await.unwrap().detail, "8.0.36");
    // Before the login, errors have no state.
    let full = say(packet(0, b"\xff\x10\x04Too many connections"));
    let full = failure(&Mysql::default(), [full]).await;
    assert_eq!(full.to_string(), "wrong answer: waiting for the greeting: error 1040: Too many connections");
    assert_eq!(failure(&Mysql::default(), [say("220 smtp\r\n")]).await.kind, FailureKind::Protocol);
    assert_eq!(failure(&Mysql::default(), [say(packet(0, b"\x0a"))]).await.kind, FailureKind::Protocol);
    assert_eq!(failure(&Mysql::default(), [Act::HalfClose, Act::Hang]).await.kind, FailureKind::Closed);
}

#[tokio::test]
async fn a_wrong_password_is_told() {
    let mut acts = good()[..2].to_vec();
    acts.push(error(2, 1045));
    let denied = failure(&bob(), acts).await;
    assert_eq!(denied.to_string(), "access denied: waiting for the answer to the login: error 1045: no");
}

#[tokio::test]
async fn follows_the_server_to_another_plugin() {
    for first in [SHA2, "auth_gssapi_client"] {
        let other = b"01234567890123456789";
        let switch = [&[0xfe][..], NATIVE.as_bytes(), &[0], other, &[0]].concat();
        let mut acts = vec![
            say(packet(0, &greeting(first, false))),
            hear("bob\0"),
            say(packet(2, &switch)),
            hear(scramble_native(other, b"secret").unwrap()),
            say(packet(4, OK)),
        ];
        acts.extend(querying(&[b"\x011"]));
        assert!(against(&bob(), acts.clone()).await.is_ok());
        acts[2] = say(packet(2, b"\xfemysql_clear_password\0"));
        let clear = failure(&bob(), acts).await;
        assert!(clear.detail.ends_with("mysql_clear_password is not supported in the clear"), "{clear}");
    }
}

/// Until the server has to say whether it knows the password already.
fn sha2(tls: Option<Act>) -> (Vec<Act>, u8) {
    let scramble = scramble_sha256(NONCE, b"secret").unwrap();
    let answer = hear([&b"bob\0\x20"[..], &scramble].concat());
    let greeting = say(packet(0, &greeting(SHA2, tls.is_some())));
    match tls {
        None => (vec![greeting, answer], 2),
        Some(tls) => (vec![greeting, hear([32, 0, 0, 1]), hear([0; 23]), tls, answer], 3),
    }
}

#[tokio::test]
async fn logs_in_with_a_password_that_the_server_has_cached() {
    let (mut acts, next) = sha2(None);
    acts.extend([say(packet(next, &[1, 3])), say(packet(next + 1, OK))]);
    acts.extend(querying(&[b"\x011"]));
    assert!(against(&bob(), acts).await.is_ok());
}

/// 2048 bits, made with `openssl genrsa 2048 | openssl rsa -pubout` (OpenSSL 3.0).
const KEY: &str = include_str!("tests/key.pem");

#[tokio::test]
async fn encrypts_a_password_that_the_server_has_not_cached() {
    let (mut acts, next) = sha2(None);
    acts.extend([
        say(packet(next, &[1, 4])),
        hear(packet(next + 1, &[2])),
        say(packet(next + 2, &[&[1], KEY.as_bytes()].concat())),
        // The header of 256 bytes of RSA.
        hear([0, 1, 0, next + 3]),
        say(packet(next + 4, OK)),
    ]);
    acts.extend(querying(&[b"\x011"]));
    assert!(against(&bob(), acts.clone()).await.is_ok());
    for bad in ["", "-----BEGIN", "-----BEGIN PUBLIC KEY-----MAA=-----END PUBLIC KEY-----"] {
        // The plug-in finds a key anywhere in the text.
        for bad in [bad.to_owned(), format!("\n{bad}"), bad.replace("PUBLIC KEY", "RSA PUBLIC KEY")] {
            acts[4] = say(packet(next + 2, &[&[1], bad.as_bytes()].concat()));
            assert_eq!(failure(&bob(), acts.clone()).await.kind, FailureKind::Protocol, "{bad}");
        }
    }
    for (modulus, exponent) in [(0, 0), (2100, 3), (256, 200)] {
        acts[4] = say(packet(next + 2, &[&[1][..], &pem(modulus, exponent)].concat()));
        let refused = failure(&bob(), acts.clone()).await;
        assert!(refused.detail.ends_with("key is too small or too large"), "{refused}");
    }
    // A second key is not for the plug-in either.
    let mut again = acts[..4].to_vec();
    let key = |sequence| packet(sequence, &[&[1], KEY.as_bytes()].concat());
    again.extend([say(key(next + 2)), hear([0, 1, 0, next + 3]), say(key(next + 4))]);
    assert!(failure(&bob(), again).await.detail.ends_with("an unknown step of the login"));
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn starts_tls_by_the_protocols_own_request() {
    use crate::Security;
    let (tls, settings, _file) = crate::testing::tls();
    let check = Mysql { security: Security::start_tls(settings.clone()), ..bob() };
    // Over TLS, the password itself goes where it is not cached.
    let (mut acts, next) = sha2(Some(tls));
    acts.extend([say(packet(next, &[1, 4])), hear(packet(next + 1, b"secret\0")), say(packet(next + 2, OK))]);
    acts.extend(querying(&[b"\x011"]));
    assert!(against(&check, acts).await.is_ok());
    assert_eq!(failure(&check, good()).await.kind, FailureKind::WrongAnswer);
    let direct = Mysql { security: Security::tls(settings), ..bob() };
    assert_eq!(failure(&direct, good()).await.kind, FailureKind::Misconfigured);
}

#[tokio::test]
async fn an_endless_login_is_given_up() {
    let (mut acts, next) = sha2(None);
    let cached: Vec<u8> = (next..40).flat_map(|sequence| packet(sequence, &[1, 3])).collect();
    acts.push(say(cached));
    assert_eq!(failure(&bob(), acts).await.kind, FailureKind::Protocol);
}

#[test]
fn keys_that_cannot_be_worked_with_are_refused() {
    let key = Key::read(KEY.as_bytes()).unwrap();
    assert_eq!(key.encrypt(b"secret", NONCE).unwrap().len(), 256);
    assert_eq!(key.encrypt(&[b'x'; 212], b"").unwrap().len(), 256);
    assert!(key.encrypt(&[b'x'; 213], NONCE).is_err());
    for (modulus, exponent, fits) in
        [(127, 3, false), (128, 3, true), (1024, 8, true), (1025, 3, false), (256, 9, false), (256, 0, false)]
    {
        assert_eq!(Key::read(&pem(modulus, exponent)).is_ok(), fits, "{modulus} {exponent}");
    }
    let largest = Key::read(&pem(1024, 8)).unwrap();
    assert_eq!(largest.encrypt(b"secret", NONCE).unwrap().len(), 1024);
}

/// A public key in PKCS #1 with numbers of so many bytes, after a line feed.
fn pem(modulus: usize, exponent: usize) -> Vec<u8> {
    let number = |bytes| element(INTEGER, &[&[0][..], &vec![0xff; bytes]].concat());
    let der = element(SEQUENCE, &[number(modulus), number(exponent)].concat());
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = b"\n-----BEGIN RSA PUBLIC KEY-----\n".to_vec();
    for chunk in der.chunks(3) {
        let bits =
            chunk.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        let digits =
            (0..4).map(|at| if at > chunk.len() { b'=' } else { DIGITS[bits >> (18 - 6 * at) & 63] });
        text.extend(digits);
    }
    text.extend(b"\n-----END RSA PUBLIC KEY-----\n");
    text
}

proptest! {
    #[test]
    fn no_greeting_makes_it_panic(at in 0_usize..80, byte: u8, bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = handshake(&bytes);
        let _ = handshake(&[&[10][..], &bytes].concat());
        let mut changed = greeting(SHA2, false);
        let at = at % changed.len();
        changed[at] = byte;
        let _ = handshake(&changed);
        let _ = handshake(&changed[..at]);
    }

    /// A key with any byte of it changed is refused, or used without a panic.
    #[test]
    fn no_key_makes_it_panic(at in 27_usize..400, byte in prop::sample::select(b"ABCZabcz0189+/=-\n".to_vec())) {
        let mut key = KEY.as_bytes().to_vec();
        key[at] = byte;
        let _ = Key::read(&key).and_then(|key| key.encrypt(b"secret", NONCE));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_it_panic(
        kept in 1_usize..5,
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..4),
    ) {
        let mut acts = good()[..kept].to_vec();
        let first = if kept > 3 { 1 } else if kept > 1 { 2 } else { 0 };
        acts.extend(contents.iter().zip(first..).map(|(contents, sequence)| say(packet(sequence, contents))));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _ = runtime.block_on(against(&bob(), acts));
    }
}
