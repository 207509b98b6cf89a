//! The command line of lb-failover.

use std::{ffi::OsString, process::ExitCode};

/// Does what the command line says.
pub fn main(_arguments: impl Iterator<Item = OsString>) -> ExitCode {
    ExitCode::FAILURE
}
