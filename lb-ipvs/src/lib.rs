//! The kernel's IP Virtual Server, spoken to by generic netlink: no `ipvsadm`, no libnl.
//!
//! ```no_run
//! let mut ipvs = lb_ipvs::Client::open()?;
//! for (key, (service, servers)) in ipvs.table()? {
//!     println!("{key} {}", service.service.scheduler);
//!     for server in servers {
//!         println!("  -> {} weight {}", server.destination.key, server.destination.weight);
//!     }
//! }
//! # Ok::<(), lb_ipvs::Error>(())
//! ```
//!
//! [`mod@format`] prints tables and connections in the layouts of `ipvsadm`, which people and scripts read; it works on
//! `lb-core`'s model, so it serves every data plane.
#![forbid(unsafe_code)]

#[cfg(feature = "tokio")]
mod async_client;
mod client;
mod command;
pub mod connections;
#[cfg(feature = "tokio")]
mod dataplane;
mod error;
mod exchange;
pub mod format;
mod model;
mod namespace;
pub mod sysctl;
pub mod transport;
pub mod wire;

#[cfg(feature = "tokio")]
pub use async_client::AsyncClient;
pub use client::{Client, Refused, Table};
pub use command::Command;
#[cfg(feature = "tokio")]
pub use dataplane::Ipvs;
pub use error::{Error, ErrorKind};
pub use lb_core::model::{EngineName, Family, Protocol, SchedulerKind, ServerKey, ServiceKey, Thresholds};
pub use namespace::Namespace;
pub use wire::{
    Answer, Attribute, Daemon, DaemonRole, Destination, DestinationEntry, Forwarding, Info, Netmask, Service,
    ServiceEntry, ServiceFlags, Stats, Timeouts, Tunnel, TunnelFlags, TunnelKind, Version,
};
