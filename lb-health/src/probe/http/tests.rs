use std::time::Duration;

use tokio::time::timeout;

use super::{BodyDigest, BodyRules, Http, HttpError, HttpSettings, StatusSet};
use crate::{
    Failure, FailureKind, HealthCheck, Login, Outcome, Pattern, Target,
    testing::{Act, PATIENCE, Server, endures, failure, hear, look, refusing, say},
};

fn settings() -> HttpSettings {
    HttpSettings::default()
}

fn http(settings: HttpSettings) -> Http {
    Http::new(settings).unwrap()
}

fn body(pattern: &str) -> HttpSettings {
    HttpSettings { body: BodyRules::matching(Pattern::new(pattern).unwrap()), ..settings() }
}

/// A server that waits for a whole request and answers this.
async fn answers(check: &Http, answer: impl AsRef<[u8]>) -> Outcome {
    let server = Server::start([hear("\r\n\r\n"), say(answer)]).await;
    look(check, &server.target()).await
}

async fn fails(check: &Http, answer: impl AsRef<[u8]>) -> Failure {
    answers(check, answer).await.expect_err("passes a bad answer")
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// The bytes of the request that a check sends.
async fn request(check: &Http) -> String {
    let (heard, mut requests) = tokio::sync::mpsc::channel(1);
    let server = Server::with(move |mut stream| {
        let heard = heard.clone();
        async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut request = vec![0; 4096];
            let got = stream.read(&mut request).await.unwrap();
            heard.send(String::from_utf8(request[..got].to_vec()).unwrap()).await.unwrap();
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
    })
    .await;
    look(check, &server.target()).await.unwrap();
    let request = requests.recv().await.unwrap();
    request.replace(&server.address().to_string(), "TARGET")
}

#[tokio::test]
async fn the_short_way_stands_every_server() {
    endures(
        &http(settings()),
        &[hear("\r\n\r\n"), say("HTTP/1.1 200 OK\r\n"), say("Content-Length: 0\r\n\r\n")],
    )
    .await;
}

#[tokio::test]
async fn the_long_way_stands_every_server() {
    endures(&http(body("hello")), &[hear("\r\n\r\n"), say(OK)]).await;
}

#[tokio::test]
async fn both_ways_send_the_same_request() {
    let login = Some(Login::new("eva", "geheim"));
    let headers = vec![("X-Probe".into(), "1".into()), ("User-Agent".into(), "me".into())];
    for base in [
        settings(),
        HttpSettings {
            login,
            headers,
            host: Some("www.example:8080".into()),
            path: "/a?b=c".into(),
            ..settings()
        },
        HttpSettings { method: "POST".into(), payload: Some("some=thing".into()), ..settings() },
    ] {
        let short = request(&http(base.clone())).await.to_ascii_lowercase();
        let long =
            request(&http(HttpSettings { body: body("hello").body, ..base })).await.to_ascii_lowercase();
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
            lines[1..].sort_unstable();
            lines
        };
        assert_eq!(sorted(&short), sorted(&long));
    }
}

#[tokio::test]
async fn the_request_is_as_set() {
    let plain = request(&http(settings())).await;
    assert!(plain.starts_with("GET / HTTP/1.1\r\nhost: TARGET\r\n"), "{plain}");
    assert!(plain.contains("\r\nconnection: close\r\n") && plain.ends_with("\r\n\r\n"), "{plain}");
    let old = request(&http(HttpSettings { method: "HEAD".into(), http10: true, ..settings() })).await;
    assert!(old.starts_with("HEAD / HTTP/1.0\r\n"), "{old}");
    let login = Some(Login::new("Aladdin", "open sesame"));
    let basic = request(&http(HttpSettings { login, ..settings() })).await;
    // The example of RFC 7617 §2.
    assert!(basic.contains("\r\nauthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"), "{basic}");
    let posted =
        request(&http(HttpSettings { method: "POST".into(), payload: Some("x=1".into()), ..settings() }))
            .await;
    assert!(posted.contains("\r\ncontent-length: 3\r\n") && posted.ends_with("\r\n\r\nx=1"), "{posted}");
}

#[tokio::test]
async fn the_host_is_the_target_without_the_schemes_own_port() {
    let request = http(settings()).request;
    let host = |address: &str| {
        let place = request.place(&Target::new(address.parse().unwrap()), "/");
        let bytes = request.bytes(&place);
        String::from_utf8(bytes).unwrap().split("\r\n").nth(1).unwrap().to_owned()
    };
    assert_eq!(host("10.0.0.1:80"), "host: 10.0.0.1");
    assert_eq!(host("10.0.0.1:8080"), "host: 10.0.0.1:8080");
    assert_eq!(host("[2001:db8::1]:80"), "host: [2001:db8::1]");
}

