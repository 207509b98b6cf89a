//! A netlink socket.

use std::{io, time::Duration};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};
use socket2::SockRef;

use super::Transport;

/// How long an answer may take. The kernel answers within the call that asks, unless a module has to be loaded.
const PATIENCE: Duration = Duration::from_secs(10);
/// The kernel puts at most 32 KiB into one datagram of a dump.
const DATAGRAM: usize = 1 << 16;
/// What an acknowledgement takes of the receive buffer, bookkeeping included: 768 bytes on Linux 6.1. With room to spare.
const ACKNOWLEDGEMENT: usize = 2048;
/// Wanted for the receive buffer.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Datagrams of about 64 KiB.
const WINDOW: usize = 256;

/// A socket of generic netlink. It belongs to the network namespace of the thread that opened it, wherever it is used.
pub struct Netlink {
    socket: Socket,
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
        let window = (options.recv_buffer_size()? / ACKNOWLEDGEMENT).clamp(1, WINDOW);
        Ok(Self { socket, window })
    }

    /// Waits so long for each answer instead of ten seconds.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn with_patience(self, patience: Duration) -> io::Result<Self> {
        SockRef::from(&self.socket).set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
        Ok(self)
    }
}

impl Transport for Netlink {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.socket.send_to(datagram, &SocketAddr::new(0, 0), 0).map(drop)
    }

    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        loop {
            into.clear();
            into.reserve(DATAGRAM);
            match self.socket.recv_from(into, 0) {
                // Any process may send to the port of another one; only the kernel has port 0.
                Ok((_, sender)) if sender.port_number() != 0 => {}
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, error));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn window(&self) -> usize {
        self.window
    }
}
