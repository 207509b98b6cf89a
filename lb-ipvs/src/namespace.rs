//! Network namespaces other than the calling thread's.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::Arc,
    thread,
};

use nix::sched::{CloneFlags, setns};

/// A network namespace. It stays while this value lives, also when its name is taken away.
#[derive(Clone, Debug, Default)]
pub struct Namespace(Option<Arc<OwnedFd>>);

impl Namespace {
    /// That of the process.
    pub fn own() -> Self {
        Self(None)
    }

    /// By a file that stands for it: `/run/netns/NAME` of `ip netns`, `/proc/PID/ns/net` of a process.
    ///
    /// # Errors
    /// When the file can not be opened.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::from_fd(File::open(path)?.into()))
    }

    /// By an open file that stands for it.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self(Some(Arc::new(fd)))
    }

    /// Calls something inside it: on the calling thread for the process's own, else on a thread that ends with the
    /// call, so that the caller's is never moved.
    ///
    /// # Errors
    /// When the namespace can not be entered, which takes CAP_SYS_ADMIN, or when no thread can be made.
    pub fn within<R: Send>(&self, inside: impl FnOnce() -> io::Result<R> + Send) -> io::Result<R> {
        let Some(fd) = &self.0 else {
            return inside();
        };
        thread::scope(|scope| {
            let thread =
                thread::Builder::new().name("ipvs-namespace".to_owned()).spawn_scoped(scope, || {
                    setns(fd.as_fd(), CloneFlags::CLONE_NEWNET).map_err(io::Error::from)?;
                    inside()
                })?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}
