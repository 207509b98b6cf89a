//! A data plane in user space: TCP and UDP forwarding with the kernel's schedulers, where there is no IPVS and no
//! nftables, or no privilege to use them.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use lb_core::{Change, DataPlane, model::{SchedulerKind, ServerSpec, ServiceKey, ServiceSpec, Weight}};
//! use lb_nat::relay::{Relay, RelayConfig};
//!
//! let relay = Relay::start(RelayConfig::default())?;
//! let service: ServiceKey = "tcp:192.0.2.1:80".parse()?;
//! let spec = ServiceSpec::new(SchedulerKind::WeightedLeastConnection);
//! let server = Change::AddServer {
//!     service,
//!     server: "10.0.0.1:8080".parse()?,
//!     spec: ServerSpec::masq(Weight::ONE),
//! };
//! let refused = relay.apply(&[Change::AddService { service, spec }, server]).await?;
//! assert!(refused.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//! One thread per core, each with its own epoll instance and, for every service, its own socket at the same address
//! (`SO_REUSEPORT`): the kernel spreads clients, and threads share nothing while bytes move. A connection is some
//! hundred bytes in its thread's slab. Payload passes through one buffer per thread, or through a pipe of the
//! thread's pool once a direction carries bulk; only what a slow reader leaves over is kept for a connection, and
//! while it is kept nothing more is read for it. What threads share is the table of services: choosing a server
//! takes the service's lock once per connection, counting is done when a connection ends or when somebody asks.
//!
//! # What it promises
//! - **Changing the table cuts no connection.** A removed service stops listening at once; a server that is removed
//!   or has weight 0 gets no new connections, and the ones it has go on until they end. To end those of a dead
//!   server, see [`Relay::reset`] and [`RelayConfig::reset_removed`]. UDP sessions end with their service or server:
//!   the next datagram is scheduled anew.
//! - **A server that does not accept costs no request.** Nothing is read from a client before a server has accepted,
//!   so when one refuses or stays silent the next one is asked ([`RelayConfig::retries`]), never the same twice. It
//!   shows as `failed` in the counters. Plain NAT would have handed the client the refusal.
//! - **Each end sees what the other did**: half-closes in both directions, and a reset as a reset. Urgent data is
//!   the exception: it is dropped. What was read before an end or a reset is delivered before it.
//! - **Bounded memory.** [`RelayConfig::buffer_budget`] and the size of the pipe pool bound what waits for slow
//!   readers, [`RelayConfig::max_connections`] and the descriptor limit bound connections; at the limit clients wait
//!   in the listen queues, and that is logged once and counted ([`RelayStatus::times_full`]).
//! - **No service takes all places.** A quarter of them is kept for services that have less than their part of it, a
//!   TCP client takes the place of an idle UDP session, and [`RelayConfig::services`] limits single services.
//! - **A thread that panics is noticed**: every later call answers [`Unavailable`].
//!
//! # How it differs from the kernel's IPVS
//! - Servers see the relay's address as the client's; [`RelayConfig::proxy_protocol`] tells them the true one.
//! - All forwarding methods relay, and are only kept in the table: the client cannot tell them apart.
//! - Persistence acts as with `expire_quiescent_template=1`: clients of a server of weight 0, or of one that was
//!   removed or does not accept, are bound to another one. One over its threshold keeps its clients. Templates that
//!   are bound beyond [`RelayConfig::max_templates`] are not remembered.
//! - A client whom no server can serve is reset.
//! - Firewall marks, SCTP, port 0 as "all ports", persistence engines and unknown schedulers are refused as
//!   [`Unsupported`].
//!
//! [`Unavailable`]: lb_core::dataplane::ErrorKind::Unavailable
//! [`Unsupported`]: lb_core::dataplane::ErrorKind::Unsupported

mod config;
mod conn;
mod control;
mod listener;
mod mailbox;
mod persist;
mod pipes;
mod places;
mod proxy_protocol;
mod pump;
mod service;
mod shared;
mod shortage;
mod slab;
mod token;
mod udp;
mod worker;

pub use config::{AddressSet, Freebind, ProxyProtocol, RelayConfig, ServiceLimits, SpliceMode, Timeouts};
pub use control::{Relay, RelayStatus};
