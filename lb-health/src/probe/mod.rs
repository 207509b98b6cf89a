//! The probes, one file each.

pub mod ftp;
pub mod imap;
pub mod nntp;
pub mod pop;
pub mod redis;
pub mod simpletcp;
pub mod smtp;
