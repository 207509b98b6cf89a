//! Which datagrams travel together.
//!
//! The kernel takes a *train* (datagrams of one size, of which only the last may be shorter, to one receiver) for
//! little more than the price of a single datagram, and cuts it up as late as it can: in the network card, or never
//! when the receiver takes trains too. Receivers cannot tell the difference. So whatever a batch has brought for one
//! receiver is coupled together as far as sizes allow; nothing ever waits for more.

use std::net::SocketAddr;

use super::sys::{Outgoing, Piece};

#[cfg(test)]
mod tests;

/// Datagrams in a train that is coupled here: the kernel's `UDP_MAX_SEGMENTS` before it became 128.
const MAX_SEGMENTS: usize = 64;
/// Bytes in a train that is coupled here: with all headers, and tags of the link, less than the 64 KiB from which on
/// devices are given single datagrams.
const MAX_BYTES: usize = 65_000;

/// Messages to one receiver, in order.
#[derive(Debug, Default)]
pub(super) struct Trains {
    /// Stretches of received messages.
    pub(super) pieces: Vec<Piece>,
    /// What they are to become.
    pub(super) messages: Vec<Outgoing>,
    /// Where they go; `None` on a connected socket.
    to: Option<SocketAddr>,
    /// The largest datagram that may be part of a train; what is larger is sent by itself.
    limit: u16,
    /// How the last message stands; `None` when nothing can be coupled to it.
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    segment: usize,
    segments: usize,
    bytes: usize,
}

impl Trains {
    /// Forgets everything and begins anew.
    pub(super) fn reset(&mut self, to: Option<SocketAddr>, limit: u16) {
        self.pieces.clear();
        self.messages.clear();
        (self.to, self.limit, self.open) = (to, limit, None);
    }

    /// Adds a datagram (`segment` 0), or a train of datagrams of `segment` bytes.
    pub(super) fn push(&mut self, piece: Piece, segment: u16) {
        let size = if segment == 0 { piece.length } else { usize::from(segment) };
        if size > usize::from(self.limit) {
            self.push_singly(piece, size);
        } else if !self.couple(piece, size) {
            let segments = datagrams(piece.length, segment);
            self.begin(piece, if segments > 1 { segment } else { 0 });
            let is_full = size > 0 && piece.length == segments * size;
            self.open = is_full.then_some(Open { segment: size, segments, bytes: piece.length });
        }
    }

    /// Takes the messages from `from` on apart that hold datagrams larger than `limit`: the way out when the kernel
    /// does not take them as trains.
    pub(super) fn uncouple(&mut self, from: usize, limit: u16) {
        self.limit = limit;
        for message in self.messages.split_off(from.min(self.messages.len())) {
            if message.segment <= limit {
                self.messages.push(message);
                continue;
            }
            // Every piece but the last holds whole datagrams, so none begins in one piece and ends in another.
            for index in message.pieces {
                self.push_singly(self.pieces[index], usize::from(message.segment));
            }
        }
        self.open = None;
    }

    fn push_singly(&mut self, whole: Piece, size: usize) {
        let end = whole.start + whole.length;
        let mut start = whole.start;
        loop {
            let length = size.min(end - start);
            self.begin(Piece { start, length, ..whole }, 0);
            start += length;
            if start >= end {
                break;
            }
        }
        self.open = None;
    }

    /// Adds to the last message, if the kernel can tell the datagrams apart again.
    fn couple(&mut self, piece: Piece, size: usize) -> bool {
        let (Some(open), Some(last)) = (self.open, self.messages.last_mut()) else { return false };
        let count = piece.length.div_ceil(size.max(1));
        let (segments, bytes) = (open.segments + count, open.bytes + piece.length);
        // A train of shorter datagrams cannot follow. A single one can, as the last.
        let fits = size == open.segment || (count == 1 && piece.length < open.segment);
        if piece.length == 0 || !fits || segments > MAX_SEGMENTS || bytes > MAX_BYTES {
            return false;
        }
        let Ok(segment) = u16::try_from(open.segment) else { return false };
        last.segment = segment;
        last.pieces.end += 1;
        self.pieces.push(piece);
        let is_full = piece.length == count * open.segment;
        self.open = is_full.then_some(Open { segments, bytes, ..open });
        true
    }

    fn begin(&mut self, piece: Piece, segment: u16) {
        let first = self.pieces.len();
        self.pieces.push(piece);
        self.messages.push(Outgoing { to: self.to, pieces: first..first + 1, segment });
    }
}

/// How many datagrams a message is that consists of segments of this size, or of one (0). An empty message is one.
pub(super) fn datagrams(length: usize, segment: u16) -> usize {
    if segment == 0 { 1 } else { length.div_ceil(segment.into()).max(1) }
}
