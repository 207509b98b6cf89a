//! The ldirectord-style balancer.

use std::process::ExitCode;

fn main() -> ExitCode {
    lb_bins::director::cli::main(std::env::args_os())
}
