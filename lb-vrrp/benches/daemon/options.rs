//! The command line.

use crate::{
    Result,
    scenario::{SCENARIOS, Scenario},
};

/// What to run, how often and for how long.
#[derive(Debug)]
pub(crate) struct Options {
    /// Names of scenarios; none for all of them.
    only: Vec<String>,
    /// `--rounds N`: how often every scenario is repeated. Default 3.
    pub(crate) rounds: usize,
    /// `--seconds S`: length of a measurement that has one. Default: the scenario's own.
    pub(crate) seconds: Option<f64>,
    /// `--check`: end with status 1 when a bar is missed.
    pub(crate) check: bool,
}

impl Options {
    /// `None` when cargo did not ask for a benchmark (`cargo test --benches` passes no `--bench`).
    pub(crate) fn parse(arguments: &[String]) -> Result<Option<Self>> {
        let mut options = Self { only: Vec::new(), rounds: 3, seconds: None, check: false };
        let mut bench = false;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--bench" => bench = true,
                "--test" => return Ok(None),
                "--rounds" => options.rounds = value()?.parse()?,
                "--seconds" => options.seconds = Some(value()?.parse()?),
                "--check" => options.check = true,
                name if SCENARIOS.iter().any(|scenario| scenario.name == name) => {
                    options.only.push(name.to_owned());
                }
                other => {
                    let known: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
                    let known = known.join(", ");
                    return Err(format!(
                        "{other} is neither --rounds N, --seconds S, --check, nor a scenario: {known}"
                    )
                    .into());
                }
            }
        }
        Ok(bench.then_some(options))
    }

    pub(crate) fn scenarios(&self) -> impl Iterator<Item = &'static Scenario> {
        SCENARIOS
            .iter()
            .filter(|scenario| self.only.is_empty() || self.only.iter().any(|name| name == scenario.name))
    }
}
