//! What the end-to-end tests stand on: the programs under guard, web servers that can die and hang, and clients.

#![allow(
    dead_code,
    unused_imports,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "every test program uses its part, says what it skips, and fails by panicking"
)]

mod client;
mod daemon;
mod web;

use std::{
    io::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicU8, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

pub(crate) use self::{
    client::{Clients, Connection, get},
    daemon::{Daemon, Lab, lines, run, text},
    web::Web,
};

/// Long enough for any machine; reached only by a test that fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer.
pub(crate) fn wait<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    const PAUSE: Duration = Duration::from_millis(20);
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "waited in vain for: {what}");
        thread::sleep(PAUSE);
    }
}

/// A loopback address that no other test, and no outgoing connection, has: a port on it stays free while nobody
/// listens there.
pub(crate) fn address() -> IpAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let next = NEXT.fetch_add(1, SeqCst);
    assert_ne!(next, 0, "a test program has 255 addresses");
    Ipv4Addr::new(127, next, high, low).into()
}

/// An address and port that nobody listens on.
pub(crate) fn free() -> SocketAddr {
    TcpListener::bind((address(), 0)).unwrap().local_addr().unwrap()
}

/// Prints why a test does nothing here; with `LB_REQUIRE_ALL=1` that is a failure.
pub(crate) fn skip(name: &str, needs: &str) {
    assert!(std::env::var_os("LB_REQUIRE_ALL").is_none_or(|all| all != "1"), "{name} needs {needs}");
    // By hand, since `cargo test` keeps what the macros print of a test that passes.
    let _ = writeln!(std::io::stderr(), "skipped: {name}: needs {needs}");
}
