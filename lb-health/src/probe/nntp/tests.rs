use super::Nntp;
use crate::FailureKind;
use crate::testing::{Act, against, endures, failure, hear, say};

#[tokio::test]
async fn passes_servers_with_and_without_posting() {
    for greeting in ["200 news.example ready", "201 reading only"] {
        let acts = [say(format!("{greeting}\r\n")), hear("QUIT\r\n"), say("205 bye\r\n")];
        assert_eq!(against(&Nntp::default(), acts.clone()).await.unwrap().detail, greeting);
        endures(&Nntp::default(), &acts).await;
    }
}

#[tokio::test]
async fn fails_a_server_that_is_not_well() {
    for (greeting, kind) in [
        ("400 not now\r\n", FailureKind::WrongAnswer),
        ("480 not you\r\n", FailureKind::Denied),
        ("220 smtp\r\n", FailureKind::WrongAnswer),
        ("2\r\n", FailureKind::Protocol),
    ] {
        assert_eq!(failure(&Nntp::default(), [say(greeting)]).await.kind, kind, "{greeting}");
    }
    assert_eq!(failure(&Nntp::default(), [Act::HalfClose, Act::Hang]).await.kind, FailureKind::Closed);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn speaks_tls_from_the_first_byte_or_by_starttls() {
    let (tls, settings, _file) = crate::testing::tls();
    let direct = Nntp { security: crate::Security::tls(settings.clone()) };
    assert!(against(&direct, [tls.clone(), say("200 ready\r\n")]).await.is_ok());
    let start = Nntp { security: crate::Security::start_tls(settings) };
    let acts = [say("200 ready\r\n"), hear("STARTTLS\r\n"), say("382 go\r\n"), tls, hear("QUIT\r\n")];
    assert!(against(&start, acts).await.is_ok());
    let acts = [say("200 ready\r\n"), hear("STARTTLS\r\n"), say("580 no\r\n")];
    assert_eq!(failure(&start, acts).await.kind, FailureKind::WrongAnswer);
}
