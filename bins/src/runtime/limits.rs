//! What the system lets a process have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit of open files to what may be had without privilege, and returns what holds now: checks and connections
/// take descriptors, and the usual soft limit of 1,024 is meant for programs that use `select(2)`.
pub fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return u64::MAX };
    // Without it there is less room; whoever meets the limit says so.
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() { soft } else { hard }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn afterwards_the_soft_limit_is_the_hard_one() {
        let limit = raise_open_files();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert!(soft == hard && soft == limit);
    }
}
