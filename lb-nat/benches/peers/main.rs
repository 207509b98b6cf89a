//! The relay beside HAProxy and nginx, on one pinned core each, through the same load.
//!
//! `cargo bench -p lb-nat --bench peers` runs it; see `docs/performance.md` for what the figures mean and
//! [`options`] for the flags. Forwarders run on core 0 and are measured by the CPU time that the kernel's
//! scheduler accounts to them, divided by the operations that the load has seen: on a busy machine that is far
//! steadier than any rate. Load and servers run on core 1, and every round interleaves all forwarders.

#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "the table on standard output is what this program is for"
)]

mod forwarder;
mod measure;
mod options;
mod report;
mod role;
mod tcp_load;
mod tcp_server;
mod udp;
mod workload;

use std::{error::Error, process::ExitCode};

use forwarder::{Backends, Forwarder, Kind};
use options::Options;
use report::Report;
use role::Role;
use workload::WORKLOADS;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode> {
    if let Some(role) = Role::from_arguments(arguments)? {
        return role.run().map(|()| ExitCode::SUCCESS);
    }
    let Some(options) = Options::parse(arguments)? else {
        println!("peers: does nothing without --bench; run `cargo bench -p lb-nat --bench peers`");
        return Ok(ExitCode::SUCCESS);
    };
    measure::raise_descriptor_limit();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    role::pin(role::LOAD_CORE);
    let report = compare(&options, cores)?;
    report.print();
    Ok(if options.check && report.missed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Runs every workload through every forwarder, round by round.
fn compare(options: &Options, cores: usize) -> Result<Report> {
    let backends = Backends::start()?;
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.is_there()).collect();
    let mut forwarders = Vec::new();
    for &kind in &kinds {
        forwarders.push(Forwarder::start(kind, &backends)?);
    }
    let workloads: Vec<_> = WORKLOADS.iter().filter(|workload| options.wants(workload)).collect();
    let mut report = Report::new(options, cores);
    for round in 1..=options.rounds {
        for workload in &workloads {
            for forwarder in forwarders.iter_mut().filter(|forwarder| workload.suits(forwarder.kind)) {
                let sample = workload.run(forwarder, &backends, options.seconds)?;
                eprintln!("round {round}  {:<28} {:<15} {sample}", workload.name, forwarder.kind.name());
                report.add(workload, forwarder.kind, sample);
            }
        }
    }
    Ok(report)
}
