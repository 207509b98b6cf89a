//! The probes, one file each.

pub mod alternate;
#[cfg(any(feature = "ldap", feature = "mysql"))]
mod ber;
pub mod constant;
#[cfg(feature = "dns")]
pub mod dns;
pub mod exec;
pub mod ftp;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "http")]
pub mod http_proxy;
pub mod imap;
#[cfg(feature = "ldap")]
pub mod ldap;
#[cfg(feature = "mysql")]
pub mod mysql;
pub mod nntp;
#[cfg(feature = "pgsql")]
pub mod pgsql;
#[cfg(feature = "ping")]
pub mod ping;
pub mod pop;
mod progress;
#[cfg(feature = "radius")]
pub mod radius;
pub mod redis;
pub mod rounds;
pub mod simpletcp;
pub mod sip;
pub mod smtp;
pub mod tcp;
pub mod udp;
