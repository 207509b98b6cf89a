//! The Virtual Router Redundancy Protocol: VRRPv3 (RFC 9568) and VRRPv2 (RFC 3768), for IPv4 and IPv6.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod accept;
pub mod addresses;
mod envelope;
pub mod router;
mod time;
mod types;
pub mod wire;

pub use accept::DropReason;
pub use addresses::{AddressList, Addresses};
pub use envelope::Envelope;
#[doc(inline)]
pub use router::{
    AnnounceReason, Cause, Config, ConfigBuilder, Datagram, Event, Input, Output, Preempt, Profile, State,
    Transmit, VirtualRouter,
};
pub use time::Time;
pub use types::{Family, Interval, OutOfRange, Priority, Version, VersionMode, Vrid};
