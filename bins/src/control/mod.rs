//! The unix socket between a running daemon and `lbctl`: one JSON request per line, one JSON answer per line.

pub mod client;
pub mod history;
mod idle;
pub mod protocol;
pub mod server;
mod socket;
pub mod store;
