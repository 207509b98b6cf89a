//! What tests of several modules need.

use std::{io::Write as _, time::Duration};

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
