//! Virtual routers on a machine: sockets, addresses, links and time behind the [`Platform`] trait, run by a [`Driver`] on
//! the caller's tokio runtime.
//!
//! There is no thread and no clock besides those of the runtime and the platform. The driver has two tasks:
//!
//! - The protocol's task receives, decides and sends. It waits for nothing else, unless logging blocks: see
//!   [`Driver::log`].
//! - The addresses' task brings each instance to what is wanted of it **now**, some addresses at a time, and announces
//!   them. So an instance with thousands of addresses delays neither an advertisement nor another instance. It may have
//!   a thread of its own: see [`Driver::addresses_on`].
//!
//! | | |
//! |---|---|
//! | [`Driver`], [`Instance`], [`VirtualAddress`] | what to run |
//! | [`Control`], [`Status`], [`Snapshot`] | orders, questions, and how to go on in another process |
//! | [`Notices`] | what happened |
//! | [`Platform`], [`Addressing`] | what a machine has to offer |
//! | [`Resignation`], `linux::Resigner` | to resign for a process that is dead |
//! | `linux`, `realtime` | Linux, and how to be punctual there (feature `linux`) |

mod address;
mod attend;
mod control;
mod groups;
mod instance;
#[cfg(all(feature = "linux", target_os = "linux"))]
pub mod linux;
mod members;
mod notice;
mod obey;
mod platform;
#[cfg(all(feature = "linux", target_os = "linux"))]
pub mod realtime;
mod run;
mod succession;
mod unsent;
mod work;

pub use address::{AddressAttributes, VirtualAddress};
pub use control::{Control, ControlError, GroupStatus, Order, Resignation, Snapshot, Status};
pub use instance::{Announcing, Instance, InstanceError, VirtualMac};
pub use notice::{Happening, LinkState, Notice, Notices, Told};
pub use platform::{
    AddressChange, Addressing, Announcement, Link, LinkAddress, LinkChange, Listening, Platform, Received,
    Via, VirtualLink,
};
pub use run::{Driver, DriverError};
