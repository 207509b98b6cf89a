//! Medians, extremes, ratios and bars.

use std::{collections::BTreeMap, fs};

use crate::{Kind, Options};

/// What is measured, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    Start,
    MasterCpu,
    BackupCpu,
    MasterResident,
    BackupResident,
    MasterProportional,
    Reload,
    ReloadGap,
    ReloadLate,
    Change,
    OnWire,
    ChangeGap,
    ChangeLate,
    BackupReload,
    Spurious,
    Status,
    StatusLate,
    TakenAfterStop,
    TakenAfterKill,
}

impl Figure {
    const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::Start => ("start until all are MASTER, beyond the down interval", "s"),
            Self::MasterCpu => ("CPU when MASTER", "% of a core"),
            Self::BackupCpu => ("CPU when BACKUP", "% of a core"),
            Self::MasterResident => ("memory when MASTER, resident, greatest process", "MB"),
            Self::BackupResident => ("memory when BACKUP, resident, greatest process", "MB"),
            Self::MasterProportional => ("memory when MASTER, proportional, all processes", "MB"),
            Self::Reload => ("reload of an unchanged file", "ms"),
            Self::ReloadGap => ("the same: longest time between adverts, beyond the interval", "ms"),
            Self::ReloadLate => ("the same: adverts late by more than a tenth", ""),
            Self::Change => ("reload with one changed priority", "ms"),
            Self::OnWire => ("the same: until it is on the wire", "ms"),
            Self::ChangeGap => ("the same: longest time between adverts, beyond the interval", "ms"),
            Self::ChangeLate => ("the same: adverts late by more than a tenth", ""),
            Self::BackupReload => ("reload of an unchanged file when BACKUP", "ms"),
            Self::Spurious => ("addresses that came or went at these reloads, both nodes", ""),
            Self::Status => ("`lbctl status` of all", "ms"),
            Self::StatusLate => ("the same: adverts late by more than a tenth", ""),
            Self::TakenAfterStop => ("SIGTERM until all are taken over, beyond skew time", "s"),
            Self::TakenAfterKill => ("SIGKILL until all are taken over, beyond the down interval", "s"),
        }
    }

    /// What ours is to stay below, or at.
    fn bar(self, size: usize, theirs: Option<f64>) -> Option<f64> {
        match self {
            Self::Spurious | Self::ReloadLate | Self::ChangeLate | Self::StatusLate => Some(0.0),
            Self::Change if size <= 4000 => Some(100.0),
            Self::MasterResident | Self::BackupResident => theirs,
            _ => None,
        }
    }
}

/// What was measured with so many instances.
pub(crate) struct Report {
    size: usize,
    rounds: usize,
    advert: u64,
    values: BTreeMap<(Figure, Kind), Vec<f64>>,
    failed: Vec<String>,
}

impl Report {
    pub(crate) fn new(size: usize, options: &Options) -> Self {
        let Options { rounds, advert, .. } = *options;
        Self { size, rounds, advert, values: BTreeMap::new(), failed: Vec::new() }
    }

    pub(crate) fn add(&mut self, kind: Kind, figure: Figure, value: f64) {
        let (name, unit) = figure.name();
        eprintln!("    {name:<70} {value:>10.2} {unit}");
        self.values.entry((figure, kind)).or_default().push(value);
    }

    pub(crate) fn failed(&mut self, kind: Kind, why: &str) {
        eprintln!("    failed: {why}");
        self.failed.push(format!("failed: {}: {why}", kind.name()));
    }

    /// Prints a table in Markdown.
    pub(crate) fn print(&self) {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load: Vec<&str> = load.split_whitespace().take(3).collect();
        println!(
            "\n{} instances, adverts each {} ms, {} rounds: median (least–most); load at the end {}\n",
            self.size,
            self.advert,
            self.rounds,
            load.join(" ")
        );
        println!("| | unit | lb-failover | keepalived | ratio | bar | |\n|---|---|---|---|---|---|---|");
        let mut figures: Vec<Figure> = self.values.keys().map(|(figure, _)| *figure).collect();
        figures.dedup();
        for figure in figures {
            let of = |kind| self.values.get(&(figure, kind)).map(|values| condensed(values));
            let [ours, theirs] = [of(Kind::Ours), of(Kind::Keepalived)];
            let (name, unit) = figure.name();
            let bar = figure.bar(self.size, theirs.map(|(median, ..)| median));
            let ratio = match (ours, theirs) {
                (Some((ours, ..)), Some((theirs, ..))) if theirs > 0.0 => format!("{:.2}", ours / theirs),
                _ => "–".to_owned(),
            };
            let verdict = match (ours, bar) {
                (Some((ours, ..)), Some(bar)) if ours <= bar => "met",
                (Some(_), Some(_)) => "missed",
                _ => "",
            };
            let bar = bar.map_or("–".to_owned(), short);
            println!("| {name} | {unit} | {} | {} | {ratio} | {bar} | {verdict} |", cell(ours), cell(theirs));
        }
        self.failed.iter().for_each(|line| println!("\n{line}"));
    }
}

fn condensed(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len() - 1;
    (f64::midpoint(sorted[last / 2], sorted[sorted.len() / 2]), sorted[0], sorted[last])
}

fn cell(values: Option<(f64, f64, f64)>) -> String {
    values.map_or("–".to_owned(), |(median, least, most)| {
        format!("{} ({}–{})", short(median), short(least), short(most))
    })
}

fn short(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
