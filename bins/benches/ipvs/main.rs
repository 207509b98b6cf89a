//! What it costs to load and to read the kernel's table, beside ipvsadm on the same kernel.
//!
//! ```text
//! cargo bench -p lb-bins --bench ipvs                          # 7 rounds: some five minutes
//! cargo bench -p lb-bins --bench ipvs -- --rounds 3 --check
//! ```
//!
//! The table has 1,000 services with ten servers each. All take turns in each round, so that a noisy minute concerns all of
//! them, and a first round that counts for nothing brings the programs into memory. Where this process is root and the kernel
//! has IPVS (`modprobe ip_vs`) it runs in a network namespace of its own; elsewhere in a virtual machine, in which all is some
//! ten times slower and ratios are what counts.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "it prints what it measures")]

mod bed;
mod counting;
mod program;
mod report;
mod table;

use std::{
    error::Error,
    path::Path,
    process::{Command, ExitCode},
    time::Duration,
};

use clap::Parser;
use lb_lab::vm::Machine;
use nix::unistd::geteuid;

use self::{bed::Bed, report::Report};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Many times what all rounds take together.
const LIMIT: Duration = Duration::from_secs(2 * 3600);

#[derive(Debug, Parser)]
#[command(name = "ipvs", disable_version_flag = true)]
struct Options {
    /// How often everything is repeated
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Connections that are open when connections are listed
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u16).range(1..=50_000))]
    connections: u16,
    /// End with status 1 when a bar is missed
    #[arg(long)]
    check: bool,
    /// What cargo says when it wants a benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    // `cargo test --benches` wants none.
    if !options.bench {
        return ExitCode::SUCCESS;
    }
    let ended = if geteuid().is_root() && Path::new("/proc/net/ip_vs").exists() {
        measure(&options).map(|missed| u8::from(options.check && missed > 0))
    } else {
        in_machine()
    };
    ended.map_or_else(
        |error| {
            eprintln!("ipvs: {error}");
            ExitCode::FAILURE
        },
        ExitCode::from,
    )
}

/// This program once more, in a virtual machine; its exit status.
fn in_machine() -> Result<u8> {
    program::find_ipvsadm()?;
    let machine = Machine::prepare()
        .map_err(|lack| format!("needs IPVS in the kernel and root, or a virtual machine: {lack}"))?;
    let mut command = Command::new("sh");
    command.args(["-c", "modprobe ip_vs && exec \"$0\" \"$@\""]).arg(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1));
    println!("in a virtual machine");
    Ok(machine.run(&command, LIMIT, |line| println!("{line}"))?.try_into().unwrap_or(u8::MAX))
}

/// Returns how many bars were missed.
fn measure(options: &Options) -> Result<usize> {
    program::find_ipvsadm()?;
    let mut bed = Bed::new()?;
    let mut report = Report::default();
    bed.round(&mut Report::default())?;
    for _ in 0..options.rounds {
        bed.round(&mut report)?;
    }
    bed.connect(options.connections)?;
    for _ in 0..options.rounds {
        bed.list_connections(options.connections, &mut report)?;
    }
    println!("{} rounds; milliseconds: median (least–most)", options.rounds);
    Ok(report.print())
}
