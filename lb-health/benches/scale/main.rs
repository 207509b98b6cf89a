//! Thousands of checks a second, beside HAProxy and keepalived.
//!
//! ```text
//! cargo bench -p lb-health --bench scale                      # 5,000 TCP and 5,000 HTTP checks a second, 3 rounds
//! cargo bench -p lb-health --bench scale -- --n 1000 --rounds 5 --secs 5 --kills 3 --only ours,haproxy
//! ```
//!
//! With `hyper` among `--only`, our HTTP check also runs with a body to match, which takes the whole HTTP client.
//!
//! Needs root, `ip`, `nft`, nginx, and the peers that are to be measured (HAProxy, keepalived with gcc); what is
//! missing is skipped with a line. Two network namespaces joined by a veth pair: in one, nginx behind N addresses;
//! in the other, one checker at a time, each address once a second with a timeout of a second. Printed are CPU time
//! per check (all threads, from schedstat), resident memory, the time from a server's death (it answers with RST
//! from then on) to the checker's word, and downs that were false.

#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and ends where it cannot go on"
)]

mod lab;
mod ours;
mod peers;

use std::{collections::BTreeMap, time::Duration};

use lab::{Lab, Result};
use peers::{Checker, Kind};

/// What is measured.
#[derive(Clone, Debug)]
struct Plan {
    servers: usize,
    rounds: usize,
    seconds: u64,
    kills: usize,
    only: String,
}

/// What was measured.
#[derive(Clone, Debug, Default)]
struct Figures {
    micros_per_check: f64,
    resident_mib: f64,
    detections: Vec<f64>,
    undetected: usize,
    false_downs: usize,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("--checker") => ours::run(&args[2..]),
        // `cargo test` runs benches to see that they work; this one needs a quiet machine and root.
        _ if args.iter().any(|arg| arg == "--test") => {}
        _ => {
            if let Err(error) = bench(&plan(&args)) {
                eprintln!("scale: {error}");
                std::process::exit(1);
            }
        }
    }
}

fn plan(args: &[String]) -> Plan {
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).cloned();
    let number =
        |name: &str, default: usize| value(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    Plan {
        servers: number("--n", 5000),
        rounds: number("--rounds", 3),
        seconds: number("--secs", 10) as u64,
        kills: number("--kills", 5),
        only: value("--only").unwrap_or_else(|| "ours,haproxy,keepalived".into()),
    }
}

fn bench(plan: &Plan) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: scale: needs root for network namespaces");
        return Ok(());
    }
    let mut all: BTreeMap<(Kind, &str), Vec<Figures>> = BTreeMap::new();
    for round in 1..=plan.rounds {
        for kind in [Kind::Tcp, Kind::Http] {
            for name in
                ["ours", "hyper", "haproxy", "keepalived"].into_iter().filter(|name| plan.only.contains(name))
            {
                let lab = Lab::new(plan.servers)?;
                let Some(checker) = Checker::new(name, kind, &lab)? else { continue };
                let figures = measure(plan, &lab, checker)?;
                println!("round {round}: {name:10} {kind:?}: {figures}");
                all.entry((kind, name)).or_default().push(figures);
            }
        }
    }
    summary(plan, &all);
    Ok(())
}

fn measure(plan: &Plan, lab: &Lab, mut checker: Checker) -> Result<Figures> {
    // Start, and the first looks.
    std::thread::sleep(Duration::from_secs(4 + plan.servers as u64 / 1000));
    let begin = checker.cpu()?;
    std::thread::sleep(Duration::from_secs(plan.seconds));
    let cpu = checker.cpu()? - begin;
    let mut figures = Figures {
        micros_per_check: cpu.as_secs_f64() * 1e6 / (plan.servers as f64 * plan.seconds as f64),
        resident_mib: checker.resident_mib()?,
        false_downs: checker.downs(),
        ..Figures::default()
    };
    for kill in 0..plan.kills {
        // Spread over servers and over the phase of the second.
        let address = lab.address(kill * 7919 % plan.servers);
        std::thread::sleep(Duration::from_millis(kill as u64 * 370 % 1000));
        match lab.killed(address, || checker.wait_for_down(address))? {
            Some(seconds) => figures.detections.push(seconds),
            None => figures.undetected += 1,
        }
    }
    Ok(figures)
}

fn summary(plan: &Plan, all: &BTreeMap<(Kind, &str), Vec<Figures>>) {
    println!("\n{} checks a second, medians of {} rounds", plan.servers, plan.rounds);
    println!(
        "| checker | kind | CPU µs/check | to HAProxy | RSS MiB | detection s, median (worst) | false downs |"
    );
    println!("|---|---|---|---|---|---|---|");
    for ((kind, name), rounds) in all {
        let cpu = median(rounds.iter().map(|figures| figures.micros_per_check));
        let haproxy = all.get(&(*kind, "haproxy"));
        let ratio = haproxy.map(|peer| cpu / median(peer.iter().map(|figures| figures.micros_per_check)));
        let detections: Vec<f64> = rounds.iter().flat_map(|figures| figures.detections.clone()).collect();
        println!(
            "| {name} | {kind:?} | {cpu:.1} | {} | {:.1} | {:.2} ({:.2}), {} missed | {} |",
            ratio.map_or("-".into(), |ratio| format!("{ratio:.2}")),
            median(rounds.iter().map(|figures| figures.resident_mib)),
            median(detections.iter().copied()),
            detections.iter().copied().fold(0.0, f64::max),
            rounds.iter().map(|figures| figures.undetected).sum::<usize>(),
            rounds.iter().map(|figures| figures.false_downs).sum::<usize>(),
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { micros_per_check, resident_mib, detections, undetected, false_downs } = self;
        write!(
            f,
            "{micros_per_check:.1} µs/check, {resident_mib:.1} MiB, detected after {detections:.2?} s"
        )?;
        write!(f, " ({undetected} missed), {false_downs} false downs")
    }
}
