//! The operator's hand.

use std::process::ExitCode;

fn main() -> ExitCode {
    lbctl::main(std::env::args_os())
}
