//! Parsers for the configuration files of keepalived and ldirectord.
//!
//! A text becomes a document whose words know their places, and the document becomes a typed model. Every problem is
//! reported with its line, its column and a remedy; a problem never hides the ones behind it.
//!
//! - [`keepalived`] reads `keepalived.conf` with includes, conditions, definitions and sequences.
//! - [`ldirectord`] reads `ldirectord.cf`, strictly or as leniently as ldirectord does.
//! - [`diagnostic`] renders problems as compilers do, or as one line for a log.
//!
//! ```
//! use std::path::Path;
//!
//! use lb_config::{document::Source, keepalived::{self, language::{Machine, Settings}}};
//!
//! let text = "vrrp_instance VI_1 {\n  interface eth0\n  virtual_router_id 51\n  priority 300\n  \
//!             virtual_ipaddress {\n    192.0.2.10/24\n  }\n}\n";
//! let path = Path::new("keepalived.conf");
//! let source = Source::new("keepalived.conf", text);
//! let loaded = keepalived::load_source(source, path, &Settings::default(), &mut Machine::default());
//! assert_eq!(loaded.problems.len(), 1);
//! assert!(loaded.problems[0].line(&loaded.sources).starts_with("keepalived.conf:4:"));
//! ```
#![forbid(unsafe_code)]

pub mod diagnostic;
pub mod document;
#[doc(hidden)]
pub mod fuzz;
pub mod keepalived;
pub mod ldirectord;
pub mod names;
pub mod sources;
