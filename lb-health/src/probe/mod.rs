//! The probes, one file each.

#[cfg(feature = "dns")]
pub mod dns;
pub mod ftp;
pub mod imap;
pub mod nntp;
pub mod pop;
#[cfg(feature = "radius")]
pub mod radius;
pub mod redis;
pub mod simpletcp;
pub mod sip;
pub mod smtp;
pub mod udp;
