//! The driver beside keepalived: thousands of virtual routers, take-overs, thousands of addresses.
//!
//! ```text
//! cargo bench -p lb-vrrp --bench daemon                                  # everything, 3 rounds: half an hour
//! cargo bench -p lb-vrrp --bench daemon -- scale-1s scale-100ms          # these scenarios only
//! cargo bench -p lb-vrrp --bench daemon -- detection --rounds 1
//! cargo bench -p lb-vrrp --bench daemon -- --check                       # ends with status 1 when a bar is missed
//! ```
//!
//! Needs `ip` and `bridge`, and root, or a user namespace (`unshare -Ur cargo bench …`) in which there is no real-time
//! priority. keepalived is left out with a line when it is not installed. Two network namespaces joined by veth pairs;
//! what happens is read from the wire, with the kernel's time stamps. See `docs/performance.md` for what the figures
//! mean.

#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "this program prints a table, and measures time"
)]

mod daemon;
mod keepalived;
mod lan;
mod measure;
mod options;
mod ours;
mod plan;
mod report;
mod role;
mod scenario;
mod watch;

use std::{error::Error, process::ExitCode};

use daemon::Kind;
use options::Options;
use report::Report;
use role::Role;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("daemon: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode> {
    if let Some(role) = Role::from_arguments(arguments)? {
        return role.run().map(|()| ExitCode::SUCCESS);
    }
    let Some(options) = Options::parse(arguments)? else {
        println!("daemon: does nothing without --bench; run `cargo bench -p lb-vrrp --bench daemon`");
        return Ok(ExitCode::SUCCESS);
    };
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: daemon: needs root, or a user namespace (unshare -Ur)");
        return Ok(ExitCode::SUCCESS);
    }
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.is_there()).collect();
    let mut report = Report::default();
    for round in 0..options.rounds {
        for scenario in options.scenarios() {
            // Who goes first changes from round to round.
            let mut order = kinds.clone();
            order.rotate_left(round % kinds.len());
            for kind in order {
                eprintln!("round {} {} {}", round + 1, scenario.name, kind.name());
                if let Err(error) = (scenario.run)(kind, &options, &mut report) {
                    eprintln!("daemon: {} {}: {error}", scenario.name, kind.name());
                    report.fail(scenario.name, kind);
                }
            }
        }
    }
    report.print(&options);
    Ok(if options.check && report.missed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
