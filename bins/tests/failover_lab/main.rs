//! lb-failover in a lab: real interfaces that go down, cables that are cut, processes that die, and keepalived on the other
//! node.
//!
//! What is asserted is who has the addresses in the end, and in which order what happened; never how long it took.

#![allow(clippy::print_stderr, clippy::unwrap_used, reason = "a failure is a failed test, and says why")]

#[path = "../support/mod.rs"]
mod support;

mod addressless;
mod article;
mod directives;
mod drain;
mod faults;
mod groups;
mod hmac;
mod mistakes;
#[allow(dead_code, reason = "every test program uses its part")]
mod node;
mod owners;
mod peers;
mod plan;
mod reload;
mod scale;
mod state;
mod takeover;
mod thousand;
mod why;
