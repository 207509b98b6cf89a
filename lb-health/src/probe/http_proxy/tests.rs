use super::HttpProxy;
use crate::{
    FailureKind, HealthCheck,
    probe::http::{HttpError, HttpSettings},
    testing::{Server, endures, failure, hear, look, say},
};

fn proxy(url: &str) -> HttpProxy {
    HttpProxy::new(url, HttpSettings::default()).unwrap()
}

#[tokio::test]
async fn the_url_goes_into_the_request_line() {
    let check = proxy("http://www.example:8080/path?q");
    let request = "GET http://www.example:8080/path?q HTTP/1.1\r\nhost: www.example:8080\r\n";
    endures(&check, &[hear(request), say("HTTP/1.1 200 OK\r\n")]).await;
    assert_eq!(check.kind(), "http-proxy");
}

#[tokio::test]
async fn the_proxys_own_error_counts() {
    let error = failure(
        &proxy("http://www.example/"),
        [hear("\r\n\r\n"), say("HTTP/1.1 504 Gateway Timeout\r\n\r\n")],
    )
    .await;
    assert_eq!((error.kind, error.detail.as_str()), (FailureKind::WrongAnswer, "504 Gateway Timeout"));
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_tunnel_that_is_refused() {
    let check = proxy("https://www.example/");
    let request = "CONNECT www.example:443 HTTP/1.1\r\nHost: www.example:443\r\n\r\n";
    for (answer, kind) in [
        ("403 Forbidden", FailureKind::Denied),
        ("407 Proxy Authentication Required", FailureKind::Denied),
        ("502 Bad Gateway", FailureKind::WrongAnswer),
    ] {
        let error = failure(&check, [hear(request), say(format!("HTTP/1.1 {answer}\r\n\r\n"))]).await;
        assert_eq!(error.kind, kind, "{error}");
    }
    // A tunnel to somebody who does not speak TLS.
    let server = Server::start([
        hear(request),
        say("HTTP/1.1 200 OK\r\n\r\n"),
        hear("\x16\x03"),
        say("SSH-2.0-x\r\n"),
    ])
    .await;
    assert_eq!(look(&check, &server.target()).await.unwrap_err().kind, FailureKind::Tls);
}

#[test]
fn not_every_url_will_do() {
    for url in ["", "/path", "www.example", "ftp://www.example/", "http://", "http:///x", "http://u@h/"] {
        let error = HttpProxy::new(url, HttpSettings::default()).unwrap_err();
        assert!(matches!(error, HttpError::Url(_) | HttpError::Host(_)), "{url:?}: {error}");
    }
}
