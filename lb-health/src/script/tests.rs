use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::{Dialogue, MAX_LINE, MAX_READ, Pattern, Payload};
use crate::FailureKind;

/// A dialogue with a peer that sends this and closes.
async fn hearing(bytes: impl AsRef<[u8]>) -> Dialogue<tokio::io::DuplexStream> {
    let bytes = bytes.as_ref().to_vec();
    let (ours, mut theirs) = duplex(64);
    tokio::spawn(async move {
        // Ends early when the dialogue is dropped.
        let _ = theirs.write_all(&bytes).await;
    });
    Dialogue::new(ours)
}

#[tokio::test]
async fn lines_end_with_a_line_feed_and_lose_it() {
    let mut talk = hearing("one\r\ntwo\n\nfour").await;
    assert_eq!(talk.line().await.unwrap(), "one");
    assert_eq!(talk.line().await.unwrap(), "two");
    assert_eq!(talk.line().await.unwrap(), "");
    let cut = talk.line().await.unwrap_err();
    assert_eq!(cut.kind, FailureKind::Closed);
    assert_eq!(cut.detail, "waiting for the greeting");
}

#[tokio::test]
async fn a_last_line_without_end_counts_where_the_end_of_the_stream_does() {
    let mut talk = hearing("one\ntwo").await;
    assert_eq!(talk.line_or_end().await.unwrap().as_deref(), Some(&b"one\n"[..]));
    assert_eq!(talk.line_or_end().await.unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!(talk.line_or_end().await.unwrap(), None);
}

#[tokio::test]
async fn replies_of_many_lines_end_with_their_code_and_a_space() {
    let mut talk =
        hearing("220-hello\r\n220-this\r\n220 is all\r\n230-ftp\r\n 230 not yet\r\n231 nor\r\n230\r\n").await;
    assert_eq!(talk.reply().await.unwrap().to_string(), "220-hello");
    assert_eq!(talk.reply().await.unwrap().expect(200..=299).unwrap().code(), 230);
    assert_eq!(talk.reply().await.unwrap_err().kind, FailureKind::Closed);
}

#[tokio::test]
async fn extensions_are_announced_after_the_first_line() {
    let mut talk = hearing("250-STARTTLS.example\r\n250-SIZE 10\r\n250 starttls\r\n").await;
    let reply = talk.reply().await.unwrap();
    assert!(reply.announces("STARTTLS") && reply.announces("SIZE"));
    assert!(!reply.announces("STARTTLS.example") && !reply.announces("10"));
}

#[tokio::test]
async fn a_wrong_code_names_the_step_and_what_was_wanted() {
    let mut talk = hearing("421 too busy\r\n530 who are you\r\n").await;
    let busy = talk.reply().await.unwrap().expect(220..=220).unwrap_err();
    assert_eq!(busy.kind, FailureKind::WrongAnswer);
    assert_eq!(busy.detail, "421 too busy as the greeting, expected 220");
    assert_eq!(talk.reply().await.unwrap().expect(200..=299).unwrap_err().kind, FailureKind::Denied);
}

#[tokio::test]
async fn what_is_no_reply_is_a_protocol_error() {
    for bad in ["hello\r\n", "22\r\n", "2200 x\r\n", "220_x\r\n", "\r\n", "\u{662}20 x\r\n"] {
        assert_eq!(hearing(bad).await.reply().await.unwrap_err().kind, FailureKind::Protocol, "{bad:?}");
    }
}

#[tokio::test]
async fn endless_lines_and_endless_replies_are_given_up() {
    let line = hearing("x".repeat(MAX_LINE * 2)).await.line().await.unwrap_err();
    assert_eq!(line.kind, FailureKind::Protocol);
    assert!(line.detail.contains("a line of over"), "{line}");

    let reply = hearing("220-x\r\n".repeat(MAX_READ / 4)).await.reply().await.unwrap_err();
    assert_eq!(reply.kind, FailureKind::Protocol);
    assert!(reply.detail.contains("over 65536 bytes"), "{reply}");

    let (rest, complete) = hearing("x".repeat(MAX_READ * 2)).await.rest().await.unwrap();
    assert_eq!((rest.len(), complete), (MAX_READ, false));
    let (rest, complete) = hearing("x".repeat(10)).await.rest().await.unwrap();
    assert_eq!((rest.len(), complete), (10, true));
}

#[tokio::test]
async fn a_command_is_one_line_and_its_arguments_are_never_told() {
    let (ours, mut theirs) = duplex(64);
    let mut talk = Dialogue::new(ours);
    let smuggled = talk.send("USER a\r\nDELE 1").await.unwrap_err();
    assert_eq!(smuggled.kind, FailureKind::Misconfigured);

    talk.send("PASS secret").await.unwrap();
    let mut sent = [0; 13];
    theirs.read_exact(&mut sent).await.unwrap();
    assert_eq!(&sent, b"PASS secret\r\n");
    drop(theirs);
    assert_eq!(talk.line().await.unwrap_err().detail, "waiting for the answer to PASS");
}

#[tokio::test]
async fn nothing_may_come_ahead_of_a_tls_handshake() {
    for (sent, injected) in [("220 go\r\n", false), ("220 go\r\n250 injected\r\n", true)] {
        let (ours, mut theirs) = duplex(64);
        theirs.write_all(sent.as_bytes()).await.unwrap();
        let stream: super::Stream = Box::new(ours);
        let mut talk = Dialogue::new(stream);
        talk.reply().await.unwrap();
        let target = "127.0.0.1:1".parse::<std::net::SocketAddr>().unwrap().into();
        let outcome = talk.secure(&super::Security::Plain, &target).await;
        assert_eq!(outcome.err().map(|failure| failure.kind), injected.then_some(FailureKind::Protocol));
    }
}

#[test]
fn patterns_are_perl_like_bounded_and_compared_by_text() {
    let pattern = Pattern::new(r"^(\w+) (?!down)\1$").unwrap();
    assert!(pattern.matches("up up").unwrap());
    assert!(!pattern.matches("down down").unwrap());
    assert_eq!(pattern, r"^(\w+) (?!down)\1$".parse().unwrap());
    assert!(Pattern::new("(").unwrap_err().to_string().starts_with("not a regular expression: ("));

    let endless = Pattern::new(r"^(a|aa)+\1$(?=x)").unwrap();
    let overflow = endless.matches("a".repeat(200)).unwrap_err();
    assert_eq!(overflow.kind, FailureKind::WrongAnswer, "the server has sent the text: {overflow}");
}

#[test]
fn payloads_know_some_escapes_and_leave_the_rest() {
    let bytes = |text: &str| Payload::from(text).as_bytes().to_vec();
    assert_eq!(bytes(r"GET /\r\n\t\0\\\x7f"), b"GET /\r\n\t\0\\\x7f");
    assert_eq!(bytes(r"\d \xg1 \x1"), br"\d \xg1 \x1");
    assert_eq!(bytes("\\"), b"\\");
}

proptest! {
    #[test]
    fn payloads_survive_being_written_and_read(bytes: Vec<u8>) {
        let payload = Payload::from_bytes(bytes);
        prop_assert_eq!(Payload::from(payload.to_string()), payload);
    }

    #[test]
    fn no_bytes_make_a_dialogue_panic_or_read_on_for_ever(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut talk = hearing(&bytes).await;
            while talk.reply().await.is_ok() {}
            let mut talk = hearing(&bytes).await;
            while talk.line_or_end().await.is_ok_and(|line| line.is_some()) {}
        });
    }
}

#[test]
fn the_longer_the_text_the_fewer_steps() {
    // Each step looks at the whole rest of the text: some minutes with a limit that does not depend on its length.
    let scanning = Pattern::new("(?=.*x)y").unwrap();
    let overflow = scanning.matches("a".repeat(1 << 20)).unwrap_err();
    assert_eq!(overflow.kind, FailureKind::WrongAnswer, "{overflow}");
    // Expressions without look-around and back-references take no steps.
    assert!(!Pattern::new("a.*b.*c").unwrap().matches("a".repeat(1 << 20)).unwrap());
}
