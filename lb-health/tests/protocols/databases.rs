//! MariaDB and PostgreSQL.

use std::fs;
use std::process::Command;

use lb_health::probe::mysql::Mysql;
use lb_health::probe::pgsql::Pgsql;
use lb_health::{FailureKind, Login, Security};

use super::daemon::{
    Daemon, as_user, directory, free_port, give, is_root, kind_of_failure, look, run, target,
};
use crate::requirements::require_program;

#[tokio::test]
async fn mariadb() {
    let (Some(install), Some(server)) =
        (require_program("mariadb", "mariadb-install-db"), require_program("mariadb", "mariadbd"))
    else {
        return;
    };
    let directory = directory();
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    give(&data, "nobody");
    let mut command = Command::new(install);
    command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
    as_user(command.arg("--datadir").arg(&data).current_dir(&data), "nobody");
    run(&mut command);

    let init = directory.path().join("init.sql");
    fs::write(
        &init,
        "CREATE USER health@'%' IDENTIFIED BY 'geheim';\nCREATE DATABASE shop;\nCREATE TABLE shop.goods (id INT);\n\
         GRANT SELECT ON shop.* TO health@'%';\n",
    )
    .unwrap();
    let port = free_port();
    let mut command = Command::new(server);
    command.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-log-bin"]);
    command.arg(format!("--port={port}")).arg(format!("--socket={}", data.join("socket").display()));
    command.arg(format!("--datadir={}", data.display())).arg(format!("--init-file={}", init.display()));
    as_user(&mut command, "nobody");
    let mut daemon = Daemon::start(&mut command, directory.path());
    let (target, login) = (target(port), Some(Login::new("health", "geheim")));

    let check = Mysql { login: login.clone(), ..Default::default() };
    let detail = daemon.until_up(&check, &target).await.detail;
    assert!(detail.contains("MariaDB") && detail.ends_with(": 1"), "{detail}");
    assert!(look(&Mysql::default(), &target).await.unwrap().detail.contains("MariaDB"));

    let shop = |query: &str| Mysql { database: Some("shop".into()), query: query.into(), ..check.clone() };
    assert!(look(&shop("SELECT COUNT(*), 'x' FROM goods"), &target).await.unwrap().detail.ends_with(": 0"));
    assert_eq!(kind_of_failure(&shop("SELECT * FROM goods"), &target).await, FailureKind::WrongAnswer);
    assert_eq!(kind_of_failure(&shop("SELECT * FROM bads"), &target).await, FailureKind::WrongAnswer);
    assert_eq!(kind_of_failure(&shop("SELECT nonsense"), &target).await, FailureKind::WrongAnswer);
    let wrong = Mysql { login: Some(Login::new("health", "wrong")), ..Default::default() };
    assert_eq!(kind_of_failure(&wrong, &target).await, FailureKind::Denied);
    let foreign = Mysql { database: Some("mysql".into()), ..check.clone() };
    assert_eq!(kind_of_failure(&foreign, &target).await, FailureKind::Denied);

    // The server has not missed a goodbye: not after rows that nobody wanted to see, nor after errors.
    for query in
        ["SELECT * FROM information_schema.COLLATIONS", "SELECT REPEAT('x', 9999)", "SELECT 1 UNION SELECT 2"]
    {
        look(&shop(query), &target).await.unwrap();
    }
    let aborted =
        "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'ABORTED_CLIENTS'";
    let detail = look(&shop(aborted), &target).await.unwrap().detail;
    assert!(detail.ends_with(": 0"), "{detail}");

    drop(daemon);
    assert_eq!(kind_of_failure(&check, &target).await, FailureKind::Refused);
}

#[tokio::test]
async fn postgresql() {
    let (Some(initdb), Some(server)) = (
        require_program("postgresql", "initdb"),
        // Beside the other, where the same version is.
        require_program("postgresql", "postgres"),
    ) else {
        return;
    };
    let server = Some(initdb.with_file_name("postgres")).filter(|path| path.exists()).unwrap_or(server);
    let user = if is_root() { "postgres" } else { "" };
    let directory = directory();
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    give(&data, user);
    let password = directory.path().join("password");
    fs::write(&password, "geheim\n").unwrap();
    let mut command = Command::new(initdb);
    command.args([
        "--username=health",
        "--auth=scram-sha-256",
        "--no-sync",
        "--no-locale",
        "--encoding=UTF8",
    ]);
    command.arg(format!("--pwfile={}", password.display())).arg("-D").arg(&data);
    as_user(command.current_dir(&data), user);
    run(&mut command);

    let settings = super::daemon::certificate(directory.path(), user);
    let port = free_port();
    let mut command = Command::new(server);
    command.arg("-D").arg(&data).arg("-k").arg(&data).args(["-p", &port.to_string(), "-c", "fsync=off"]);
    command.args(["-c", "listen_addresses=127.0.0.1"]);
    for (name, file) in [("ssl_cert_file", "cert.pem"), ("ssl_key_file", "key.pem")] {
        command.args(["-c", "ssl=on", "-c", &format!("{name}={}", directory.path().join(file).display())]);
    }
    as_user(command.current_dir(&data), user);
    let mut daemon = Daemon::start(&mut command, directory.path());
    let target = target(port);

    let login = Some(Login::new("health", "geheim"));
    let check = Pgsql { login: login.clone(), database: Some("postgres".into()), ..Default::default() };
    assert_eq!(daemon.until_up(&check, &target).await.detail, "1 (1 rows)");
    assert_eq!(look(&Pgsql::default(), &target).await.unwrap().detail, "speaks PostgreSQL");

    let asking = |query: &str| Pgsql { query: query.into(), ..check.clone() };
    assert_eq!(look(&asking("SELECT generate_series(7, 9)"), &target).await.unwrap().detail, "7 (3 rows)");
    assert_eq!(kind_of_failure(&asking("SELECT 1 WHERE false"), &target).await, FailureKind::WrongAnswer);
    assert_eq!(kind_of_failure(&asking("SELECT nonsense"), &target).await, FailureKind::WrongAnswer);
    let huge = asking("SELECT repeat('x', 1000000)");
    assert_eq!(kind_of_failure(&huge, &target).await, FailureKind::Protocol);
    let wrong = Pgsql { login: Some(Login::new("health", "wrong")), ..check.clone() };
    assert_eq!(kind_of_failure(&wrong, &target).await, FailureKind::Denied);
    let missing = Pgsql { database: None, ..check.clone() };
    assert_eq!(kind_of_failure(&missing, &target).await, FailureKind::WrongAnswer);

    let over_tls = Pgsql { security: Security::start_tls(settings), ..check.clone() };
    assert_eq!(look(&over_tls, &target).await.unwrap().detail, "1 (1 rows)");
    let distrusting = Pgsql { security: Security::start_tls(Default::default()), ..check.clone() };
    assert_eq!(kind_of_failure(&distrusting, &target).await, FailureKind::Tls);
    drop(daemon);
    assert_eq!(kind_of_failure(&check, &target).await, FailureKind::Refused);
}
