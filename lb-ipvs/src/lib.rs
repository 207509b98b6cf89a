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
//! # Change the table
//! Many changes go to the kernel in few system calls; one that it refuses keeps none of the others from being made.
//! ```no_run
//! use lb_ipvs::{Client, Command, Destination, Forwarding, SchedulerKind, Service, ServiceKey};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let web: ServiceKey = "tcp:10.0.0.100:80".parse()?;
//! let one = Destination::new("192.168.0.1:80".parse()?, Forwarding::Masquerade).with_weight(3);
//! let refused = Client::open()?.apply(&[
//!     Command::AddService(Service::new(web, SchedulerKind::WeightedLeastConnection)),
//!     Command::AddDestination(web, one),
//! ])?;
//! for refused in refused {
//!     println!("{}", refused.error); // what was being done, why it failed, and what to do
//! }
//! # Ok(())
//! # }
//! ```
//! The kernel wants CAP_NET_ADMIN in the initial user namespace, in whatever [network namespace](Namespace) the table is.
//!
//! # Test without root, and without IPVS
//! A [`Client`] speaks over any [`Transport`](transport::Transport); a [`Replay`](transport::Replay) is one that answers
//! from a recording.
//! ```
//! use lb_ipvs::{Client, Command, Query, transport::{Recorded, Replay}};
//!
//! let replay = Replay::new()
//!     .expect(&Command::Flush.encode()?, [Recorded::Acknowledged(0)])
//!     .expect(&Query::Services.encode(), [Recorded::Done]);
//! let mut ipvs = Client::with_transport(replay)?;
//! ipvs.flush()?;
//! assert!(ipvs.services()?.is_empty());
//! assert!(ipvs.transport().is_exhausted());
//! # Ok::<(), lb_ipvs::Error>(())
//! ```
//!
//! # What else is here
//! [`AsyncClient`] for programs on tokio, and [`Ipvs`], which is `lb-core`'s `DataPlane` on the kernel. [`connections`] and
//! [`sysctl`] read what the kernel shows as files. [`wire`] has messages and attributes.
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
pub use command::{Command, Query};
#[cfg(feature = "tokio")]
pub use dataplane::Ipvs;
pub use error::{Error, ErrorKind};
pub use lb_core::model::{EngineName, Family, Protocol, SchedulerKind, ServerKey, ServiceKey, Thresholds};
pub use namespace::Namespace;
pub use wire::{
    Answer, Attribute, Daemon, DaemonRole, Destination, DestinationEntry, Forwarding, Info, Netmask, Service,
    ServiceEntry, ServiceFlags, Stats, Timeouts, Tunnel, TunnelFlags, TunnelKind, Version,
};
