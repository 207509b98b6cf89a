//! The command line.

use crate::{Result, workload::Workload};

/// What to run and for how long.
#[derive(Debug)]
pub(crate) struct Options {
    /// `--rounds N`: how often every measurement is repeated. Default 5.
    pub(crate) rounds: usize,
    /// `--seconds S`: length of one measurement, after a warm-up of a quarter of it. Default 0.6.
    pub(crate) seconds: f64,
    /// `--only TEXT`: only the workloads whose name contains it; may be repeated.
    pub(crate) only: Vec<String>,
    /// `--check`: end with status 1 when a bar is missed.
    pub(crate) check: bool,
}

impl Options {
    /// `None` when cargo did not ask for a benchmark (`cargo test --benches` passes no `--bench`).
    pub(crate) fn parse(arguments: &[String]) -> Result<Option<Self>> {
        let mut options = Self { rounds: 5, seconds: 0.6, only: Vec::new(), check: false };
        let mut bench = false;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--bench" => bench = true,
                "--test" => return Ok(None),
                "--quick" => (options.rounds, options.seconds) = (2, 0.3),
                "--rounds" => options.rounds = value()?.parse()?,
                "--seconds" => options.seconds = value()?.parse()?,
                "--only" => options.only.push(value()?.clone()),
                "--check" => options.check = true,
                other => {
                    return Err(format!(
                        "unknown option {other}; known are --quick, --rounds N, --seconds S, --only TEXT, --check"
                    )
                    .into());
                }
            }
        }
        Ok(bench.then_some(options))
    }

    /// Whether `--only` lets this workload through.
    pub(crate) fn wants(&self, workload: &Workload) -> bool {
        self.only.is_empty() || self.only.iter().any(|text| workload.name.contains(text.as_str()))
    }
}
