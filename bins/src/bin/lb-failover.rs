//! The keepalived-style failover pair.

use std::process::ExitCode;

fn main() -> ExitCode {
    lb_failover::cli::main(std::env::args_os())
}
