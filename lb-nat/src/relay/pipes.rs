//! Kernel pipes, borrowed while data is in flight.

use rustix::{
    fd::OwnedFd,
    pipe::{PipeFlags, fcntl_setpipe_size, pipe_with},
};

/// Larger pipes moved a mebibyte no cheaper on the machine where this was measured, but pin more memory when a
/// reader stalls. The default of 64 KiB costs a tenth more.
pub(super) const PIPE_SIZE: usize = 256 << 10;

/// An empty pipe, or one whose content its holder knows.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) read: OwnedFd,
    pub(super) write: OwnedFd,
}

/// Empty pipes of one thread. Two descriptors for each connection would halve what a process can carry; few
/// connections have data in flight at the same moment.
#[derive(Debug)]
pub(super) struct PipePool {
    idle: Vec<Pipe>,
    made: usize,
    max: usize,
}

impl PipePool {
    pub(super) const fn new(max: usize) -> Self {
        Self { idle: Vec::new(), made: 0, max }
    }

    /// An empty pipe; `None` when all are in use: then the caller copies.
    pub(super) fn take(&mut self) -> Option<Pipe> {
        if let Some(pipe) = self.idle.pop() {
            return Some(pipe);
        }
        if self.made >= self.max {
            return None;
        }
        let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).ok()?;
        // Refused beyond `fs.pipe-user-pages-soft`: then it stays as small as the kernel made it, and works.
        let _ = fcntl_setpipe_size(&write, PIPE_SIZE);
        self.made += 1;
        Some(Pipe { read, write })
    }

    /// Takes an empty pipe back.
    pub(super) fn put(&mut self, pipe: Pipe) {
        self.idle.push(pipe);
    }

    /// A pipe that still holds data: closed, since emptying it would cost more.
    pub(super) fn discard(&mut self, pipe: Pipe) {
        drop(pipe);
        self.made -= 1;
    }
}
