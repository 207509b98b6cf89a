//! Model, decisions and scheduler algorithms of a load balancer. Nothing in here reads a clock, opens a socket or
//! draws a random number that was not seeded: the same input makes the same output.
//!
//! ```text
//! configuration ─────────────▶ Policy ─────┐
//! check results ─────────────▶ HealthView ─┼─ desired() ─▶ Desired { table, decisions }
//! operator ──────────────────▶ Overrides ──┘                  │
//!                                                             ▼
//! DataPlane ── snapshot() ───▶ ServiceTable ── diff() ─▶ Vec<Change> ── apply() ──▶ DataPlane
//! ```
//!
//! - [`model`]: virtual services and real servers, as every data plane holds them.
//! - [`mod@desired`]: what the table should be, and why each server is in it or not.
//! - [`diff`]: the changes from one table to another, made before broken.
//! - [`DataPlane`]: what kernel IPVS, nftables, the relay and [`MemoryDataPlane`] have in common.
//! - [`Reconciler`]: keeps a data plane equal to what is desired, whatever happens to either.
//! - [`schedule`]: the kernel's schedulers, pick by pick, for data planes of our own.
//!
//! ```
//! use std::sync::Arc;
//! use lb_core::{MemoryDataPlane, Reconciler, model::*};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let web = Service::new(ServiceSpec::new(SchedulerKind::WeightedLeastConnection))
//!     .with_server("192.168.0.1:80".parse::<ServerKey>()?, ServerSpec::masq(Weight::new(2)))
//!     .with_server("192.168.0.2:80".parse::<ServerKey>()?, ServerSpec::masq(Weight::ONE));
//! let wanted = ServiceTable::new().with_service("tcp:10.0.0.1:80".parse()?, web);
//!
//! let plane = Arc::new(MemoryDataPlane::new());
//! let report = Reconciler::new(plane.clone()).sync(&wanted).await?;
//! assert_eq!(report.applied.len(), 3);
//! assert_eq!(plane.table(), wanted);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
#![forbid(unsafe_code)]

pub mod change;
pub mod dataplane;
pub mod desired;
pub mod event;
pub mod health;
pub mod model;
pub mod overrides;
pub mod reconcile;
pub mod schedule;

mod diff;
mod memory;
mod rng;
mod time;

#[cfg(test)]
mod testing;

pub use change::Change;
pub use dataplane::DataPlane;
pub use desired::{Desired, desired};
pub use diff::diff;
pub use event::Event;
pub use health::{Health, HealthView};
pub use memory::{Fault, MemoryDataPlane};
pub use overrides::Overrides;
pub use reconcile::Reconciler;
pub use time::Time;
