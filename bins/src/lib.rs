//! The daemons and the operator's command, as a library: the programs in `bin/` only call it.
#![forbid(unsafe_code)]

pub mod config;
pub mod control;
pub mod ctl;
pub mod director;
pub mod failover;
pub mod ipvsadm;
pub mod lab;
#[cfg(test)]
#[path = "../tests/support/requirements.rs"]
mod requirements;
pub mod runtime;
pub mod services;
