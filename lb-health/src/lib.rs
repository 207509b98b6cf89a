//! Placeholder until the tour is written.
#![forbid(unsafe_code)]

mod check;
mod outcome;
pub mod probe;
mod secret;
mod target;

pub use check::HealthCheck;
pub use outcome::{Failure, FailureKind, Outcome, Passed};
pub use secret::Secret;
pub use target::Target;
