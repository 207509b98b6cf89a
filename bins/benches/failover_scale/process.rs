//! What the kernel knows of a daemon's processes.

use std::fs;

use lb_lab::Process;
use nix::unistd::{SysconfVar, sysconf};

/// CPU time so far and memory, of a program and what it has started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    /// Resident memory of the process that has most, in units of 10^6 bytes.
    pub(crate) resident: f64,
    /// Of all processes together; what is shared counts in parts.
    pub(crate) proportional: f64,
}

pub(crate) fn usage(process: &Process) -> Usage {
    let mut usage = Usage::default();
    for pid in std::iter::once(process.pid()).chain(process.descendants()) {
        usage.cpu_seconds += cpu_seconds(pid.as_raw()).unwrap_or_default();
        usage.resident = usage.resident.max(megabytes(&format!("/proc/{pid}/status"), "VmRSS:"));
        usage.proportional += megabytes(&format!("/proc/{pid}/smaps_rollup"), "Pss:");
    }
    usage
}

fn cpu_seconds(pid: i32) -> Option<f64> {
    // Of each thread, in nanoseconds, by the scheduler: ticks are too coarse.
    let mut sum = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let path = task.ok()?.path().join("schedstat");
        match fs::read_to_string(path)
            .ok()
            .and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok())
        {
            Some(nanoseconds) => sum += nanoseconds / 1e9,
            None => return ticks(pid),
        }
    }
    Some(sum)
}

fn ticks(pid: i32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / sysconf(SysconfVar::CLK_TCK).ok()?? as f64)
}

fn megabytes(path: &str, field: &str) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kibibytes.unwrap_or(f64::NAN) * 1024.0 / 1e6
}
