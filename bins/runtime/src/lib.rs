//! What a daemon needs from its system: clock, log, pid file, state folder, child processes, systemd.
//!
//! ```
//! use std::time::Duration;
//!
//! use lb_runtime::span;
//!
//! assert_eq!(span::parse_span("1h30m"), Ok(Duration::from_secs(5400)));
//! assert_eq!(span::span(Duration::from_secs(187)), "3m07s");
//! ```
#![forbid(unsafe_code)]

pub mod clock;
pub mod detach;
pub mod file_id;
pub mod group;
pub mod hook;
pub mod limits;
pub mod log;
pub mod mail;
pub mod namespace;
pub mod paths;
pub mod pidfile;
pub mod printable;
pub mod role;
pub mod span;
pub mod state_dir;
pub mod systemd;
