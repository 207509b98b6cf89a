//! lb-failover and keepalived with thousands of instances: start, steady state, reload, take-over.
//!
//! ```text
//! cargo bench -p lb-bins --bench failover_scale                                  # everything, 3 rounds: an hour
//! cargo bench -p lb-bins --bench failover_scale -- --sizes 1000 --rounds 1
//! cargo bench -p lb-bins --bench failover_scale -- --sizes 4000 --advert 100 --kinds ours
//! ```
//!
//! Two hosts in network namespaces, joined by veth pairs with 250 instances on each; both daemons read the same text.
//! What happens is read from the wire with the kernel's time stamps, and from the kernel's messages on addresses. Needs
//! root, since a user namespace has no real-time priority.

#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "it prints what it measures, and measures time"
)]

mod bed;
mod process;
mod report;
mod round;
mod watch;

use std::{error::Error, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};

use self::{bed::KEEPALIVED, report::Report};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

#[derive(Debug, Parser)]
#[command(name = "failover_scale", disable_version_flag = true)]
struct Options {
    /// How many instances
    #[arg(long, value_delimiter = ',', default_value = "1000,4000,16000")]
    sizes: Vec<usize>,
    /// How often everything is repeated
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Interval of advertisements, in milliseconds
    #[arg(long, default_value_t = 1000)]
    advert: u64,
    /// How long the steady state is measured, in seconds
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Whose daemons
    #[arg(long, value_delimiter = ',', default_value = "ours,keepalived")]
    kinds: Vec<Kind>,
    /// Another build of lb-failover than the one that cargo has made for this
    #[arg(long, value_name = "PATH", default_value = env!("CARGO_BIN_EXE_lb-failover"))]
    program: PathBuf,
    /// What cargo says when it wants a benchmark
    #[arg(long, hide = true)]
    bench: bool,
    /// To be the recorder of a host, with this interval in milliseconds
    #[arg(long, hide = true)]
    watch: Option<u64>,
}

/// Whose daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Kind {
    Ours,
    Keepalived,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Ours => "lb-failover",
            Self::Keepalived => "keepalived",
        }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.watch {
        Some(advert) => watch::serve(Duration::from_millis(advert)),
        // `cargo test --benches` wants none.
        None if !options.bench => Ok(()),
        None => measure(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failover_scale: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<()> {
    let mut kinds = options.kinds.clone();
    if !std::path::Path::new(KEEPALIVED).exists() {
        println!("skipped: keepalived: needs keepalived (apt-get install keepalived)");
        kinds.retain(|kind| *kind != Kind::Keepalived);
    }
    for size in &options.sizes {
        let mut report = Report::new(*size, options);
        for round in 0..options.rounds {
            // Who goes first changes from round to round.
            for kind in kinds.iter().cycle().skip(round % kinds.len().max(1)).take(kinds.len()) {
                eprintln!("{size} instances, round {}, {}", round + 1, kind.name());
                if let Err(error) = round::measure(*kind, *size, options, &mut report) {
                    report.failed(*kind, &error.to_string());
                }
            }
        }
        report.print();
    }
    Ok(())
}
