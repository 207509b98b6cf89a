//! What tests of several modules need.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

/// Only to notice what hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Says that a test can not be run here.
pub(super) fn skip(test: &str, needs: &str) {
    assert!(std::env::var_os("LB_REQUIRE_ALL").is_none(), "{test}: needs {needs}");
    // By hand, since `cargo test` keeps what the macros print of a test that passes.
    let _ = writeln!(std::io::stderr(), "skipped: {test}: needs {needs}");
}

/// Waits until it is so.
pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let so = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, so).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

const INSIDE: &str = "LB_FAILOVER_LAB";

/// Runs the body as root of new user and network namespaces, in another process and on one thread.
pub(super) fn isolated(test: &str, body: impl AsyncFnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(body());
    }
    let works = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    if !works(Command::new("ip").arg("-V")) {
        return skip(test, "ip (apt-get install iproute2)");
    }
    // Where user namespaces are forbidden, root can do without.
    let choices: [&[&str]; 2] = [&["--user", "--map-root-user", "--net"], &["--net"]];
    let Some(namespaces) =
        choices.iter().find(|choice| works(Command::new("unshare").args(**choice).arg("true")))
    else {
        return skip(test, "user namespaces (sysctl -w kernel.unprivileged_userns_clone=1), or root");
    };
    let output = Command::new("unshare")
        .args(*namespaces)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{out}{err}");
    assert!(output.status.success(), "in its namespaces {test} failed");
    assert!(out.contains("1 passed"), "{test} is not the name of the test");
}
