//! How datagrams reach the kernel, or a recording of it.

mod netlink;
mod replay;

use std::io;

pub use netlink::Netlink;
pub use replay::{Recorded, Replay};

/// Carries netlink datagrams.
pub trait Transport: Send {
    /// Sends one datagram, which may hold several messages.
    ///
    /// # Errors
    /// What the system says.
    fn send(&mut self, datagram: &[u8]) -> io::Result<()>;

    /// Puts the next datagram into `into`, in place of what is in it.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when none comes in time; else what the system says.
    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()>;

    /// Throws away what has come and was not received.
    fn discard(&mut self);

    /// How many answers of a few bytes may be on their way at once without one being lost; at least 1. As many commands are
    /// sent in one datagram at most, since each of them may be refused.
    fn window(&self) -> usize;
}
