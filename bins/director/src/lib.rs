//! lb-director: checks real servers and keeps a data plane equal to what configuration, checks and operator say.
//!
//! [`state`](lb_balancer::state) decides and is pure; [`engine`] is the loop around it; [`service`] makes a process of it; [`cli`] is the
//! command line, ldirectord's and our own. Where it differs from ldirectord, docs/from-ldirectord.md says why.
#![forbid(unsafe_code)]

pub mod cli;
pub mod effects;
pub mod engine;
pub mod hooks;
pub mod journal;
pub mod loading;
pub mod maintenance;
pub mod monitor;
pub mod policy;
pub mod script;
pub mod service;

mod alerts;
mod announcements;
mod answer;
mod checks;
mod files;
mod planning;
