use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};
use proptest::prelude::*;

use super::{MAX_READ, Pgsql, SSL_REQUEST};
use crate::testing::{Act, against, endures, failure, floods, hangs, hear, look, refusing, say};
use crate::{FailureKind, Login};

fn message(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = (contents.len() as u32 + 4).to_be_bytes();
    [&[tag], &length[..], contents].concat()
}

fn error(code: &str, text: &str) -> Act {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{text}\0\0");
    say(message(b'E', fields.as_bytes()))
}

fn row(value: &[u8]) -> Vec<u8> {
    let description =
        [&[0, 1][..], b"n\0", &[0; 6], &23_u32.to_be_bytes(), &[0, 4], &[0xff; 4], &[0, 0]].concat();
    let data = [&[0, 1][..], &(value.len() as u32).to_be_bytes(), value].concat();
    [message(b'T', &description), message(b'D', &data)].concat()
}

/// A session in which everybody is let in, and that gives this as the result.
fn giving(result: Vec<u8>) -> Vec<Act> {
    vec![
        hear("user\0bob\0"),
        say([message(b'R', &[0; 4]), message(b'Z', b"I")].concat()),
        hear("SELECT 1\0"),
        say([result, message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat()),
    ]
}

fn bob() -> Pgsql {
    Pgsql { login: Some(Login::new("bob", "secret")), ..Default::default() }
}

#[tokio::test]
async fn expects_a_row() {
    assert_eq!(against(&bob(), giving(row(b"1"))).await.unwrap().detail, "1 (1 rows)");
    let none = failure(&bob(), giving(Vec::new())).await;
    assert_eq!(none.to_string(), "wrong answer: the query gives no row");
}

#[tokio::test]
async fn endures_bad_servers() {
    endures(&bob(), &giving(row(b"1"))).await;
    hangs(&bob(), &giving(row(b"1"))[..2]).await;
}

#[tokio::test]
async fn without_a_login_the_answer_about_tls_will_do() {
    let nobody = Pgsql::default();
    for answer in ["S", "N"] {
        assert!(against(&nobody, [hear(SSL_REQUEST), say(answer)]).await.is_ok());
    }
    assert_eq!(failure(&nobody, [say("E")]).await.kind, FailureKind::WrongAnswer);
    assert_eq!(failure(&nobody, [say("220 smtp\r\n")]).await.kind, FailureKind::Protocol);
    assert_eq!(failure(&nobody, [Act::HalfClose, Act::Hang]).await.kind, FailureKind::Closed);
    assert_eq!(look(&nobody, &refusing().await).await.unwrap_err().kind, FailureKind::Refused);
    floods(&nobody).await;
    hangs(&nobody, &[]).await;
}

#[tokio::test]
async fn refusals_are_told_apart() {
    for (code, kind) in [
        ("28P01", FailureKind::Denied),
        ("28000", FailureKind::Denied),
        ("57P03", FailureKind::WrongAnswer),
        ("53300", FailureKind::WrongAnswer),
        ("3D000", FailureKind::WrongAnswer),
    ] {
        let refused = failure(&bob(), [hear("bob"), error(code, "no")]).await;
        assert_eq!((refused.kind, refused.detail), (kind, format!("logging in: no ({code})")));
    }
    let mut acts = giving(Vec::new());
    acts[3] = error("42P01", "no such table");
    let wrong = failure(&bob(), acts).await;
    assert_eq!(wrong.detail, "running the query: no such table (42P01)");
}

#[tokio::test]
async fn reads_no_more_than_it_may() {
    let huge = failure(&bob(), giving(row(&vec![b'x'; MAX_READ]))).await;
    assert_eq!(huge.kind, FailureKind::Protocol, "{huge}");
    assert!(huge.detail.contains("over 262144 bytes"), "{huge}");
    let mut acts = giving(Vec::new());
    acts[3] = Act::Flood(row(b"1"));
    assert_eq!(failure(&bob(), acts).await.kind, FailureKind::Protocol);
}

/// The scripted answers to a login with SCRAM, up to the one that says how often the password is hashed.
async fn ask_for_hashes(mut stream: tokio::net::TcpStream, count: u32) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut heard = [0; 4096];
    let _ = stream.read(&mut heard).await;
    let _ = stream.write_all(&message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0")).await;
    let length = stream.read(&mut heard).await.unwrap_or(0);
    let first = String::from_utf8_lossy(&heard[..length]).into_owned();
    let nonce = first.split("r=").nth(1).unwrap_or_default();
    let answer = format!("r={nonce}more,s=QSXCR+Q6sek8bf92,i={count}");
    let _ = stream.write_all(&message(b'R', &[&[0, 0, 0, 11], answer.as_bytes()].concat())).await;
    // The client's proof, or its end.
    let _ = stream.read(&mut heard).await;
}

#[tokio::test]
async fn hashes_as_often_as_a_server_demands_on_another_thread() {
    let used = || {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
        usage.user_time().num_milliseconds() + usage.system_time().num_milliseconds()
    };
    let server = crate::testing::Server::with(|stream| ask_for_hashes(stream, 100_000)).await;
    let before = used();
    let failure = look(&bob(), &server.target()).await.unwrap_err();
    let here = used() - before;
    // The server has gone after the proof; an hour of hashing would not have come so far.
    assert_eq!(failure.kind, FailureKind::Closed, "{failure}");
    // 200,000 HMACs take over a second without optimizations, and 100 ms with them.
    assert!(here < 50, "{here} ms on the thread of all checks");
    let endless = crate::testing::Server::with(|stream| ask_for_hashes(stream, u32::MAX)).await;
    assert_eq!(look(&bob(), &endless.target()).await.unwrap_err().kind, FailureKind::Protocol);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn starts_tls_by_the_protocols_own_request() {
    use crate::Security;
    let (tls, settings, _file) = crate::testing::tls();
    let check = Pgsql { security: Security::start_tls(settings.clone()), ..bob() };
    let mut acts = vec![hear(SSL_REQUEST), say("S"), tls];
    acts.extend(giving(row(b"1")));
    assert!(against(&check, acts.clone()).await.is_ok());
    acts[1] = say("N");
    assert_eq!(failure(&check, acts.clone()).await.kind, FailureKind::WrongAnswer);
    acts[1] = say("Sinjected");
    assert_eq!(failure(&check, acts).await.kind, FailureKind::Protocol);

    let direct = Pgsql { security: Security::tls(settings), ..bob() };
    assert_eq!(failure(&direct, []).await.kind, FailureKind::Misconfigured);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_bytes_make_it_panic_or_pass(
        tags in prop::collection::vec(prop::sample::select(b"RSKZEN1TDCAvG".to_vec()), 1..4),
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        let_in: bool,
    ) {
        let mut acts = if let_in { giving(Vec::new())[..3].to_vec() } else { Vec::new() };
        acts.extend(tags.iter().zip(bytes.chunks(20)).map(|(tag, contents)| say(message(*tag, contents))));
        acts.push(say(&bytes));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _ = runtime.block_on(against(&bob(), acts));
    }
}
