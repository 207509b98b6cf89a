//! The Virtual Router Redundancy Protocol: VRRPv3 (RFC 9568) and VRRPv2 (RFC 3768), for IPv4 and IPv6.
//!
//! [`VirtualRouter`] is the protocol's state machine and nothing else: no socket, no thread, no clock. It is told what
//! happened and when, and says what is to be done. So it runs on any platform, in any runtime, in a test at a million
//! times the speed of time ([`sim`]), and the same inputs always give the same outputs. [`driver`] runs it on Linux with
//! tokio, for those who do not want to.
//!
//! # The run loop
//! Every machine of this crate ([`VirtualRouter`], [`Endpoint`]) has the same four verbs:
//!
//! 1. `handle_input(now, input)`: something happened.
//! 2. `handle_timeout(now)`: time passed. Early or late calls are harmless.
//! 3. `poll_output()`: what is to be done, **one ordered queue; drain it after each of the two above**, until `None`.
//!    The order is part of the protocol: an advertisement goes out before the addresses are announced, and a resignation
//!    before they are removed.
//! 4. `poll_timeout()`: when to call `handle_timeout` at the latest.
//!
//! `now` is a [`Time`]: nanoseconds on a clock of your choice that never jumps, best one that goes on while the machine
//! sleeps.
//!
//! ```
//! use lb_vrrp::{Config, Datagram, Envelope, Input, Output, Priority, State, Time, VirtualRouter, Vrid};
//!
//! let addresses = ["192.0.2.100".parse()?];
//! let config = Config::v3(Vrid::new(51)?, addresses).priority(Priority::new(150)?).build()?;
//! let mut router = VirtualRouter::new(config, "192.0.2.1".parse()?)?;
//!
//! router.handle_input(Time::ZERO, Input::Startup);
//! let mut now = Time::ZERO;
//! while now < Time::from_secs(10) {
//!     while let Some(output) = router.poll_output() {
//!         match output {
//!             Output::Send(message) => println!("{now} {:02x?}", message.payload), // to message.destination
//!             Output::Install => {}      // ip address add …
//!             Output::Announce(_) => {}  // gratuitous ARP, see wire::gratuitous_arp
//!             Output::Remove => {}       // ip address del …
//!             Output::Event(event) => println!("{now} {event:?}"),
//!         }
//!     }
//!     // A program waits here for a datagram or the deadline; nothing comes in this example.
//!     now = router.poll_timeout().expect("it takes part");
//!     router.handle_timeout(now);
//! }
//! assert_eq!(router.state(), State::Active);
//!
//! // A message that came from the network, with what its IP header and the socket say of it:
//! let envelope = Envelope {
//!     source: "192.0.2.2".parse()?,
//!     destination: "224.0.0.18".parse()?,
//!     ttl: Some(255),
//!     authenticated: false,
//! };
//! let payload = [0x31, 51, 200, 1, 0, 100, 0x44, 0x02, 192, 0, 2, 100];
//! router.handle_input(now, Input::Datagram(Datagram { received: now, envelope, payload: &payload }));
//! assert_eq!(router.state(), State::Backup); // priority 200 is higher
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is where
//! | | |
//! |---|---|
//! | [`router`] | the state machine, its configuration, inputs and outputs |
//! | [`wire`] | messages of both versions, checksums, authentication, ARP and neighbour advertisement frames |
//! | [`accept`] | why messages are dropped, each reason by name |
//! | [`endpoint`] | thousands of routers with one deadline |
//! | [`group`], [`track`] | sync groups; priorities that follow interfaces and scripts |
//! | [`mib`] | counters by the names of RFC 6527 |
//! | [`sim`] | routers on a simulated LAN that loses, delays, duplicates, parts, drifts and stalls |
//! | [`watch`] | a monitor that listens only, and says what is wrong on a LAN |
//! | [`driver`] | sockets, addresses and timers on Linux (features `tokio` and `linux`) |
//!
//! # Make before break
//! A router that resigns and removes its addresses at once leaves them to nobody for its peer's skew time, which is most
//! of an interval. [`Farewell::Linger`] resigns at once and removes them when the peer is heard; [`Input::Found`] keeps
//! those that a killed process left, until it is known who has them now. [`Input::HandOver`] is for a planned switch: the
//! router stays Active until a successor is heard, and for good if there is none.
//!
//! # Features
//! | | |
//! |---|---|
//! | `std` | by default. Without it the crate is `no_std` and needs `alloc` |
//! | `tokio` | by default. The driver, behind `trait Platform` |
//! | `linux` | by default. The `Platform` for Linux; nothing elsewhere |
//! | `hmac` | the HMAC-SHA256 trailer of draft-cassen-vrrp-auth-hmac |
//!
//! # Profiles
//! [`Profile::Strict`] keeps RFC 9568 and RFC 3768 to the letter. [`Profile::Compatible`], the default, keeps company with
//! keepalived and FRR as they are found in the field. Each difference is an option of [`ConfigBuilder`] which says what
//! either profile has.
#![cfg_attr(not(feature = "std"), no_std)]
// The driver has one module of system calls; nothing else may have `unsafe`.
#![cfg_attr(not(all(feature = "linux", target_os = "linux")), forbid(unsafe_code))]
#![deny(unsafe_code)]

extern crate alloc;

pub mod accept;
pub mod addresses;
#[cfg(feature = "tokio")]
pub mod driver;
pub mod endpoint;
mod envelope;
#[doc(hidden)]
pub mod fuzz;
pub mod group;
pub mod mib;
pub mod router;
pub mod sim;
mod time;
pub mod track;
mod types;
pub mod watch;
pub mod wire;

pub use accept::DropReason;
pub use addresses::{AddressList, Addresses};
pub use endpoint::{Endpoint, RouterKey};
pub use envelope::Envelope;
#[doc(inline)]
pub use router::{
    AnnounceReason, Cause, Config, ConfigBuilder, Datagram, Event, Farewell, Input, Output, Preempt, Profile,
    State, Transmit, VirtualRouter,
};
pub use time::Time;
pub use types::{Family, Interval, OutOfRange, Priority, Version, VersionMode, Vrid};
