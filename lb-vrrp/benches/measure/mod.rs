//! The median of many samples, and the bar that it is held to.

#![allow(clippy::disallowed_methods, reason = "to measure takes a clock")]
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::time::Instant;

use lb_vrrp::Time;

const SAMPLES: usize = 201;

/// Says what one call costs: the median and the best of the samples, each of so many calls, and the bar if there is one.
pub(crate) fn median(name: &str, calls: u32, bar: Option<u32>, mut call: impl FnMut()) {
    (0..calls).for_each(|_| call());
    let mut samples: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let start = Instant::now();
            (0..calls).for_each(|_| call());
            start.elapsed().as_nanos() as f64 / f64::from(calls)
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    let (best, median) = (samples[0], samples[SAMPLES / 2]);
    let bar = bar.map_or(String::new(), |bar| format!("   bar {bar} ns"));
    println!("{name:<58} {median:>9.1} ns   best {best:>9.1}{bar}");
}

/// Time that goes on with each advertisement.
pub(crate) struct Clock(pub(crate) Time);

impl Clock {
    pub(crate) fn tick(&mut self, by: std::time::Duration) -> Time {
        self.0 = self.0 + by;
        self.0
    }
}
