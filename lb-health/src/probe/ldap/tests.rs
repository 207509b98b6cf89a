use proptest::prelude::*;

use super::Ldap;
use crate::probe::ber::{ENUMERATED, INTEGER, OCTET_STRING, SEQUENCE, element};
use crate::testing::{Act, against, endures, failure, hangs, hear, say};
use crate::{FailureKind, Login, Pattern};

fn message(id: u8, tag: u8, contents: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[element(INTEGER, &[id]), element(tag, contents)].concat())
}

fn result(id: u8, tag: u8, code: u8, said: &str) -> Act {
    let parts =
        [element(ENUMERATED, &[code]), element(OCTET_STRING, b""), element(OCTET_STRING, said.as_bytes())];
    say(message(id, tag, &parts.concat()))
}

fn entry(name: &str) -> Act {
    say(message(2, 0x64, &[element(OCTET_STRING, name.as_bytes()), element(SEQUENCE, b"")].concat()))
}

/// Waits for a simple bind as this user.
fn hear_bind(name: &str, password: &str) -> Act {
    hear([element(OCTET_STRING, name.as_bytes()), element(0x80, password.as_bytes())].concat())
}

fn answering(entries: &[&str], code: u8) -> Vec<Act> {
    let mut acts = vec![hear_bind("", ""), result(1, 0x61, 0, ""), hear(b"objectClass")];
    acts.extend(entries.iter().map(|name| entry(name)));
    acts.push(result(2, 0x65, code, ""));
    acts
}

fn looking_up(base: &str, expect: &str) -> Ldap {
    Ldap { base: base.into(), expect: Some(Pattern::new(expect).unwrap()), ..Default::default() }
}

#[tokio::test]
async fn looks_up_the_root_by_default() {
    assert_eq!(against(&Ldap::default(), answering(&[""], 0)).await.unwrap().detail, "root DSE");
}

#[tokio::test]
async fn endures_bad_servers() {
    let check = looking_up("dc=example", "^dc=");
    endures(&check, &answering(&["dc=example"], 0)).await;
    hangs(&check, &answering(&["dc=example"], 0)[..4]).await;
}

#[tokio::test]
async fn expects_exactly_one_entry_of_the_right_name() {
    let check = looking_up("dc=example", "^dc=example$");
    assert_eq!(against(&check, answering(&["dc=example"], 0)).await.unwrap().detail, "dc=example");
    for (entries, detail) in [
        (&["dc=other"][..], "the entry dc=other does not match /^dc=example$/"),
        (&[], "0 entries, expected one"),
        (&["dc=example", "dc=example"], "2 entries, expected one"),
    ] {
        let wrong = failure(&check, answering(entries, 0)).await;
        assert_eq!((wrong.kind, wrong.detail.as_str()), (FailureKind::WrongAnswer, detail));
    }
    // A reference to another server and an intermediate answer are no entries.
    let mut acts = answering(&["dc=example"], 0);
    acts.insert(3, say(message(2, 0x73, &element(OCTET_STRING, b"ldap://other"))));
    acts.insert(3, say(message(2, 0x79, b"")));
    assert!(against(&check, acts).await.is_ok());
}

#[tokio::test]
async fn results_are_named() {
    let missing = failure(&Ldap::default(), answering(&[], 32)).await;
    assert_eq!(missing.to_string(), "wrong answer: the search: result 32 (no such object)");
    for (code, kind) in [
        (8, FailureKind::Denied),
        (48, FailureKind::Denied),
        (49, FailureKind::Denied),
        (50, FailureKind::Denied),
        (10, FailureKind::WrongAnswer),
        (51, FailureKind::WrongAnswer),
        (52, FailureKind::WrongAnswer),
        (53, FailureKind::WrongAnswer),
        (80, FailureKind::WrongAnswer),
    ] {
        let refused = failure(&Ldap::default(), [hear_bind("", ""), result(1, 0x61, code, "why")]).await;
        assert_eq!(refused.kind, kind, "{refused}");
        assert!(refused.detail.ends_with(": why"), "{refused}");
    }
}

#[tokio::test]
async fn binds_as_someone_but_never_without_a_password() {
    let bob = Ldap { login: Some(Login::new("cn=bob", "secret")), ..Default::default() };
    let mut acts = answering(&[""], 0);
    acts[0] = hear_bind("cn=bob", "secret");
    assert!(against(&bob, acts).await.is_ok());
    for (user, password) in [("cn=bob", ""), ("", "secret")] {
        let anonymous = Ldap { login: Some(Login::new(user, password)), ..Default::default() };
        assert_eq!(failure(&anonymous, answering(&[""], 0)).await.kind, FailureKind::Misconfigured);
    }
}

#[tokio::test]
async fn what_is_not_ldap_is_a_protocol_error() {
    let flat = |bytes: &[u8]| say(element(SEQUENCE, bytes));
    for (what, bad) in [
        ("text", say("220 smtp\r\n")),
        ("an empty message", flat(b"")),
        ("an identifier alone", flat(&[2, 1, 1])),
        ("an indefinite length", say([0x30, 0x80, 0, 0])),
        ("too long", say([0x30, 0x84, 0xff, 0xff, 0xff, 0xff])),
        ("another identifier", result(9, 0x61, 0, "")),
        ("another operation", result(1, 0x65, 0, "")),
        ("no result", say(message(1, 0x61, b""))),
        ("an entry for a bind", say(message(1, 0x64, &element(OCTET_STRING, b"x")))),
    ] {
        assert_eq!(failure(&Ldap::default(), [bad]).await.kind, FailureKind::Protocol, "{what}");
    }
    // Nested deeper than a stack is.
    let mut nested = Vec::new();
    for _ in 0..8000 {
        nested = [&[0x30, 0x83, 0, 0xf0, 0][..], &nested].concat();
    }
    let deep = failure(&Ldap::default(), [say(nested)]).await;
    assert!(matches!(deep.kind, FailureKind::Protocol | FailureKind::Closed), "{deep}");
}

#[tokio::test]
async fn a_notice_of_disconnection_is_told() {
    let notice = failure(&Ldap::default(), [result(0, 0x78, 52, "going down")]).await;
    assert_eq!(notice.to_string(), "wrong answer: the server's notice: result 52 (unavailable): going down");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn speaks_tls_from_the_first_byte_or_by_starttls() {
    let (tls, settings, _file) = crate::testing::tls();
    let direct = Ldap { security: crate::Security::tls(settings.clone()), ..Default::default() };
    let mut acts = vec![tls.clone()];
    acts.extend(answering(&[""], 0));
    assert!(against(&direct, acts).await.is_ok());

    let start = Ldap { security: crate::Security::start_tls(settings), ..Default::default() };
    let mut acts = vec![hear(b"1.3.6.1.4.1.1466.20037"), result(1, 0x78, 0, ""), tls];
    acts.extend(answering(&[""], 0));
    assert!(against(&start, acts.clone()).await.is_ok());
    acts[1] = result(1, 0x78, 2, "no");
    assert_eq!(failure(&start, acts).await.kind, FailureKind::WrongAnswer);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_it_panic_or_pass(bytes in prop::collection::vec(any::<u8>(), 0..200), framed: bool) {
        let bytes = if framed { message(1, 0x61, &bytes) } else { bytes };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(failure(&Ldap::default(), [say(bytes)]));
    }
}
