//! Tests of the schedulers through the public interface.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod equal;
mod kernel;
mod model;
mod properties;
