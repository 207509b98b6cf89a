use super::Smtp;
use crate::FailureKind;
use crate::testing::{Act, against, endures, failure, hangs, hear, say};

fn good() -> Vec<Act> {
    vec![
        say("220-mail.example ESMTP\r\n220 at your service\r\n"),
        hear("EHLO localhost\r\n"),
        say("250-mail.example\r\n250-SIZE 1000\r\n250 HELP\r\n"),
        hear("QUIT\r\n"),
        say("221 bye\r\n"),
    ]
}

#[tokio::test]
async fn passes_a_good_server_and_tells_what_it_said() {
    let passed = against(&Smtp::default(), good()).await.unwrap();
    assert_eq!(passed.detail, "220-mail.example ESMTP; 250-mail.example");
}

#[tokio::test]
async fn endures_bad_servers() {
    endures(&Smtp::default(), &good()).await;
    hangs(&Smtp::default(), &good()[..2]).await;
}

#[tokio::test]
async fn says_helo_to_a_server_that_knows_no_ehlo() {
    let smtp = Smtp { hello: "lb.example".into(), ..Default::default() };
    let old = |code: &str| {
        [
            say("220 old\r\n"),
            hear("EHLO lb.example\r\n"),
            say(format!("{code} what?\r\n")),
            hear("HELO lb.example\r\n"),
            say("250 hello\r\n"),
        ]
    };
    for code in ["500", "502", "504"] {
        assert_eq!(against(&smtp, old(code)).await.unwrap().detail, "220 old; 250 hello");
    }
    let refused = failure(&smtp, old("550")).await;
    assert_eq!(refused.detail, "550 what? as the answer to EHLO, expected 250");
}

#[tokio::test]
async fn fails_a_server_that_is_not_well() {
    for (greeting, kind) in [
        ("421 too busy\r\n", FailureKind::WrongAnswer),
        ("554 no service\r\n", FailureKind::WrongAnswer),
        ("530 not you\r\n", FailureKind::Denied),
        ("+OK pop\r\n", FailureKind::Protocol),
        ("\u{1}\u{2}\n", FailureKind::Protocol),
    ] {
        assert_eq!(failure(&Smtp::default(), [say(greeting)]).await.kind, kind, "{greeting}");
    }
    let half_closed = [say("220 x\r\n"), Act::HalfClose, Act::Hang];
    assert_eq!(failure(&Smtp::default(), half_closed).await.kind, FailureKind::Closed);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn speaks_tls_from_the_first_byte_or_by_starttls() {
    use crate::Security;
    let (tls, settings, _file) = crate::testing::tls();
    let direct = Smtp { security: Security::tls(settings.clone()), ..Default::default() };
    let mut acts = vec![tls.clone()];
    acts.extend(good());
    assert!(against(&direct, acts).await.is_ok());
    assert_eq!(failure(&direct, good()).await.kind, FailureKind::Tls);

    let start = Smtp { security: Security::start_tls(settings), ..Default::default() };
    let mut acts = vec![
        say("220 mail\r\n"),
        hear("EHLO localhost\r\n"),
        say("250-mail\r\n250 STARTTLS\r\n"),
        hear("STARTTLS\r\n"),
        say("220 go ahead\r\n"),
        tls.clone(),
        hear("EHLO localhost\r\n"),
        say("250 secure\r\n"),
    ];
    assert_eq!(against(&start, acts.clone()).await.unwrap().detail, "220 mail; 250 secure");
    acts[4] = say("220 go ahead\r\n250 injected\r\n");
    let injected = failure(&start, acts.clone()).await;
    assert_eq!(injected.kind, FailureKind::Protocol, "{injected}");
    acts[4] = say("454 not now\r\n");
    assert_eq!(failure(&start, acts).await.kind, FailureKind::WrongAnswer);
    assert_eq!(failure(&start, good()).await.detail, "the server does not offer STARTTLS");

    let stranger = Smtp { security: Security::tls(Default::default()), ..Default::default() };
    assert_eq!(failure(&stranger, [tls]).await.kind, FailureKind::Tls);
}
