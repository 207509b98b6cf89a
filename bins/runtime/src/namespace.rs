//! Network namespaces that have a name, as `ip netns` gives them.

use std::{fs::File, io, path::Path};

use nix::sched::{CloneFlags, setns};

/// Moves the calling thread into one; threads that it makes later are in it as well.
///
/// # Errors
/// When there is no such namespace, or CAP_SYS_ADMIN is missing.
pub fn enter(name: &str) -> io::Result<()> {
    let file = File::open(Path::new("/run/netns").join(name))?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)
}