#[tokio::test]
async fn statuses_are_judged() {
    let passed = answers(&http(settings()), OK).await.unwrap();
    assert_eq!(passed.detail, "200 OK");
    let wrong = fails(&http(settings()), "HTTP/1.1 503 Service Unavailable\r\n\r\n").await;
    assert_eq!((wrong.kind, wrong.detail.as_str()), (FailureKind::WrongAnswer, "503 Service Unavailable"));
    let either = http(HttpSettings { status: "200-204,404".parse().unwrap(), ..settings() });
    answers(&either, "HTTP/1.1 404 Not Found\r\n\r\n").await.unwrap();
    fails(&either, "HTTP/1.1 205 Reset Content\r\n\r\n").await;
    let login = http(HttpSettings { login: Some(Login::new("a", "b")), ..settings() });
    assert_eq!(fails(&login, "HTTP/1.1 401 Unauthorized\r\n\r\n").await.kind, FailureKind::Denied);
}

#[tokio::test]
async fn interim_answers_do_not_count() {
    for check in [http(settings()), http(body("hello"))] {
        answers(&check, format!("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{OK}")).await.unwrap();
    }
}

#[tokio::test]
async fn bodies_are_judged() {
    answers(&http(body("^hel+o$")), OK).await.unwrap();
    assert_eq!(fails(&http(body("bye")), OK).await.kind, FailureKind::WrongAnswer);
    let without = |pattern| {
        let rules = BodyRules { excludes: Some(Pattern::new(pattern).unwrap()), ..BodyRules::default() };
        http(HttpSettings { body: rules, ..settings() })
    };
    answers(&without("error"), OK).await.unwrap();
    assert_eq!(fails(&without("hell"), OK).await.kind, FailureKind::WrongAnswer);
    // printf hello | md5sum, sha256sum (coreutils 9.1)
    for digest in [
        "5d41402abc4b2a76b9719d911017c592",
        "md5:5d41402abc4b2a76b9719d911017c592",
        "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    ] {
        let rules = BodyRules { digest: Some(digest.parse().unwrap()), ..BodyRules::default() };
        let check = http(HttpSettings { body: rules, ..settings() });
        answers(&check, OK).await.unwrap();
        let wrong = fails(&check, OK.replace("hello", "hallo")).await;
        assert_eq!(wrong.kind, FailureKind::WrongAnswer, "{wrong}");
    }
}

