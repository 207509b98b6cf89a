//! The keepalived-style failover pair.
//!
//! ```text
//!  thread "vrrp" ────────────────┐   notices    ┌──────────────── main thread ─────────────────────────────┐
//!  lb_vrrp::driver: adverts,     │ ───────────▶ │ engine ◀── reports ── track      scripts, processes, …   │
//!  elections, nothing else       │ ◀─────────── │   │ state (pure: what follows from what)                 │
//!  thread "addresses" (netlink)  │   orders     │   ├──▶ notify    scripts, FIFOs, mail, in order           │
//!                                │              │   ├──▶ kernel    routes, rules, filters                   │
//!                                │              │   ├──▶ ipvs      copies of connections, timeouts          │
//!  supervisor process: resigns   │ ◀── pipe ─── │   ├──▶ journal   every decision ▶ log, explain            │
//!  for a daemon that has died    │              │   └──▶ balance   virtual servers                          │
//!                                ┘              └──────────────────────────────────────────────────────────┘
//! ```
#![forbid(unsafe_code)]

mod answer;
pub mod balance;
pub mod build;
pub mod check;
pub mod cli;
pub mod dump;
pub mod engine;
pub mod handover;
mod inventory;
pub mod ipvs;
pub mod journal;
pub mod kernel;
pub mod keys;
pub mod loading;
pub mod notify;
mod occasion;
mod planning;
pub mod program;
#[cfg(test)]
#[path = "../../tests/support/requirements.rs"]
mod requirements;
pub mod service;
pub mod state;
pub mod supervise;
mod task;
#[cfg(test)]
mod testing;
pub mod track;
pub mod view;
mod vmac;
pub mod vrrp;
