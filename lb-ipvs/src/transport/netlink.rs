//! A netlink socket.

use std::{
    io,
    time::{Duration, Instant},
};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};
use nix::libc;
use socket2::SockRef;

use super::Transport;

/// How long an answer may take. The kernel answers within the call that asks, unless a module has to be loaded.
const PATIENCE: Duration = Duration::from_secs(10);
/// For each datagram of a dump the kernel takes as much memory as the reader has room for, up to 32 KiB. Where it clears what it
/// takes, as Debian's does, that was a quarter of the time in which a table is read. This much, with the kernel's own 320 bytes,
/// is one block of 8 KiB and holds some twenty servers. The kernel itself never wants more for one datagram.
const DATAGRAM: usize = 8192 - 320;
/// What the end of a request takes of the receive buffer, bookkeeping included: 768 bytes on Linux 6.1. With room to spare.
const END: usize = 2048;
/// Wanted for the receive buffer.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Datagrams of about 64 KiB.
const WINDOW: usize = 256;

/// A socket of generic netlink. It belongs to the network namespace of the thread that opened it, wherever it is used.
pub struct Netlink {
    socket: Socket,
    patience: Duration,
    window: usize,
}

impl Netlink {
    /// In the network namespace of the calling thread.
    ///
    /// # Errors
    /// When the system has no socket to give.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        // The kernel chooses the port; that of the process may be taken by another socket of it.
        socket.bind_auto()?;
        // Errors without a copy of the request. Old kernels do not know it.
        drop(socket.set_cap_ack(true));
        // Beyond the system's limit with CAP_NET_ADMIN, which all of IPVS needs.
        drop(socket.set_rx_buf_sz(RECEIVE_BUFFER as i32));
        let options = SockRef::from(&socket);
        options.set_read_timeout(Some(PATIENCE))?;
        let window = (options.recv_buffer_size()? / END).clamp(1, WINDOW);
        Ok(Self { socket, patience: PATIENCE, window })
    }

    /// Waits so long for each answer instead of ten seconds.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn with_patience(mut self, patience: Duration) -> io::Result<Self> {
        self.patience = patience.max(Duration::from_millis(1));
        SockRef::from(&self.socket).set_read_timeout(Some(self.patience))?;
        Ok(self)
    }
}

impl Netlink {
    /// The next datagram, and the port that it comes from.
    fn take(&self, into: &mut Vec<u8>, flags: i32) -> io::Result<u32> {
        into.clear();
        into.reserve(DATAGRAM);
        self.socket.recv_from(into, flags).map(|(_, sender)| sender.port_number())
    }
}

impl Transport for Netlink {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.socket.send_to(datagram, &SocketAddr::new(0, 0), 0).map(drop)
    }

    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let mut disturbed: Option<Instant> = None;
        loop {
            match self.take(into, 0) {
                Ok(0) => return Ok(()),
                // Any process may send to the port of another one; only the kernel has port 0. Reading the clock costs as
                // much as receiving where it is emulated, so it is read no earlier.
                Ok(_) if disturbed.get_or_insert_with(Instant::now).elapsed() > self.patience => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, error));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn discard(&mut self) {
        let (begin, mut into) = (Instant::now(), Vec::new());
        // What was lost is reported once, before what was not.
        while begin.elapsed() < self.patience {
            match self.take(&mut into, libc::MSG_DONTWAIT) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                _ => {}
            }
        }
    }

    fn window(&self) -> usize {
        self.window
    }
}
