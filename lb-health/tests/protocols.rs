//! The probes against the real servers of their protocols, each a child process of the test, on loopback.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and says what it skips")]

#[path = "support/requirements.rs"]
mod requirements;

mod protocols {
    mod daemon;
    mod databases;
    mod files_and_stores;
    mod mail;
    mod names;
}
