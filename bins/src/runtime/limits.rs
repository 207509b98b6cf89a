//! What the system lets a process have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit of open files to what may be had without privilege: checks and connections take descriptors, and
/// the usual soft limit of 1,024 is meant for programs that use `select(2)`.
pub fn raise_open_files() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // Without it there is less room; whoever meets the limit says so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn afterwards_the_soft_limit_is_the_hard_one() {
        raise_open_files();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
    }
}
