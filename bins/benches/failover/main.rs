//! The outage that a client sees, with two nodes of lb-failover, two of keepalived, and one of each.
//!
//! ```text
//! cargo bench -p lb-bins --bench failover                                        # everything, 20 rounds: two hours
//! cargo bench -p lb-bins --bench failover -- --rounds 5 --adverts 10,100 stop switch
//! ```
//!
//! A client asks the virtual address once a millisecond; the outage is the longest time between two requests that were
//! answered. Each round starts both daemons afresh and lets a failure come at a random phase of the interval.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "it prints what it measures")]

mod failure;
mod nodes;
mod report;

use std::{error::Error, process::ExitCode, time::Duration};

use clap::Parser;

use self::{
    failure::Failure,
    nodes::{Bed, Pair},
    report::Report,
};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

#[derive(Debug, Parser)]
#[command(name = "failover", disable_version_flag = true)]
struct Options {
    /// What happens to the first node; all of them without this
    failures: Vec<Failure>,
    /// How often each is repeated
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Intervals of advertisements, in milliseconds
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000")]
    adverts: Vec<u64>,
    /// Who the two nodes are; all of them without this
    #[arg(long, value_delimiter = ',')]
    pairs: Vec<Pair>,
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
    match measure(&options) {
        Ok(missed) => ExitCode::from(u8::from(options.check && missed > 0)),
        Err(error) => {
            eprintln!("failover: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns how many bars were missed.
fn measure(options: &Options) -> Result<usize> {
    let all = |chosen: &[Pair]| if chosen.is_empty() { Pair::ALL.to_vec() } else { chosen.to_vec() };
    let failures = if options.failures.is_empty() { Failure::ALL.to_vec() } else { options.failures.clone() };
    let pairs: Vec<Pair> = all(&options.pairs).into_iter().filter(|pair| pair.is_there()).collect();
    let mut bed = Bed::new()?;
    let mut missed = 0;
    for advert in options.adverts.iter().map(|ms| Duration::from_millis(*ms)) {
        let mut report = Report::new(advert, options.rounds);
        // Rounds of all pairs take turns, so that a noisy minute concerns all of them.
        for failure in &failures {
            for _ in 0..options.rounds {
                for pair in &pairs {
                    match bed.round(*pair, *failure, advert) {
                        Ok(outage) => report.add(*failure, *pair, outage),
                        Err(error) => report.failed(*failure, *pair, &error.to_string()),
                    }
                }
            }
            report.print_row(*failure, &pairs);
        }
        missed += report.print_bars();
    }
    Ok(missed)
}
