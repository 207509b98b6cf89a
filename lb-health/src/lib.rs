//! Placeholder until the tour is written.
#![forbid(unsafe_code)]

mod check;
mod outcome;
mod target;

pub use check::HealthCheck;
pub use outcome::{Failure, FailureKind, Outcome, Passed};
pub use target::Target;
