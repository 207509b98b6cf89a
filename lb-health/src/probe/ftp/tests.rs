use super::{Ftp, classic_port, extended_port};
use crate::testing::{Act, Server, against, endures, failure, hangs, hear, say};
use crate::{FailureKind, Login, Pattern};

fn good() -> Vec<Act> {
    vec![
        say("220-welcome\r\n to\r\n220 us\r\n"),
        hear("USER anonymous\r\n"),
        say("331 password?\r\n"),
        hear("PASS anonymous@\r\n"),
        say("230 in\r\n"),
        hear("QUIT\r\n"),
        say("221 bye\r\n"),
    ]
}

/// A session that offers the file on the port of `data`, by EPSV or else by PASV.
fn offering(data: &Server, extended: bool) -> Vec<Act> {
    let port = data.address().port();
    let mut acts = good()[..5].to_vec();
    acts.extend([hear("TYPE I\r\n"), say("200 binary\r\n"), hear("EPSV\r\n")]);
    if extended {
        acts.push(say(format!("229 here (|||{port}|)\r\n")));
    } else {
        let [high, low] = port.to_be_bytes();
        // The address is a lie, and must not be followed.
        let passive = format!("227 there (192,0,2,1,{high},{low})\r\n");
        acts.extend([say("500 what?\r\n"), hear("PASV\r\n"), say(passive)]);
    }
    acts.extend([hear("RETR pub/health\r\n"), say("150 here it comes\r\n"), say("226 done\r\n")]);
    acts
}

fn fetching(expect: &str) -> Ftp {
    let expect = Some(Pattern::new(expect).unwrap());
    Ftp { path: Some("pub/health".into()), expect, ..Default::default() }
}

#[tokio::test]
async fn logs_in() {
    assert_eq!(against(&Ftp::default(), good()).await.unwrap().detail, "230 in");
    let bob = Ftp { login: Login::new("bob", "secret"), ..Default::default() };
    let acts = [say("220 x\r\n"), hear("USER bob\r\n"), say("230 no password needed\r\n")];
    assert!(against(&bob, acts).await.is_ok());
    let denied = [
        say("220 x\r\n"),
        hear("USER bob\r\n"),
        say("331 ?\r\n"),
        hear("PASS secret\r\n"),
        say("530 no\r\n"),
    ];
    assert_eq!(
        failure(&bob, denied).await.to_string(),
        "access denied: 530 no as the answer to PASS, expected 230"
    );
}

#[tokio::test]
async fn retrieves_a_file_and_compares_it() {
    let data = Server::start([say("all is\nwell\n")]).await;
    for extended in [true, false] {
        let detail = against(&fetching("(?m)^well$"), offering(&data, extended)).await.unwrap().detail;
        assert_eq!(detail, "pub/health: 12 bytes");
        let wrong = failure(&fetching("ill"), offering(&data, extended)).await;
        assert_eq!(wrong.kind, FailureKind::WrongAnswer);
        assert_eq!(wrong.detail, "pub/health does not match /ill/: all is well ");
    }
}

#[tokio::test]
async fn endures_bad_servers() {
    endures(&Ftp::default(), &good()).await;
    let data = Server::start([say("well\n")]).await;
    endures(&fetching("well"), &offering(&data, true)).await;
    hangs(&fetching("well"), &offering(&data, true)[..10]).await;
}

#[tokio::test]
async fn a_dead_server_is_down() {
    // Where nothing is expected, nothing must not match.
    let check = Ftp { path: Some("x".into()), ..Default::default() };
    assert_eq!(failure(&check, []).await.kind, FailureKind::Closed);
    assert_eq!(failure(&check, [Act::HalfClose, Act::Hang]).await.kind, FailureKind::Closed);
    assert_eq!(failure(&check, [say("120 in a minute\r\n")]).await.kind, FailureKind::WrongAnswer);
}

#[tokio::test]
async fn fails_without_the_whole_file() {
    let data = Server::start([say("well\n")]).await;
    let mut acts = offering(&data, true);
    let last = acts.len() - 1;
    acts[last] = say("426 broken off\r\n");
    assert_eq!(failure(&fetching("well"), acts.clone()).await.kind, FailureKind::WrongAnswer);
    acts[last - 1] = say("550 no such file\r\n");
    assert_eq!(failure(&fetching("well"), acts).await.kind, FailureKind::WrongAnswer);

    let refusing = offering(&data, true);
    drop(data);
    assert_eq!(failure(&fetching("well"), refusing).await.kind, FailureKind::Refused);
}

#[tokio::test]
async fn an_endless_file_is_compared_as_far_as_it_may_be_read() {
    let data = Server::start([Act::Flood(b"well ".repeat(4096))]).await;
    assert!(against(&fetching("^well"), offering(&data, true)).await.is_ok());
    assert_eq!(failure(&fetching("ill"), offering(&data, true)).await.kind, FailureKind::WrongAnswer);
}

#[test]
fn finds_the_port_in_what_servers_say() {
    assert_eq!(extended_port("229 Entering Extended Passive Mode (|||6446|)"), Some(6446));
    assert_eq!(extended_port("229 mode (!!!6446!)"), Some(6446));
    for bad in ["229 no", "229 (", "229 (|||)", "229 (|||x|)", "229 (|||0|)", "229 (|||65536|)"] {
        assert_eq!(extended_port(bad), None, "{bad}");
    }
    assert_eq!(classic_port("227 Entering Passive Mode (127,0,0,1,4,1)."), Some(1025));
    assert_eq!(classic_port("227 Passive 127,0,0,1,4,1"), Some(1025));
    for bad in
        ["227", "227 \u{fffd}", "227 (1,2,3,4,5)", "227 (1,2,3,4,256,1)", "227 (1,2,3,4,0,0)", "22\u{fffd}1"]
    {
        assert_eq!(classic_port(bad), None, "{bad}");
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn protects_the_login_and_the_file() {
    let (tls, settings, _file) = crate::testing::tls();
    let data = Server::start([tls.clone(), say("well\n")]).await;
    let check = Ftp { security: crate::Security::start_tls(settings), ..fetching("well") };
    let mut acts = vec![say("220 x\r\n"), hear("AUTH TLS\r\n"), say("234 go\r\n"), tls];
    acts.extend(offering(&data, true).drain(1..5));
    acts.extend([hear("PBSZ 0\r\n"), say("200 ok\r\n"), hear("PROT P\r\n"), say("200 ok\r\n")]);
    acts.extend(offering(&data, true).drain(5..));
    assert!(against(&check, acts.clone()).await.is_ok());
    acts[2] = say("502 no\r\n");
    assert_eq!(failure(&check, acts).await.kind, FailureKind::WrongAnswer);
}
