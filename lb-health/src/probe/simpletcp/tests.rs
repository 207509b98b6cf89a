use super::SimpleTcp;
use crate::testing::{Act, Server, against, endures, failure, hangs, hear, look, say};
use crate::{FailureKind, Pattern};

fn asking(request: &str, expect: &str) -> SimpleTcp {
    let expect = (!expect.is_empty()).then(|| Pattern::new(expect).unwrap());
    SimpleTcp { request: request.into(), expect, ..Default::default() }
}

fn good() -> Vec<Act> {
    vec![hear("stats\n"), say("load 1\r\nstate up\r\n")]
}

#[tokio::test]
async fn passes_as_soon_as_a_line_matches() {
    let check = asking(r"stats\n", "^state up\r$");
    assert_eq!(against(&check, good()).await.unwrap().detail, "state up");
    // ldirectord compares lines with their ends.
    assert!(against(&asking(r"stats\n", r"up\r\n"), good()).await.is_ok());
    assert!(against(&asking(r"stats\n", "^load 1$"), good()).await.is_err());
    assert!(against(&asking("", "^OK$"), [say("OK\n")]).await.is_ok());
    let mut open = good();
    open.push(Act::Hang);
    assert!(against(&check, open).await.is_ok());
    // A server that speaks first, and a last line without an end.
    assert_eq!(against(&asking("", "hello"), [say("hello")]).await.unwrap().detail, "hello");
    assert_eq!(against(&asking("", ""), [say("\n")]).await.unwrap().detail, "");
}

#[tokio::test]
async fn endures_bad_servers() {
    endures(&asking(r"stats\n", r"^state up\r$"), &good()).await;
    endures(&SimpleTcp { whole: true, ..asking(r"stats\n", "up\r\n$") }, &good()).await;
    hangs(&asking("x", "y"), &[say("z\n")]).await;
}

#[tokio::test]
async fn tells_the_last_line_when_none_matches() {
    let wrong = failure(&asking(r"stats\n", "^state down$"), good()).await;
    assert_eq!(wrong.kind, FailureKind::WrongAnswer);
    assert!(wrong.detail.ends_with("no line matches /^state down$/, the last is: state up"), "{wrong}");
    assert_eq!(failure(&asking("", ""), [Act::HalfClose, Act::Hang]).await.kind, FailureKind::Closed);
    let endless = asking("", r"^(a|aa)+\1$(?=x)");
    assert_eq!(failure(&endless, [say("a".repeat(200)), say("\n")]).await.kind, FailureKind::WrongAnswer);
}

#[tokio::test]
async fn compares_with_the_whole_answer_if_told_to() {
    let whole = |expect| SimpleTcp { whole: true, ..asking(r"stats\n", expect) };
    assert!(against(&whole("(?s)load.*up"), good()).await.is_ok());
    assert_eq!(failure(&asking(r"stats\n", "(?s)load.*up"), good()).await.kind, FailureKind::WrongAnswer);
    assert_eq!(failure(&whole("down"), good()).await.kind, FailureKind::WrongAnswer);
    assert_eq!(failure(&whole("down"), []).await.kind, FailureKind::Closed);
    // A flood is compared as far as it may be read.
    assert!(against(&whole("^load"), [Act::Flood(b"load ".to_vec())]).await.is_ok());
}

#[tokio::test]
async fn closes_its_side_after_the_request_if_told_to() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    // Answers only once the client has half closed.
    let server = Server::with(|mut stream| async move {
        let mut request = String::new();
        stream.read_to_string(&mut request).await.unwrap();
        stream.write_all(format!("heard {request}\n").as_bytes()).await.unwrap();
    })
    .await;
    let check = SimpleTcp { half_close: true, ..asking("ping", "heard ping") };
    assert!(look(&check, &server.target()).await.is_ok());
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn speaks_tls_from_the_first_byte_only() {
    let (tls, settings, _file) = crate::testing::tls();
    let check = SimpleTcp { security: crate::Security::tls(settings.clone()), ..asking(r"stats\n", "up") };
    let mut acts = vec![tls];
    acts.extend(good());
    assert!(against(&check, acts).await.is_ok());
    let check = SimpleTcp { security: crate::Security::start_tls(settings), ..Default::default() };
    assert_eq!(failure(&check, good()).await.kind, FailureKind::Misconfigured);
}
