//! The types of the Virtual Router Redundancy Protocol (RFC 9568, RFC 3768), which can hold legal values only.
//!
//! ```
//! use lb_vrrp::{Interval, Priority, Vrid};
//!
//! let vrid = Vrid::new(51)?;
//! let priority = Priority::new(150)?;
//! let interval = Interval::from_centiseconds(100)?;
//! // RFC 9568 §6.1: the lower the priority, the later a Backup takes over.
//! assert_eq!(interval.skew_time(priority).as_nanos(), 414_062_500);
//! assert_eq!(interval.active_down_interval(priority).as_nanos(), 3_414_062_500);
//! assert!(Vrid::new(0).is_err());
//! # Ok::<(), lb_vrrp::OutOfRange>(())
//! ```
#![forbid(unsafe_code)]

mod types;

pub use types::{Interval, OutOfRange, Priority, Version, Vrid};
