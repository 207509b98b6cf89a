//! A data plane in user space: TCP and UDP forwarding with the kernel's schedulers.

mod config;
mod listener;
mod mailbox;
mod persist;
mod service;
mod shared;
mod token;
mod udp;

pub use config::{ProxyProtocol, RelayConfig, SpliceMode, Timeouts};
