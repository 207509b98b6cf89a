use super::Imap;
use crate::testing::{Act, against, endures, failure, hangs, hear, say};
use crate::{FailureKind, Login};

fn good() -> Vec<Act> {
    vec![say("* OK [CAPABILITY IMAP4rev1] ready\r\n"), hear("z LOGOUT\r\n"), say("* BYE\r\nz OK\r\n")]
}

fn good_login() -> Vec<Act> {
    vec![
        say("* OK ready\r\n"),
        hear("a LOGIN \"bob\" \"sec\\\"ret\\\\\"\r\n"),
        say("* CAPABILITY IMAP4rev1\r\na OK logged in\r\n"),
        hear("z LOGOUT\r\n"),
    ]
}

fn bob() -> Imap {
    Imap { login: Some(Login::new("bob", "sec\"ret\\")), ..Default::default() }
}

#[tokio::test]
async fn passes_a_good_server_and_tells_what_it_said() {
    let detail = against(&Imap::default(), good()).await.unwrap().detail;
    assert_eq!(detail, "* OK [CAPABILITY IMAP4rev1] ready");
    assert!(against(&Imap::default(), [say("* PREAUTH hello\r\n")]).await.is_ok());
    assert_eq!(against(&bob(), good_login()).await.unwrap().detail, "a OK logged in");
}

#[tokio::test]
async fn endures_bad_servers() {
    endures(&Imap::default(), &good()).await;
    endures(&bob(), &good_login()).await;
    hangs(&bob(), &[say("* OK ready\r\n"), hear("LOGIN"), say("* untagged\r\n")]).await;
}

#[tokio::test]
async fn fails_a_server_that_is_not_well_or_lets_nobody_in() {
    assert_eq!(failure(&Imap::default(), [say("* BYE overloaded\r\n")]).await.kind, FailureKind::WrongAnswer);
    assert_eq!(failure(&Imap::default(), [say("+OK pop\r\n")]).await.kind, FailureKind::Protocol);
    assert_eq!(failure(&Imap::default(), [Act::HalfClose, Act::Hang]).await.kind, FailureKind::Closed);

    for (answer, kind) in [
        ("a NO [AUTHENTICATIONFAILED] no\r\n", FailureKind::Denied),
        ("a BAD what\r\n", FailureKind::WrongAnswer),
        ("* BYE going down\r\n", FailureKind::WrongAnswer),
        ("b OK who\r\n", FailureKind::Protocol),
    ] {
        let mut acts = good_login();
        acts[2] = say(answer);
        assert_eq!(failure(&bob(), acts).await.kind, kind, "{answer}");
    }
}

#[tokio::test]
async fn a_login_smuggles_no_commands_in() {
    let imap = Imap { login: Some(Login::new("bob", "x\r\na OK")), ..Default::default() };
    let smuggled = failure(&imap, good_login()).await;
    assert_eq!(smuggled.kind, FailureKind::Misconfigured);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn speaks_tls_from_the_first_byte_or_by_starttls() {
    let (tls, settings, _file) = crate::testing::tls();
    let direct = Imap { security: crate::Security::tls(settings.clone()), ..Default::default() };
    assert!(against(&direct, [tls.clone(), say("* OK ready\r\n")]).await.is_ok());

    let start = Imap { security: crate::Security::start_tls(settings), ..bob() };
    let mut acts = vec![say("* OK ready\r\n"), hear("a STARTTLS\r\n"), say("a OK begin\r\n"), tls];
    acts.extend(good_login().split_off(1));
    assert!(against(&start, acts.clone()).await.is_ok());
    acts[2] = say("a NO not now\r\n");
    assert_eq!(failure(&start, acts).await.kind, FailureKind::WrongAnswer);
}
