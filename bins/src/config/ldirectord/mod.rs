//! `ldirectord.cf`, the configuration of ldirectord 4.12.

mod model;
mod values;

pub use model::{Check, Config, EmailAlert, Fallback, Globals, Real, Virtual};
pub use values::{AlertStates, CheckService, CheckType, HttpMethod, LogTarget, Seconds, Secret};
