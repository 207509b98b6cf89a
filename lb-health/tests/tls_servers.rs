//! TLS servers of every kind that OpenSSL can be.
#![cfg(all(feature = "http", feature = "tls"))]
#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

#[path = "support/requirements.rs"]
mod requirements;

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use lb_health::{
    Failure, FailureKind, HealthCheck, Outcome, Target,
    probe::http::{Http, HttpSettings},
    tls::TlsSettings,
};

use self::requirements::{free, require_program, search_path};

/// Key, options of `openssl s_server`, and whether rustls has something in common with it.
const SERVERS: &[(&str, &str, bool)] = &[
    ("rsa:2048", "-tls1_3", true),
    ("rsa:2048", "-tls1_2 -cipher AES128-GCM-SHA256", false),
    ("rsa:2048", "-tls1_2 -cipher AES128-SHA:@SECLEVEL=0", false),
    ("rsa:2048", "-tls1_2 -cipher ECDHE-RSA-AES128-SHA", false),
    ("rsa:2048", "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256", false),
    ("rsa:2048", "-tls1_2 -groups P-384", true),
    ("rsa:2048", "-tls1_2 -groups P-521", false),
    ("rsa:2048", "-tls1_2 -sigalgs RSA+SHA1:RSA+SHA256 -cipher DEFAULT:@SECLEVEL=0", true),
    ("rsa:1024", "-tls1_2 -cipher DEFAULT:@SECLEVEL=0", true),
    ("rsa:1024", "-tls1_3 -cipher DEFAULT:@SECLEVEL=0", true),
    ("ec:P-256", "-tls1_2", true),
    ("ec:P-521", "-tls1_2", true),
    ("ec:P-521", "-tls1_3", true),
    ("ed25519", "-tls1_3", true),
    ("ed448", "-tls1_3", true),
];

struct Server(Child, SocketAddr);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn openssl(folder: &Path) -> Command {
    let mut command = Command::new("openssl");
    command.current_dir(folder).env("PATH", search_path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn serve(folder: &Path, key: &str, options: &str) -> Server {
    let name = key.replace(':', "-");
    if !folder.join(&name).exists() {
        let key: Vec<&str> = match key.split_once(':') {
            Some(("ec", curve)) => vec![
                "ec",
                "-pkeyopt",
                if curve == "P-256" { "ec_paramgen_curve:P-256" } else { "ec_paramgen_curve:P-521" },
            ],
            _ => vec![key],
        };
        let status = openssl(folder)
            .args(["req", "-x509", "-nodes", "-days", "9", "-subj", "/CN=www.example", "-newkey"])
            .args(key)
            .args(["-keyout", &name, "-out", &format!("{name}.crt")])
            .status();
        assert!(status.unwrap().success(), "{name}");
    }
    let address = free();
    let mut command = openssl(folder);
    command.args([
        "s_server",
        "-www",
        "-accept",
        &address.to_string(),
        "-key",
        &name,
        "-cert",
        &format!("{name}.crt"),
    ]);
    Server(command.args(options.split(' ')).spawn().unwrap(), address)
}

fn https(settings: TlsSettings) -> Http {
    Http::new(HttpSettings { tls: Some(settings), ..HttpSettings::default() }).unwrap()
}

/// Looks until the server listens.
async fn look(check: &dyn HealthCheck, server: &Server) -> Outcome {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let outcome =
            tokio::time::timeout(Duration::from_secs(30), check.check(&Target::new(server.1))).await.unwrap();
        match outcome {
            Err(Failure { kind: FailureKind::Refused, .. }) if Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            outcome => return outcome,
        }
    }
}

#[tokio::test]
async fn servers_of_every_kind_are_checked() {
    if require_program("servers_of_every_kind_are_checked", "openssl").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let unverified = TlsSettings { verify: false, ..TlsSettings::default() };
    for (key, options, in_common) in SERVERS {
        let server = serve(folder.path(), key, options);
        let check = https(unverified.clone());
        // The second look knows what the first has found.
        for _ in 0..2 {
            let outcome = look(&check, &server).await;
            if *in_common || cfg!(feature = "openssl") {
                assert!(outcome.is_ok(), "{key} {options}: {outcome:?}");
            } else {
                let failure = outcome.unwrap_err();
                assert_eq!(failure.kind, FailureKind::Tls, "{key} {options}: {failure}");
                assert!(failure.detail.contains("feature openssl"), "{key} {options}: {failure}");
            }
        }
    }
}

#[cfg(feature = "openssl")]
#[tokio::test]
async fn openssl_is_as_strict_as_the_settings() {
    use lb_health::{Security, probe::imap::Imap, tls::TlsVersion};

    if require_program("openssl_is_as_strict_as_the_settings", "openssl").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), "rsa:2048", "-tls1_2 -cipher AES128-SHA:@SECLEVEL=0");
    let trusted =
        || TlsSettings { roots: Some(folder.path().join("rsa-2048.crt")), ..TlsSettings::default() };
    let named = TlsSettings { server_name: Some("www.example".into()), ..trusted() };
    look(&https(named.clone()), &server).await.unwrap();
    for settings in [
        TlsSettings { server_name: Some("other.example".into()), ..trusted() },
        // By its address, which the certificate does not bear.
        trusted(),
        TlsSettings { min_version: TlsVersion::V1_3, ..named },
    ] {
        let failure = look(&https(settings.clone()), &server).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Tls, "{settings:?}: {failure}");
    }
    // Line protocols as well: s_server is no IMAP server, which is seen behind the handshake.
    let unverified = TlsSettings { verify: false, ..TlsSettings::default() };
    let imap = Imap { security: Security::tls(unverified), ..Imap::default() };
    let outcome = tokio::time::timeout(Duration::from_secs(1), imap.check(&Target::new(server.1))).await;
    assert!(!matches!(&outcome, Ok(Err(failure)) if failure.kind == FailureKind::Tls), "{outcome:?}");
}
