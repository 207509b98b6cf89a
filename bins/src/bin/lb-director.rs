//! The ldirectord-style balancer.

use std::process::ExitCode;

fn main() -> ExitCode {
    lb_director::cli::main(std::env::args_os())
}
