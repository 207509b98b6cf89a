//! What is read from the kernel, and how figures are condensed.

use std::fs;

use nix::{
    sys::time::TimeValLike,
    time::{clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};

/// A process and its descendants.
pub(crate) fn tree(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    std::iter::once(pid).chain(children.flat_map(tree)).collect()
}

/// CPU time of a process and its descendants so far, in seconds, by the scheduler's own clock, with the threads that have
/// ended. What the kernel does for a sender inside its system call, up to the receiver's queue, is in it.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let of = |pid: u32| clock_gettime(clock_getcpuclockid(Pid::from_raw(pid as i32)).ok()?).ok();
    tree(pid).into_iter().filter_map(of).map(|time| time.num_nanoseconds() as f64 / 1e9).sum()
}

/// Resident memory in units of 10^6 bytes, of that one of a process and its descendants which has the most: keepalived's
/// parent process is not counted.
pub(crate) fn resident_megabytes(pid: u32) -> f64 {
    let of = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    tree(pid).into_iter().filter_map(of).fold(0.0, f64::max) * 1024.0 / 1e6
}

/// The value below which `share` (0 to 1) of all lie; not a number when there is none.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = last as f64 * share;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}
