#![cfg(feature = "http")]

use std::{io::Write, sync::Arc, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::NamedTempFile;

use super::{TlsClient, TlsError, TlsSettings, TlsVersion};
use crate::{
    Failure, FailureKind, HealthCheck, Outcome, Pattern,
    probe::http::{BodyRules, Http, HttpSettings},
    testing::{Act, Server, hear, look, say},
};

/// An authority of our own, and servers with certificates of it.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: NamedTempFile,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(issuer.pem().as_bytes()).unwrap();
        Self { issuer, file }
    }

    fn settings(&self) -> TlsSettings {
        TlsSettings { roots: Some(self.file.path().into()), ..TlsSettings::default() }
    }

    /// A server that answers `acts` over TLS with a certificate for this name.
    async fn serve(&self, name: &str, change: impl FnOnce(&mut CertificateParams), acts: Vec<Act>) -> Server {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS12, &rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let acts: Vec<Act> = [Act::Tls(acceptor)].into_iter().chain(acts).collect();
        Server::start(acts).await
    }
}

fn answer() -> Vec<Act> {
    vec![hear("\r\n\r\n"), say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")]
}

fn https(host: &str, tls: TlsSettings) -> Http {
    Http::new(HttpSettings { tls: Some(tls), host: Some(host.into()), ..HttpSettings::default() }).unwrap()
}

async fn outcome(check: &Http, server: &Server) -> Outcome {
    look(check, &server.target()).await
}

async fn failure(check: &Http, server: &Server) -> Failure {
    outcome(check, server).await.expect_err("passes")
}

#[tokio::test]
async fn the_right_certificate_passes() {
    let authority = Authority::new();
    let server = authority.serve("www.example", |_| {}, answer()).await;
    let check = https("www.example", authority.settings());
    assert_eq!((check.kind(), outcome(&check, &server).await.unwrap().detail.as_str()), ("https", "200 OK"));
    let body = BodyRules::matching(Pattern::new("^hello$").unwrap());
    let long = HttpSettings { body, ..check.settings().clone() };
    outcome(&Http::new(long).unwrap(), &server).await.unwrap();
    let strict = TlsSettings { min_version: TlsVersion::V1_3, ..authority.settings() };
    outcome(&https("www.example", strict), &server).await.unwrap();
}

#[tokio::test]
async fn an_address_is_verified_as_one() {
    let authority = Authority::new();
    let check =
        Http::new(HttpSettings { tls: Some(authority.settings()), ..HttpSettings::default() }).unwrap();
    outcome(&check, &authority.serve("127.0.0.1", |_| {}, answer()).await).await.unwrap();
    let other = authority.serve("127.0.0.2", |_| {}, answer()).await;
    assert_eq!(failure(&check, &other).await.kind, FailureKind::Tls);
}

#[tokio::test]
async fn wrong_certificates_fail_unless_told_not_to_look() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let expired = |params: &mut CertificateParams| params.not_after = date_time_ymd(2020, 1, 1);
    let servers = [
        ("wrong name", authority.serve("other.example", |_| {}, answer()).await),
        ("expired", authority.serve("www.example", expired, answer()).await),
        ("unknown authority", stranger.serve("www.example", |_| {}, answer()).await),
    ];
    for (what, server) in &servers {
        let failure = failure(&https("www.example", authority.settings()), server).await;
        assert_eq!(failure.kind, FailureKind::Tls, "{what}: {failure}");
        let unverified = TlsSettings { verify: false, ..TlsSettings::default() };
        outcome(&https("www.example", unverified), server).await.unwrap();
    }
    let named = TlsSettings { server_name: Some("other.example".into()), ..authority.settings() };
    outcome(&https("www.example", named), &servers[0].1).await.unwrap();
}

#[tokio::test]
async fn who_does_not_speak_tls_fails() {
    let check = https("www.example", Authority::new().settings());
    let server = Server::start([say("220 mail ESMTP\r\n"), Act::Hang]).await;
    assert_eq!(failure(&check, &server).await.kind, FailureKind::Tls);
    let closes = Server::with(|mut stream| async move {
        let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await;
    })
    .await;
    assert_eq!(failure(&check, &closes).await.kind, FailureKind::Closed);
    let hangs = Server::start([Act::Hang]).await;
    let waiting = tokio::time::timeout(Duration::from_millis(100), check.check(&hangs.target())).await;
    assert!(waiting.is_err(), "{waiting:?}");
}

#[test]
fn settings_that_cannot_work_are_told_before() {
    let with = |roots: &std::path::Path| TlsSettings { roots: Some(roots.into()), ..TlsSettings::default() };
    assert!(matches!(TlsClient::new(with("/no/such/file".as_ref())), Err(TlsError::Read { .. })));
    let empty = NamedTempFile::new().unwrap();
    assert!(matches!(TlsClient::new(with(empty.path())), Err(TlsError::NoRoots(_))));
    let name = TlsSettings { server_name: Some("no name".into()), verify: false, ..TlsSettings::default() };
    assert!(matches!(TlsClient::new(name), Err(TlsError::Name(_))));
}

#[test]
fn equal_settings_share_one_configuration() {
    let (one, other) = (Authority::new(), Authority::new());
    let client = |settings| TlsClient::new(settings).unwrap();
    let (a, b) = (client(one.settings()), client(one.settings()));
    assert!(Arc::ptr_eq(&a.config, &b.config));
    assert!(!Arc::ptr_eq(&a.config, &client(other.settings()).config));
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
}
