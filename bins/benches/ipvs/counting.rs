//! What is sent to the kernel, counted.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use lb_ipvs::transport::{Netlink, Transport};

/// A netlink socket that counts the messages that are sent through it.
pub(crate) struct Counting {
    socket: Netlink,
    sent: Arc<AtomicUsize>,
}

impl Counting {
    pub(crate) fn new(socket: Netlink) -> (Self, Arc<AtomicUsize>) {
        let sent = Arc::new(AtomicUsize::new(0));
        (Self { socket, sent: sent.clone() }, sent)
    }
}

/// Each begins with its length, and is padded to four bytes.
fn messages(mut datagram: &[u8]) -> usize {
    let mut count = 0;
    while let Some(length) = datagram.first_chunk::<4>() {
        let length = usize::try_from(u32::from_ne_bytes(*length)).unwrap_or(usize::MAX);
        datagram = datagram.get(length.max(16).next_multiple_of(4)..).unwrap_or_default();
        count += 1;
    }
    count
}

impl Transport for Counting {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.sent.fetch_add(messages(datagram), Ordering::Relaxed);
        self.socket.send(datagram)
    }

    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        self.socket.receive(into)
    }

    fn discard(&mut self) {
        self.socket.discard();
    }

    fn window(&self) -> usize {
        self.socket.window()
    }
}
