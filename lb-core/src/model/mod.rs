//! What is balanced where: virtual services and their real servers, as a data plane holds them.
//!
//! A *key* says which object is meant, a *spec* how it is to be, a *table* is the whole. Status (connections,
//! health) is never in here.

mod key;
mod names;
mod server;
mod service;
mod table;
#[cfg(test)]
mod tests;

pub use key::{Family, Protocol, ServerKey, ServiceKey};
pub use names::ParseError;
pub use server::{Forwarding, ServerSpec, Thresholds, Tunnel, TunnelChecksum, TunnelKind, Weight};
pub use service::{EngineName, Persistence, SchedulerFlags, SchedulerKind, ServiceSpec};
pub use table::{Service, ServiceTable};
