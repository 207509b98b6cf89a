//! The process that speaks for a daemon that has died.
