//! Health checks: probes that look, tallies that decide, and a runner that does it thousands of times a second.
//!
//! ```text
//! probe (HealthCheck) ──Outcome──▶ Tally ──Transition──▶ Verdict      what was seen ─ what it means ─ what is told
//!        ▲                                                  │
//!        └──── Runner (tokio) ◀── Plan (pure: when) ────────┘
//! ```
//!
//! - A [`HealthCheck`] looks at a [`Target`] once and says what it saw, an [`Outcome`]. The [`probe`]s are HTTP, TCP,
//!   ICMP, external programs and a dozen application protocols; anybody can add another one.
//! - A [`Tally`] counts looks in a row and says when the health changes. It knows neither sockets nor clocks.
//! - A [`Plan`] says when to look at what: evenly spread, never twice at a time, and pure as well.
//! - A [`Runner`] drives both on tokio. It is told all the checks that shall run ([`Runner::set`]), keeps those that
//!   were there before as they are, and lets everybody who wants the same look share one.
//! - What a server's health means for the balancing is not decided here: see `lb_core::desired`.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use lb_health::{Check, Runner, RunnerSettings, Timing, probe::tcp::Tcp};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let server = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//!
//! let runner = Runner::start(RunnerSettings::default());
//! let timing = Timing::every(Duration::from_secs(2), Duration::from_secs(1));
//! let names = runner.set([Check::new(Arc::new(Tcp), server.local_addr()?, timing)]);
//!
//! let verdict = runner.verdict().await;
//! assert_eq!(verdict.check, names[0]);
//! println!("{} is {} after {:?}", server.local_addr()?, verdict.health, verdict.look.latency);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//! `http`, `tls`, `dns` and `ping` are on by default; `radius`, `ldap`, `mysql` and `pgsql` add their probes, and
//! `full` is all of them. TCP, external programs and the line protocols are always there.
#![forbid(unsafe_code)]

mod aside;
#[cfg(any(feature = "http", feature = "pgsql"))]
mod bounded;
mod check;
pub mod connect;
mod outcome;
pub mod plan;
pub mod probe;
pub mod runner;
mod script;
mod secret;
mod tally;
mod target;
#[cfg(test)]
mod testing;
mod timing;
#[cfg(feature = "tls")]
pub mod tls;

pub use check::HealthCheck;
pub use outcome::{Failure, FailureKind, Outcome, Passed};
pub use plan::{CheckId, Plan};
pub use runner::{Check, CheckStatus, Look, Runner, RunnerCounts, RunnerSettings, Verdict};
#[cfg(feature = "tls")]
pub use script::LazyTls;
pub use script::{BadPattern, Login, Pattern, Payload, Security};
pub use secret::Secret;
pub use tally::{Leaning, Tally, Transition};
pub use target::Target;
pub use timing::Timing;
