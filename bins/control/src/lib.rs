//! The control protocol of lb-director and lb-failover, with a client and a server.
//!
//! A daemon listens on a unix socket. A client writes one JSON request per line and reads one JSON answer per line;
//! [`protocol`] documents all of them.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use lb_control::{client::Client, protocol::{Answer, Request}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = Client::connect(Path::new("/run/lb/lb-failover.sock"))?;
//! if let Answer::Status(status) = client.ask(&Request::Status)? {
//!     for instance in &status.instances {
//!         println!("{}: {:?}", instance.name, instance.state);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod client;
pub mod event;
pub mod history;
mod idle;
pub mod protocol;
pub mod server;
mod socket;
pub mod store;
pub mod story;
pub mod wording;
