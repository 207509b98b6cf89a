//! Placeholder until the tour is written.
#![forbid(unsafe_code)]

mod check;
pub mod connect;
mod outcome;
pub mod probe;
mod script;
mod secret;
mod target;
#[cfg(test)]
mod testing;
#[cfg(feature = "tls")]
pub mod tls;

pub use check::HealthCheck;
pub use outcome::{Failure, FailureKind, Outcome, Passed};
#[cfg(feature = "tls")]
pub use script::LazyTls;
pub use script::{BadPattern, Login, Pattern, Payload, Security};
pub use secret::Secret;
pub use target::Target;
