//! vsftpd and Redis.

use std::fs;
use std::process::Command;

use lb_health::probe::ftp::Ftp;
use lb_health::probe::redis::{Redis, Role};
use lb_health::{FailureKind, Login, Pattern};

use super::daemon::{Daemon, directory, free_port, is_root, kind_of_failure, look, target};
use crate::requirements::require_program;

#[tokio::test]
async fn redis() {
    let Some(server) = require_program("redis", "redis-server") else { return };
    let directory = directory();
    let port = free_port();
    let mut command = Command::new(server);
    command.args([
        "--bind",
        "127.0.0.1",
        "--port",
        &port.to_string(),
        "--save",
        "",
        "--requirepass",
        "geheim",
    ]);
    command.arg("--dir").arg(directory.path());
    let mut daemon = Daemon::start(&mut command, directory.path());
    let target = target(port);

    let check = Redis { login: Some(Login::new("", "geheim")), ..Default::default() };
    assert_eq!(daemon.until_up(&check, &target).await.detail, "PONG");
    let named = Redis { login: Some(Login::new("default", "geheim")), ..Default::default() };
    assert!(look(&named, &target).await.is_ok());
    let master = Redis { role: Some(Role::Master), ..check.clone() };
    assert_eq!(look(&master, &target).await.unwrap().detail, "PONG; master");
    let replica = Redis { role: Some(Role::Replica), ..check.clone() };
    assert_eq!(kind_of_failure(&replica, &target).await, FailureKind::WrongAnswer);
    assert_eq!(kind_of_failure(&Redis::default(), &target).await, FailureKind::Denied);
    let wrong = Redis { login: Some(Login::new("", "wrong")), ..Default::default() };
    assert_eq!(kind_of_failure(&wrong, &target).await, FailureKind::Denied);

    drop(daemon);
    assert_eq!(kind_of_failure(&check, &target).await, FailureKind::Refused);
}

#[tokio::test]
async fn vsftpd() {
    let Some(server) = require_program("vsftpd", "vsftpd") else { return };
    let directory = directory();
    let (root, empty) = (directory.path().join("root"), directory.path().join("empty"));
    fs::create_dir(&root).unwrap();
    fs::create_dir(&empty).unwrap();
    fs::write(root.join("health"), "all is\nwell\n").unwrap();
    let port = free_port();
    let config = directory.path().join("vsftpd.conf");
    let (root, empty) = (root.display(), empty.display());
    let rootless = if is_root() { "" } else { "run_as_launching_user=YES\n" };
    fs::write(
        &config,
        format!(
            "listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\nanonymous_enable=YES\n\
             local_enable=NO\nanon_root={root}\nsecure_chroot_dir={empty}\nseccomp_sandbox=NO\n{rootless}"
        ),
    )
    .unwrap();
    let mut daemon = Daemon::start(Command::new(server).arg(&config), directory.path());
    let target = target(port);

    let fetching = |path: &str, expect: &str| Ftp {
        path: Some(path.into()),
        expect: Some(Pattern::new(expect).unwrap()),
        ..Default::default()
    };
    assert!(daemon.until_up(&Ftp::default(), &target).await.detail.starts_with("230 "));
    assert_eq!(look(&fetching("health", "(?m)^well$"), &target).await.unwrap().detail, "health: 12 bytes");
    assert_eq!(kind_of_failure(&fetching("health", "ill"), &target).await, FailureKind::WrongAnswer);
    assert_eq!(kind_of_failure(&fetching("missing", ""), &target).await, FailureKind::WrongAnswer);
    let stranger = Ftp { login: Login::new("nobody", "wrong"), ..Default::default() };
    assert_eq!(kind_of_failure(&stranger, &target).await, FailureKind::Denied);

    drop(daemon);
    assert_eq!(kind_of_failure(&Ftp::default(), &target).await, FailureKind::Refused);
}
