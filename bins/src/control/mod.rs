//! The unix socket between a running daemon and `lbctl`: one JSON request per line, one JSON answer per line.

pub mod client;
mod idle;
pub mod protocol;
pub mod server;
mod socket;
pub mod store;