#[tokio::test]
async fn bodies_are_read_in_every_framing() {
    for answer in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\n\r\nhello",
    ] {
        answers(&http(body("^hello$")), answer).await.unwrap();
    }
    let cut = fails(&http(body("hello")), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello").await;
    assert_eq!(cut.kind, FailureKind::Closed, "{cut}");
    let torn =
        fails(&http(body("hello")), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n").await;
    assert_eq!(torn.kind, FailureKind::Protocol, "{torn}");
}

#[tokio::test]
async fn an_endless_body_is_cut_and_an_endless_head_refused() {
    let endless =
        |start: &str, more: &str| [hear("\r\n\r\n"), say(start), Act::Flood(more.repeat(99).into_bytes())];
    let limited = |pattern: &str| {
        let mut settings = body(pattern);
        settings.body.limit = 10_000;
        http(settings)
    };
    let start = "HTTP/1.1 200 OK\r\n\r\nstart";
    let server = Server::start(endless(start, "x")).await;
    look(&limited("^start"), &server.target()).await.unwrap();
    assert_eq!(look(&limited("end"), &server.target()).await.unwrap_err().kind, FailureKind::WrongAnswer);
    let mut digest = settings();
    digest.body.digest = Some("5d41402abc4b2a76b9719d911017c592".parse().unwrap());
    let longer = look(&http(digest), &server.target()).await.unwrap_err();
    assert!(longer.detail.contains("longer than 16777216 bytes"), "{longer}");

    let head = failure(&http(body("x")), endless("HTTP/1.1 200 OK\r\n", "A: b\r\n")).await;
    assert_eq!(head.kind, FailureKind::Protocol, "{head}");
    let interim = failure(&http(settings()), endless("", "HTTP/1.1 100 Continue\r\n\r\n")).await;
    assert_eq!(interim.kind, FailureKind::Protocol, "{interim}");
}

#[tokio::test]
async fn garbage_is_a_protocol_error() {
    for check in [http(settings()), http(body("x"))] {
        for garbage in ["SSH-2.0-OpenSSH_9.2\r\n", "\0\0\0\0\0\0\0\0\r\n\r\n", "220 mail ESMTP\r\n"] {
            let failure = fails(&check, garbage).await;
            assert_eq!(failure.kind, FailureKind::Protocol, "{failure}");
        }
    }
}

#[tokio::test]
async fn a_reset_is_a_closed_connection() {
    for check in [http(settings()), http(body("x"))] {
        let server = Server::with(|stream| async move { stream.set_zero_linger().unwrap() }).await;
        let failure = look(&check, &server.target()).await.unwrap_err();
        assert!(matches!(failure.kind, FailureKind::Closed | FailureKind::Refused), "{failure}");
    }
}

#[tokio::test]
async fn dripping_does_not_put_the_deadline_off() {
    for check in [http(settings()), http(body("x"))] {
        let drip = Act::Drip(b"HTTP/1.1 200 OK but slowly, very slowly".to_vec(), Duration::from_millis(30));
        let server = Server::start([drip]).await;
        let outcome = timeout(Duration::from_millis(200), check.check(&server.target())).await;
        assert!(outcome.is_err(), "{outcome:?}");
    }
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_server_only() {
    let to =
        |location: &str| format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    let follow = |redirects| http(HttpSettings { redirects, host: Some("www.example".into()), ..settings() });
    let serve = |location: &'static str| {
        Server::with(move |mut stream| async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut request = vec![0; 4096];
            let got = stream.read(&mut request).await.unwrap();
            let there = request[..got].starts_with(b"GET /there ");
            let answer = if there { OK.to_owned() } else { to(location) };
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
    };
    for location in ["/there", "http://www.example/there", "http://WWW.example:80/there#x"] {
        let server = serve(location).await;
        assert_eq!(look(&follow(1), &server.target()).await.unwrap().detail, "200 OK");
        assert_eq!(look(&follow(0), &server.target()).await.unwrap_err().detail, "302 Found");
    }
    for location in [
        "http://other.example/there",
        "https://www.example/there",
        "//other.example/there",
        "ftp://x/",
        "http:/x",
    ] {
        let server = serve(location).await;
        let failure = look(&follow(9), &server.target()).await.unwrap_err();
        assert!(failure.kind == FailureKind::WrongAnswer && failure.detail.contains(location), "{failure}");
    }
    // Relative to where the redirect was found.
    for location in
        ["there", "./x/../there", "../../there#x", "//www.example/there", "//www.example:80/there"]
    {
        let server = serve(location).await;
        assert_eq!(look(&follow(1), &server.target()).await.unwrap().detail, "200 OK", "{location}");
    }
    let circle = serve("/circle").await;
    assert_eq!(look(&follow(3), &circle.target()).await.unwrap_err().detail, "302 Found");
    let wanted = http(HttpSettings { redirects: 3, status: "302".parse().unwrap(), ..settings() });
    assert_eq!(look(&wanted, &circle.target()).await.unwrap().detail, "302 Found");
}

#[tokio::test]
async fn redirects_to_other_hosts_are_followed_without_the_login_if_asked_for() {
    let other = Server::with(|mut stream| async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut request = vec![0; 4096];
        let got = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..got]).to_ascii_lowercase();
        let answer = match request.split(' ').nth(1).unwrap() {
            "/deep/a%20b" => "HTTP/1.1 302 Found\r\nLocation: ../there?q\r\n\r\n".to_owned(),
            "/there?q" => format!("HTTP/1.1 200 OK\r\n\r\n{request}"),
            _ => "HTTP/1.1 404 Not Found\r\n\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let address = other.address();
    let redirect = format!("HTTP/1.1 301 Moved\r\nLocation: http://u:p@{address}/deep/a b#c\r\n\r\n");
    let with = |other_hosts, pattern: &str| {
        let login = Some(Login::new("u", "p"));
        http(HttpSettings { redirects: 7, other_hosts, login, ..body(pattern) })
    };
    answers(&with(true, &format!("host: {address}\r")), &redirect).await.unwrap();
    let wrong = fails(&with(true, "authorization"), &redirect).await;
    assert!(wrong.detail.contains("/authorization/ is not in the body"), "{wrong}");
    let away = fails(&with(false, "."), &redirect).await;
    assert!(away.detail.starts_with("301 Moved leads away from this server"), "{away}");
    let gone = redirect.replace(&address.to_string(), "nobody.invalid");
    let unknown = fails(&with(true, "."), &gone).await;
    assert_eq!(unknown.kind, FailureKind::Unreachable, "{unknown}");
}

#[tokio::test]
async fn a_url_replaces_address_port_and_path() {
    let acts = [hear("GET /page?x HTTP/1.1\r\n"), hear("Host: shop.example\r\n"), say(OK)];
    let server = Server::start(acts).await;
    let url = format!("http://localhost:{}/page?x", server.address().port());
    let check = http(HttpSettings {
        url: Some(url),
        host: Some("shop.example".into()),
        redirects: 1,
        ..body("hello")
    });
    look(&check, &refusing().await).await.unwrap();
    for url in
        ["https://localhost/", "ftp://localhost/", "http:///x", "http://localhost:x/", "/x", "http://h/a b"]
    {
        let settings = HttpSettings { url: Some(url.into()), ..settings() };
        assert!(matches!(Http::new(settings), Err(HttpError::Url(_))), "{url}");
    }
}

#[test]
fn what_cannot_be_sent_is_refused() {
    type Change = fn(&mut HttpSettings);
    let bad = |change: Change| {
        let mut settings = settings();
        change(&mut settings);
        Http::new(settings).unwrap_err()
    };
    assert!(matches!(bad(|s| s.method = "GE T".into()), HttpError::Method(_)));
    for path in ["", "x", "/a b", "/a\r\nX: y", "/a#b"] {
        let settings = HttpSettings { path: path.into(), ..settings() };
        assert!(matches!(Http::new(settings), Err(HttpError::Path(_))), "{path:?}");
    }
    for host in ["", "a\r\nX: y", "a\0b"] {
        let settings = HttpSettings { host: Some(host.into()), ..settings() };
        assert!(matches!(Http::new(settings), Err(HttpError::Host(_))), "{host:?}");
    }
    assert!(matches!(bad(|s| s.headers = vec![("A B".into(), "c".into())]), HttpError::Header(_)));
    assert!(matches!(bad(|s| s.headers = vec![("A".into(), "b\r\nC: d".into())]), HttpError::Header(_)));
    assert!(matches!(bad(|s| s.headers = vec![("Content-Length".into(), "9".into())]), HttpError::Header(_)));
}

#[test]
fn sets_of_statuses() {
    let set: StatusSet = "301, 200-299 404".parse().unwrap();
    assert_eq!(set.to_string(), "200-299,301,404");
    assert!(set.contains(200) && set.contains(301) && !set.contains(300) && !set.contains(405));
    for bad in ["", "x", "99", "600", "299-200", "200-", "-200", "2xx"] {
        bad.parse::<StatusSet>().unwrap_err();
    }
}

#[test]
fn digests() {
    for bad in [
        "",
        "md5:",
        "5d41402abc4b2a76b9719d911017c59",
        "sha256:5d41402abc4b2a76b9719d911017c592",
        "crc:00",
        "zz",
    ] {
        bad.parse::<BodyDigest>().unwrap_err();
    }
    let digest: BodyDigest = "5D41402ABC4B2A76B9719D911017C592".parse().unwrap();
    assert_eq!(digest.to_string(), "md5:5d41402abc4b2a76b9719d911017c592");
}

#[test]
fn identity_shows_settings_and_hides_passwords() {
    let with = |password: &str| {
        http(HttpSettings { login: Some(Login::new("eva", password)), ..settings() }).identity()
    };
    assert_ne!(with("geheim"), with("geheim2"));
    assert!(!with("geheim").contains("geheim"));
    assert_ne!(http(settings()).identity(), http(body("x")).identity());
}

#[tokio::test]
async fn nobody_there() {
    let refused = look(&http(settings()), &refusing().await).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Refused);
    let waiting = timeout(PATIENCE, async { Server::start([Act::Hang]).await }).await.unwrap();
    let outcome = timeout(Duration::from_millis(50), http(settings()).check(&waiting.target())).await;
    assert!(outcome.is_err());
}

#[tokio::test]
async fn heads_and_framing_without_end_are_given_up() {
    let redirected = http(HttpSettings { redirects: 7, ..settings() });
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(20);
    for check in [&redirected, &http(body("hello")), &http(settings())] {
        let endless = failure(check, [hear("\r\n\r\n"), Act::Flood(interim.clone().into())]).await;
        assert_eq!(endless.kind, FailureKind::Protocol, "{endless}");
    }
    // The size of a chunk with zeros in front of it.
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let acts = [hear("\r\n\r\n"), say(head), Act::Flood(vec![b'0'; 4096])];
    let rules = BodyRules { limit: 1000, ..BodyRules::matching(Pattern::new("hello").unwrap()) };
    let endless = failure(&http(HttpSettings { body: rules, ..settings() }), acts).await;
    assert_eq!(endless.kind, FailureKind::Protocol, "{endless}");
    // Ordinary heads and bodies stay below the limits: many small chunks.
    let chunks = "1\r\nx\r\n".repeat(100_000);
    let answer = format!("{}{head}{chunks}5\r\nhello\r\n0\r\n\r\n", interim.repeat(10));
    answers(&http(body("hello$")), answer).await.unwrap();
}
