//! Placeholder until the tour is written.
#![forbid(unsafe_code)]

pub mod change;
pub mod dataplane;
pub mod model;
pub mod schedule;
pub mod time;

pub use change::Change;
pub use dataplane::DataPlane;
pub use time::Time;
