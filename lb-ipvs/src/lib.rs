//! The kernel's IP Virtual Server.
//!
//! [`mod@format`] prints tables and connections in the layouts of `ipvsadm`, which people and scripts read; it works on
//! `lb-core`'s model, so it serves every data plane.
#![forbid(unsafe_code)]

pub mod format;
