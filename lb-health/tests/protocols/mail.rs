//! OpenSMTPD and Dovecot.

use std::fs;
use std::process::Command;

use lb_health::probe::imap::Imap;
use lb_health::probe::pop::Pop;
use lb_health::probe::smtp::Smtp;
use lb_health::{FailureKind, Login, Security};

use super::daemon::{Daemon, directory, free_port, give, is_root, kind_of_failure, look, target};
use crate::requirements::{require_program, skip};

#[tokio::test]
async fn opensmtpd() {
    let Some(server) = require_program("opensmtpd", "smtpd") else { return };
    if !is_root() {
        return skip("opensmtpd", "root");
    }
    let directory = directory();
    let port = free_port();
    let config = directory.path().join("smtpd.conf");
    fs::write(
        &config,
        format!("listen on 127.0.0.1 port {port}\naction \"drop\" mda \"/bin/true\"\nmatch for local action \"drop\"\n"),
    )
    .unwrap();
    // Its spool and its socket have fixed places; in a mount namespace they are its own.
    let script = "mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/spool && mkdir -m 711 /var/spool/smtpd && \
                  exec \"$0\" -d -f \"$1\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(server).arg(&config);
    let mut daemon = Daemon::start(&mut command, directory.path());
    let target = target(port);

    let detail = daemon.until_up(&Smtp::default(), &target).await.detail;
    assert!(detail.starts_with("220 ") && detail.contains("; 250-"), "{detail}");
    {
        let start =
            Smtp { security: lb_health::Security::start_tls(Default::default()), ..Default::default() };
        assert_eq!(kind_of_failure(&start, &target).await, FailureKind::WrongAnswer);
    }
    drop(daemon);
    assert_eq!(kind_of_failure(&Smtp::default(), &target).await, FailureKind::Refused);
}

#[tokio::test]
async fn dovecot() {
    let Some(server) = require_program("dovecot", "dovecot") else { return };
    if !is_root() {
        return skip("dovecot", "root");
    }
    let directory = directory();
    let home = directory.path().join("home");
    fs::create_dir(&home).unwrap();
    give(&home, "nobody");
    let settings = super::daemon::certificate(directory.path(), "root");
    let (imap, imaps, pop, pops) = (free_port(), free_port(), free_port(), free_port());
    let config = directory.path().join("dovecot.conf");
    let place = directory.path().display();
    fs::write(
        &config,
        format!(
            "base_dir = {place}/run\nstate_dir = {place}/state\nlog_path = {place}/log\nlisten = 127.0.0.1\n\
             protocols = imap pop3\ndisable_plaintext_auth = no\n\
             ssl = yes\nssl_cert = <{place}/cert.pem\nssl_key = <{place}/key.pem\n\
             mail_location = maildir:{place}/home/mail\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n\
             passdb {{\n driver = static\n args = password=geheim\n}}\n\
             userdb {{\n driver = static\n args = uid=nobody gid=nogroup home={place}/home\n}}\n\
             service imap-login {{\n inet_listener imap {{\n port = {imap}\n }}\n inet_listener imaps {{\n port = {imaps}\n }}\n}}\n\
             service pop3-login {{\n inet_listener pop3 {{\n port = {pop}\n }}\n inet_listener pop3s {{\n port = {pops}\n }}\n}}\n\
             service anvil {{\n chroot =\n}}\nservice stats {{\n chroot =\n}}\n"
        ),
    )
    .unwrap();
    let mut daemon = Daemon::start(Command::new(server).arg("-F").arg("-c").arg(&config), directory.path());
    let bob = Some(Login::new("bob", "geheim"));
    let mallory = Some(Login::new("bob", "wrong"));

    let check = Imap { login: bob.clone(), ..Default::default() };
    let detail = daemon.until_up(&Imap::default(), &target(imap)).await.detail;
    assert!(detail.starts_with("* OK "), "{detail}");
    assert!(look(&check, &target(imap)).await.unwrap().detail.starts_with("a OK "));
    for (security, port) in
        [(Security::tls(settings.clone()), imaps), (Security::start_tls(settings.clone()), imap)]
    {
        look(&Imap { security, ..check.clone() }, &target(port)).await.unwrap();
    }
    let wrong = Imap { login: mallory.clone(), ..Default::default() };
    assert_eq!(kind_of_failure(&wrong, &target(imap)).await, FailureKind::Denied);
    let distrusting = Imap { security: Security::tls(Default::default()), ..Default::default() };
    assert_eq!(kind_of_failure(&distrusting, &target(imaps)).await, FailureKind::Tls);

    let check = Pop { login: bob, ..Default::default() };
    assert!(daemon.until_up(&Pop::default(), &target(pop)).await.detail.starts_with("+OK "));
    look(&check, &target(pop)).await.unwrap();
    for (security, port) in [(Security::tls(settings.clone()), pops), (Security::start_tls(settings), pop)] {
        look(&Pop { security, ..check.clone() }, &target(port)).await.unwrap();
    }
    let wrong = Pop { login: mallory, ..Default::default() };
    assert_eq!(kind_of_failure(&wrong, &target(pop)).await, FailureKind::Denied);

    drop(daemon);
    assert_eq!(kind_of_failure(&Imap::default(), &target(imap)).await, FailureKind::Refused);
    assert_eq!(kind_of_failure(&Pop::default(), &target(pop)).await, FailureKind::Refused);
}
