//! A data plane in user space: TCP and UDP forwarding with the kernel's schedulers.

mod config;
mod conn;
mod control;
mod listener;
mod mailbox;
mod persist;
mod pipes;
mod proxy_protocol;
mod pump;
mod service;
mod shared;
mod slab;
mod token;
mod udp;
mod worker;

pub use config::{ProxyProtocol, RelayConfig, SpliceMode, Timeouts};
pub use control::{Relay, RelayStatus};
