//! What keeps a process punctual on a busy machine. Without it, 10 ms advertisements are late often enough to make a
//! Backup take over; the caller decides, since it concerns the whole process.

use std::io;

use nix::sys::mman::{MlockAllFlags, mlockall};
use thiserror::Error;

use super::linux::sys;

/// Why the process could not be made punctual.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RealtimeError {
    /// The priority is none.
    #[error("real-time priority {0} is out of range: 1 to 99")]
    Priority(u8),
    /// The scheduler refused.
    #[error(
        "real-time priority {priority}: {source}: this needs CAP_SYS_NICE or RLIMIT_RTPRIO of {priority} \
         (systemd: LimitRTPRIO={priority}), and control groups that allow it"
    )]
    Scheduler {
        /// The priority.
        priority: u8,
        /// The error of `sched_setscheduler(2)`.
        source: io::Error,
    },
    /// Memory could not be locked.
    #[error(
        "locking memory: {0}: this needs CAP_IPC_LOCK or a larger RLIMIT_MEMLOCK (systemd: LimitMEMLOCK=infinity)"
    )]
    Memory(#[source] io::Error),
}

/// Runs the calling thread before all others that are not real-time, in `SCHED_RR` with this priority, 1 to 99. Call it on
/// the thread that polls [`Driver::run`](super::Driver::run), as in a runtime of the flavour `current_thread`. Threads and
/// processes that are made later do not inherit it: in particular those on which addresses are changed.
///
/// # Errors
/// When the priority is out of range or the privilege is missing.
pub fn set_priority(priority: u8) -> Result<(), RealtimeError> {
    if !(1..=99).contains(&priority) {
        return Err(RealtimeError::Priority(priority));
    }
    sys::round_robin(priority.into()).map_err(|source| RealtimeError::Scheduler { priority, source })
}

/// Keeps all memory of the process, present and future, from being paged out.
///
/// # Errors
/// When the privilege is missing or the limit is too small.
pub fn lock_memory() -> Result<(), RealtimeError> {
    // Pages are locked when they are first touched, so that unused stacks and buffers take no memory.
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault)
        .map_err(|error| RealtimeError::Memory(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_out_of_range_says_so() {
        for priority in [0, 100] {
            let error = set_priority(priority).unwrap_err();
            assert!(matches!(error, RealtimeError::Priority(_)));
            assert!(error.to_string().contains("1 to 99"), "{error}");
        }
    }
}
