//! Medians and extremes, and whether they are what they should be.

use std::{collections::BTreeMap, time::Duration};

use crate::{failure::Failure, nodes::Pair};

/// Longest outage of anything orderly, in milliseconds, at any interval, beyond what a client sees when nothing happens.
const ORDERLY: f64 = 10.0;
/// Longest outage of anything at an interval of 10 ms.
const SHORTEST: f64 = 45.0;

/// What was measured at one interval.
#[derive(Debug)]
pub(crate) struct Report {
    advert: Duration,
    outages: BTreeMap<(Failure, Pair), Vec<f64>>,
    failed: Vec<String>,
}

impl Report {
    /// Prints the head of the table.
    pub(crate) fn new(advert: Duration, rounds: usize) -> Self {
        println!(
            "\nOutage seen by a client in ms, adverts each {} ms, {rounds} rounds: median (p99)",
            advert.as_millis()
        );
        print!("{:18}", "");
        Pair::ALL.iter().for_each(|pair| print!("{:>24}", pair.name()));
        println!("{:>10}", "ratio");
        Self { advert, outages: BTreeMap::new(), failed: Vec::new() }
    }

    pub(crate) fn add(&mut self, failure: Failure, pair: Pair, outage: f64) {
        self.outages.entry((failure, pair)).or_default().push(outage);
    }

    pub(crate) fn failed(&mut self, failure: Failure, pair: Pair, why: &str) {
        self.failed.push(format!("{}, {}: {why}", pair.name(), failure.name()));
    }

    /// Prints what is known of a failure.
    pub(crate) fn print_row(&self, failure: Failure, pairs: &[Pair]) {
        print!("{:18}", failure.name());
        for pair in Pair::ALL {
            let cell = match self.figures(failure, pair) {
                Some((median, p99)) if pairs.contains(&pair) => format!("{median:.1} ({p99:.1})"),
                _ => "-".to_owned(),
            };
            print!("{cell:>24}");
        }
        let medians = [Pair::Ours, Pair::Keepalived].map(|pair| self.figures(failure, pair));
        match medians {
            [Some((ours, _)), Some((theirs, _))] => println!("{:>10.2}", ours / theirs),
            _ => println!("{:>10}", "-"),
        }
    }

    fn figures(&self, failure: Failure, pair: Pair) -> Option<(f64, f64)> {
        let mut values = self.outages.get(&(failure, pair))?.clone();
        values.sort_by(f64::total_cmp);
        // Of 20 values it is the largest one.
        let rank = |part: f64| ((values.len() as f64 * part).ceil() as usize).clamp(1, values.len()) - 1;
        Some((values[rank(0.5)], values[rank(0.99)]))
    }

    /// Prints what is not as it should be; returns how much that is.
    pub(crate) fn print_bars(&self) -> usize {
        let mut missed = self.failed.clone();
        for ((failure, pair), _) in self.outages.iter().filter(|((_, pair), _)| *pair != Pair::Keepalived) {
            let Some((median, p99)) = self.figures(*failure, *pair) else { continue };
            let what = format!("{}, {}", pair.name(), failure.name());
            let (usual, usual_p99) = self.figures(Failure::Nothing, *pair).unwrap_or_default();
            if failure.is_orderly() && (median - usual >= ORDERLY || p99 - usual_p99 >= ORDERLY) {
                missed.push(format!(
                    "{what}: {median:.1} ({p99:.1}) ms are {ORDERLY} ms more than when nothing happens"
                ));
            }
            if self.advert <= Duration::from_millis(10) && *pair == Pair::Ours && p99 >= SHORTEST {
                missed.push(format!("{what}: {p99:.1} ms are not below {SHORTEST} ms"));
            }
            let theirs = self.figures(*failure, Pair::Keepalived);
            if let Some((theirs, _)) =
                theirs.filter(|(theirs, _)| *pair == Pair::Ours && median > theirs + 1.0)
            {
                missed.push(format!("{what}: {median:.1} ms, and keepalived {theirs:.1} ms"));
            }
        }
        missed.iter().for_each(|line| println!("MISSED  {line}"));
        missed.len()
    }
}
