//! Placeholder until the tour is written.

pub mod config;
