//! Condenses the samples into the table.

use std::{collections::BTreeMap, process::Command};

use crate::{
    forwarder::Kind,
    measure::{Sample, median},
    options::Options,
    workload::{WORKLOADS, Workload},
};

/// All samples so far.
#[derive(Debug)]
pub(crate) struct Report {
    rounds: usize,
    seconds: f64,
    cores: usize,
    samples: BTreeMap<(&'static str, Kind), Vec<Sample>>,
}

/// A peer's cost divided by the relay's, round by round.
#[derive(Clone, Copy, Debug)]
struct Ratio {
    median: f64,
    least: f64,
    most: f64,
}

impl Report {
    pub(crate) fn new(options: &Options, cores: usize) -> Self {
        Self { rounds: options.rounds, seconds: options.seconds, cores, samples: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, workload: &Workload, kind: Kind, sample: Sample) {
        self.samples.entry((workload.name, kind)).or_default().push(sample);
    }

    /// Whether a bar that could be judged was missed.
    pub(crate) fn missed(&self) -> bool {
        WORKLOADS.iter().any(|workload| {
            self.best_peer(workload)
                .and_then(|peer| self.ratio(workload, peer))
                .is_some_and(|ratio| ratio.median < workload.bar.ratio)
        })
    }

    /// Prints the table in Markdown.
    pub(crate) fn print(&self) {
        println!("\n{} rounds of {} s; {} cores; {}\n", self.rounds, self.seconds, self.cores, versions());
        println!(
            "| workload | unit | relay | HAProxy | HAProxy, splice | nginx | peer/relay (least–most) | bar | verdict |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        for workload in &WORKLOADS {
            let Workload { name, unit, bar, .. } = workload;
            let costs =
                Kind::ALL.map(|kind| self.cost(workload, kind).map_or("–".to_owned(), figure)).join(" | ");
            let (ratio, verdict) =
                match self.best_peer(workload).and_then(|peer| Some((peer, self.ratio(workload, peer)?))) {
                    None => ("–".to_owned(), "skipped"),
                    Some((peer, Ratio { median, least, most })) => (
                        format!("{} {median:.2} ({least:.2}–{most:.2})", peer.name()),
                        if median >= bar.ratio { "met" } else { "missed" },
                    ),
                };
            println!("| {name} | {unit} | {costs} | {ratio} | {} | {verdict} |", bar.ratio);
        }
        println!("\n| workload | forwarder | rate/s | p50 us | p99 us | errors |\n|---|---|---|---|---|---|");
        for ((name, kind), samples) in &self.samples {
            let of = |pick: fn(&Sample) -> f64| median(&samples.iter().map(pick).collect::<Vec<_>>());
            let errors: u64 = samples.iter().map(|sample| sample.errors).sum();
            let (rate, p50, p99) =
                (of(|sample| sample.rate), of(|sample| sample.p50), of(|sample| sample.p99));
            println!("| {name} | {} | {rate:.0} | {p50:.0} | {p99:.0} | {errors} |", kind.name());
        }
    }

    fn costs(&self, workload: &Workload, kind: Kind) -> Vec<f64> {
        let samples = self.samples.get(&(workload.name, kind)).map_or(&[][..], Vec::as_slice);
        samples.iter().map(|sample| sample.cost).collect()
    }

    fn cost(&self, workload: &Workload, kind: Kind) -> Option<f64> {
        let costs = self.costs(workload, kind);
        (!costs.is_empty()).then(|| median(&costs))
    }

    /// Of the peers that the bar names, the one with the least cost.
    fn best_peer(&self, workload: &Workload) -> Option<Kind> {
        let costs = workload.bar.peers.iter().filter_map(|&kind| Some((kind, self.cost(workload, kind)?)));
        costs.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(kind, _)| kind)
    }

    fn ratio(&self, workload: &Workload, peer: Kind) -> Option<Ratio> {
        let rounds = self.costs(workload, peer).into_iter().zip(self.costs(workload, Kind::Relay));
        // Where nothing was seen of one of them there is nothing to compare. A process that did not grow by a page has
        // used less than a byte per connection.
        let ratios: Vec<f64> =
            rounds.filter(|&(peer, _)| peer > 0.0).map(|(peer, relay)| peer / relay.max(1.0e-3)).collect();
        (!ratios.is_empty()).then(|| Ratio {
            median: median(&ratios),
            least: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            most: ratios.iter().copied().fold(0.0, f64::max),
        })
    }
}

fn figure(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// What was compared on what, in general terms.
fn versions() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel: String = kernel.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let version = |program: &str| {
        let output = Command::new(program).arg("-v").output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        Some(String::from_utf8_lossy(&text).lines().next()?.to_owned())
    };
    let peers: Vec<String> = ["haproxy", "nginx"].into_iter().filter_map(version).collect();
    format!("Linux {kernel}, {}", peers.join(", "))
}
