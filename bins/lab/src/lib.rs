//! Small worlds to try things in, on this machine and without privileges.
//!
//! A [`Lab`] has hosts, switches and cables, made of network namespaces, bridges and pairs of virtual interfaces. Real daemons
//! run in the hosts. Cables are cut, packets are lost, processes are paused; and when the lab is dropped, or this process
//! ends, by whatever, nothing is left.
//!
//! ```no_run
//! use lb_lab::Lab;
//! use std::process::Command;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let lab = Lab::new()?;
//! lab.switch("lan")?;
//! let (a, b) = (lab.host("a")?, lab.host("b")?);
//! lab.link(&a, "lan", "eth0", &["10.0.0.1/24".parse()?])?;
//! lab.link(&b, "lan", "eth0", &["10.0.0.2/24".parse()?])?;
//! let mut daemon = a.spawn(Command::new("keepalived").args(["-n", "-l"]))?;
//! lab.partition(&a, &b)?; // b hears nothing of a any more
//! daemon.pause()?;
//! lab.heal()?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod error;
mod faults;
#[doc(hidden)]
pub mod fuzz;
mod host;
pub mod meter;
pub mod namespaces;
mod network;
mod process;
#[cfg(test)]
#[path = "../../tests/support/requirements.rs"]
mod requirements;
pub mod topology;
pub mod vm;

pub use error::{Error, Result};
pub use host::{Assigned, Host};
pub use namespaces::Right;
pub use network::{Cable, Lab};
pub use process::Process;
