//! What is read from the kernel, and how figures are condensed.

use std::{
    fmt, fs,
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// One measurement of one forwarder.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// What is compared: CPU microseconds per operation, or bytes per connection.
    pub(crate) cost: f64,
    /// Operations per second that were seen.
    pub(crate) rate: f64,
    /// Median of the operations' time, in microseconds; 0 where it is not measured.
    pub(crate) p50: f64,
    /// 99th percentile of it.
    pub(crate) p99: f64,
    /// Connections that broke, datagrams that got lost.
    pub(crate) errors: u64,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cost, rate, p50, p99, errors } = self;
        write!(f, "cost {cost:9.2}  rate {rate:9.0}/s  p50 {p50:6.0} us  p99 {p99:6.0} us  errors {errors}")
    }
}

/// When a measurement is over: after its time, once enough was seen to divide by, and in any case after ten times its
/// time. On a busy machine a short one may otherwise fall into a pause of the forwarder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    soon: Instant,
    late: Instant,
}

impl Span {
    /// Operations that are enough.
    const ENOUGH: usize = 300;

    /// Begins now.
    pub(crate) fn new(time: Duration) -> Self {
        let now = Instant::now();
        Self { soon: now + time, late: now + 10 * time }
    }

    /// Whether it is over at `now`, with so many operations seen.
    pub(crate) fn is_over(&self, now: Instant, seen: usize) -> bool {
        now >= self.late || (now >= self.soon && seen >= Self::ENOUGH)
    }
}

/// CPU time of all threads of a process so far, in microseconds, by the scheduler's own clock.
pub(crate) fn cpu_micros(pid: u32) -> f64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0.0 };
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<f64>().ok())
        .sum::<f64>()
        / 1000.0
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: f64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0
}

/// As many descriptors as the hard limit allows.
pub(crate) fn raise_descriptor_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// The value below which `share` (0 to 1) of all lie; 0 when there is none.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len() - 1;
    values[((last as f64) * share).round() as usize]
}

/// The middle one; of an even number the mean of both in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}
