//! Virtual services that are kept in a data plane: what lb-director and lb-failover have in common.
//!
//! - [`state`] decides, and is pure: policy, health and orders, and what follows from them.
//! - [`upkeep`] keeps the data plane equal to that, whatever others do to it.
//! - [`plan`] says what another configuration would change.
//! - [`tuning`] sets the kernel's settings when asked, and says which ones would be better.
//! - [`status`] says it all to those who ask.
#![forbid(unsafe_code)]

pub mod orders;
pub mod plan;
pub mod plane;
pub mod rates;
pub mod relay_limit;
pub mod state;
pub mod status;
pub mod tuning;
pub mod unusable;
pub mod upkeep;
