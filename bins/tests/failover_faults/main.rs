//! lb-failover under bad input and faults: interfaces that are not there, configurations that are wrong, peers that send
//! anything at all, signals, and everything that a command line can be.
//!
//! What is asserted is what is the case in the end, and what was said; never how long it took.

#![allow(clippy::print_stderr, clippy::unwrap_used, reason = "a failure is a failed test, and says why")]

#[path = "../support/mod.rs"]
mod support;

mod blocks;
mod command_line;
mod configuration;
mod interfaces;
mod kills;
mod moves;
#[path = "../failover_lab/node.rs"]
#[allow(dead_code, reason = "every test program uses its part")]
mod node;
mod noise;
mod notifications;
mod processes;
mod signals;
mod sources;
mod supervisor;
mod virtual_interfaces;
