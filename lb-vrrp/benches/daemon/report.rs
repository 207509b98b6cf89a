//! Condenses what was measured into a table.

use std::process::Command;

use crate::{daemon::Kind, measure::quantile, options::Options};

/// Everything that was measured, in rows of the order in which they came up.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<(Row, Vec<(Kind, f64)>)>,
    failed: Vec<String>,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) figure: Figure,
    /// What ours is to stay below, or at.
    pub(crate) bar: Option<f64>,
}

/// What is made of all values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Figure {
    Median,
    P99,
    Most,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, unit: &'static str) -> Self {
        Self { name: name.into(), unit, figure: Figure::Median, bar: None }
    }

    pub(crate) fn bar(self, bar: f64) -> Self {
        Self { bar: Some(bar), ..self }
    }

    pub(crate) fn of(self, figure: Figure) -> Self {
        Self { figure, ..self }
    }
}

impl Figure {
    fn of(self, values: &[f64]) -> f64 {
        quantile(
            values,
            match self {
                Self::Median => 0.5,
                Self::P99 => 0.99,
                Self::Most => 1.0,
            },
        )
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Median => "median",
            Self::P99 => "99 %",
            Self::Most => "most",
        }
    }
}

impl Report {
    pub(crate) fn add(&mut self, row: Row, kind: Kind, value: f64) {
        if row.figure != Figure::P99 {
            eprintln!("    {:<80} {value:10.3} {}", row.name, row.unit);
        }
        match self.rows.iter_mut().find(|(other, _)| *other == row) {
            Some((_, values)) => values.push((kind, value)),
            None => self.rows.push((row, vec![(kind, value)])),
        }
    }

    /// A scenario could not be carried out.
    pub(crate) fn fail(&mut self, scenario: &str, kind: Kind) {
        self.failed.push(format!("{scenario} with {}", kind.name()));
    }

    /// Whether a bar was missed, or ours failed.
    pub(crate) fn missed(&self) -> bool {
        let missed =
            |(row, values): &(Row, Vec<(Kind, f64)>)| row.met(&of(values, Kind::Ours)) == Some(false);
        self.rows.iter().any(missed) || self.failed.iter().any(|failed| failed.ends_with(Kind::Ours.name()))
    }

    /// Prints the table in Markdown.
    pub(crate) fn print(&self, options: &Options) {
        println!("\n{} rounds; {}\n", options.rounds, versions());
        println!("| | unit | | lb-vrrp (least–most) | keepalived (least–most) | ratio | bar | verdict |");
        println!("|---|---|---|---|---|---|---|---|");
        for (row, values) in &self.rows {
            let (ours, peers) = (of(values, Kind::Ours), of(values, Kind::Keepalived));
            let ratio = row.figure.of(&ours) / row.figure.of(&peers);
            println!(
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                row.name,
                row.unit,
                row.figure.name(),
                row.condense(&ours),
                row.condense(&peers),
                if ratio.is_finite() { format!("{ratio:.2}") } else { "–".into() },
                row.bar.map_or("–".into(), |bar| format!("≤ {bar}")),
                match row.met(&ours) {
                    Some(true) => "met",
                    Some(false) => "missed",
                    None => "",
                }
            );
        }
        for failed in &self.failed {
            println!("\nfailed: {failed}");
        }
        let names: Vec<&str> = options.scenarios().map(|scenario| scenario.name).collect();
        println!("\nratio: lb-vrrp to keepalived. To repeat it, as root:");
        println!("cargo bench -p lb-vrrp --bench daemon -- {} --rounds {}", names.join(" "), options.rounds);
    }
}

impl Row {
    fn met(&self, ours: &[f64]) -> Option<bool> {
        (!ours.is_empty()).then_some(self.figure.of(ours) <= self.bar?)
    }

    fn condense(&self, values: &[f64]) -> String {
        if values.is_empty() {
            return "–".into();
        }
        let [figure, least, most] =
            [self.figure.of(values), quantile(values, 0.0), quantile(values, 1.0)].map(short);
        format!("{figure} ({least}–{most}), n={}", values.len())
    }
}

fn of(values: &[(Kind, f64)], kind: Kind) -> Vec<f64> {
    values.iter().filter(|(of, _)| *of == kind).map(|(_, value)| *value).collect()
}

fn short(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// What was compared on what, in general terms.
fn versions() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel: String = kernel.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let version = Command::new(crate::keepalived::PROGRAM).arg("-v").output().ok().and_then(|output| {
        let text = [output.stdout, output.stderr].concat();
        let line = String::from_utf8_lossy(&text).lines().next()?.to_owned();
        Some(line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} cores, Linux {kernel}, {}", version.unwrap_or_else(|| "no keepalived".into()))
}
