//! Whole frames, sent through a packet socket that receives nothing.

use std::{
    io,
    os::fd::AsFd,
    sync::{Mutex, PoisonError},
};

use socket2::{Domain, Socket, Type};

use super::{
    control::{Control, Name},
    sys::Outbox,
};
use crate::wire::Mac;

/// A packet socket of protocol 0: the kernel gives it no copy of what is received. One serves all interfaces and threads.
pub(super) struct PacketSocket {
    socket: Socket,
    outbox: Mutex<Outbox>,
}

impl PacketSocket {
    pub(super) fn new() -> io::Result<Self> {
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None)?;
        Ok(Self { socket, outbox: Mutex::default() })
    }

    /// Sends frames by these interfaces.
    pub(super) fn send<'a>(&self, frames: impl Iterator<Item = (u32, &'a [u8])>) -> io::Result<()> {
        let mut outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        for (interface, frame) in frames {
            push(&mut outbox, interface, |bytes| bytes.extend_from_slice(frame), frame);
        }
        let mut result = Ok(());
        self.flush(&mut outbox, &mut |_, error| {
            if result.is_ok() {
                result = Err(error);
            }
        });
        result
    }

    /// Sends what is queued. Tells which ones could not be sent.
    pub(super) fn flush(&self, outbox: &mut Outbox, failed: &mut dyn FnMut(usize, io::Error)) {
        outbox.flush(self.socket.as_fd(), failed);
    }
}

/// Queues a frame; its first 14 bytes are its Ethernet header.
pub(super) fn push(outbox: &mut Outbox, interface: u32, write: impl FnOnce(&mut Vec<u8>), header: &[u8]) {
    let mut destination = [0; 6];
    destination.copy_from_slice(&header[..6]);
    let ethertype = u16::from_be_bytes([header[12], header[13]]);
    outbox.push(Name::link(interface, ethertype, Mac(destination)), Control::NONE, write);
}
