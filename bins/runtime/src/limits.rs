//! What the system lets a process have.

use std::sync::OnceLock;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The soft limit of open files before it was raised.
static ORIGINAL: OnceLock<u64> = OnceLock::new();

/// Raises the limit of open files to what may be had without privilege, and returns what holds now: checks and connections
/// take descriptors, and the usual soft limit of 1,024 is meant for programs that use `select(2)`.
pub fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return u64::MAX };
    // Without it there is less room; whoever meets the limit says so.
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() {
        return soft;
    }
    if soft < hard {
        let _ = ORIGINAL.set(soft);
    }
    hard
}

/// Gives another process the soft limit of open files that this one was started with. Does nothing where that is not
/// permitted: a process of another user takes CAP_SYS_RESOURCE.
pub fn restore_open_files(process: u32) {
    let pid = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
    let (Some(pid), Some(soft)) = (pid, ORIGINAL.get()) else { return };
    let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let limit = rustix::process::Rlimit { current: Some(*soft), maximum: hard };
    let _ = rustix::process::prlimit(Some(pid), rustix::process::Resource::Nofile, limit);
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

    #[test]
    fn another_process_gets_the_limit_of_the_start() {
        raise_open_files();
        let mut child = std::process::Command::new("/bin/sleep").arg("600").spawn().unwrap();
        restore_open_files(child.id());
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let soft = line.split_whitespace().nth(3).unwrap();
        let (ours, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, ORIGINAL.get().copied().unwrap_or(ours).to_string());
    }
}
