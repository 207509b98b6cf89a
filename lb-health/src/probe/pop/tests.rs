use super::Pop;
use crate::testing::{Act, against, endures, failure, hangs, hear, say};
use crate::{FailureKind, Login};

fn good() -> Vec<Act> {
    vec![say("+OK ready <1.2@pop.example>\r\n"), hear("QUIT\r\n"), say("+OK bye\r\n")]
}

fn good_login() -> Vec<Act> {
    vec![
        say("+OK ready\r\n"),
        hear("USER bob\r\n"),
        say("+OK\r\n"),
        hear("PASS secret\r\n"),
        say("+OK 3 messages\r\n"),
        hear("QUIT\r\n"),
    ]
}

fn bob() -> Pop {
    Pop { login: Some(Login::new("bob", "secret")), ..Default::default() }
}

#[tokio::test]
async fn passes_a_good_server_and_tells_what_it_said() {
    assert_eq!(against(&Pop::default(), good()).await.unwrap().detail, "+OK ready <1.2@pop.example>");
    assert_eq!(against(&bob(), good_login()).await.unwrap().detail, "+OK 3 messages");
}

#[tokio::test]
async fn endures_bad_servers() {
    endures(&Pop::default(), &good()).await;
    endures(&bob(), &good_login()).await;
    hangs(&bob(), &good_login()[..4]).await;
}

#[tokio::test]
async fn fails_a_server_that_is_not_well_or_lets_nobody_in() {
    assert_eq!(failure(&Pop::default(), [say("-ERR busy\r\n")]).await.kind, FailureKind::WrongAnswer);
    assert_eq!(failure(&Pop::default(), [say("220 smtp\r\n")]).await.kind, FailureKind::Protocol);
    assert_eq!(failure(&Pop::default(), [say("+OKAY\r\n")]).await.kind, FailureKind::Protocol);
    assert_eq!(failure(&Pop::default(), [Act::HalfClose, Act::Hang]).await.kind, FailureKind::Closed);

    let mut acts = good_login();
    acts[4] = say("-ERR [AUTH] no\r\n");
    let denied = failure(&bob(), acts).await;
    assert_eq!(denied.to_string(), "access denied: waiting for the answer to PASS: -ERR [AUTH] no");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn speaks_tls_from_the_first_byte_or_by_stls() {
    let (tls, settings, _file) = crate::testing::tls();
    let direct = Pop { security: crate::Security::tls(settings.clone()), ..Default::default() };
    assert!(against(&direct, [tls.clone(), say("+OK ready\r\n")]).await.is_ok());

    let start = Pop { security: crate::Security::start_tls(settings), ..bob() };
    let mut acts = vec![say("+OK ready\r\n"), hear("STLS\r\n"), say("+OK begin\r\n"), tls];
    acts.extend(good_login().split_off(1));
    assert!(against(&start, acts.clone()).await.is_ok());
    acts[2] = say("-ERR no\r\n");
    assert_eq!(failure(&start, acts).await.kind, FailureKind::WrongAnswer);
}
