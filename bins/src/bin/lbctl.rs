//! The operator's hand.

use std::process::ExitCode;

fn main() -> ExitCode {
    lb_bins::ctl::main(std::env::args_os())
}
