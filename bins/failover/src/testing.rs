//! What tests of several modules need.

use std::time::Duration;

pub(super) use crate::requirements::skip;
use crate::requirements::{NETWORK, has_programs, run_isolated};

/// Only to notice what hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until it is so.
pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let so = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, so).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// Runs the body as root of new user and network namespaces, in another process and on one thread.
pub(super) fn isolated(test: &str, body: impl AsyncFnOnce()) {
    if !has_programs(test, &["ip"]) {
        return;
    }
    run_isolated(test, NETWORK, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(body());
    });
}
