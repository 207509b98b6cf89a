//! From servers to clients.
//!
//! Replies of all sessions that are ready in one round are gathered and leave in as few calls as possible, from the
//! socket that the clients know.

use std::os::fd::AsFd;

use super::{
    TURNS, UdpEngine,
    forward::Fault,
    sys::{BATCH, Piece},
    train::{Receiver, Trains, datagrams},
};
use crate::relay::shared::Context;

/// What one session may bring before the next gets its turn to fill the buffers.
const FIRST_LOOK: usize = 16;

/// Replies that lie in the inbox and have not been sent yet.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// From which listener they leave.
    listener: u32,
    /// Buffers of the inbox that they take, from the first on.
    buffers: usize,
    trains: Trains,
}

impl UdpEngine {
    /// Takes what a server has sent to a session.
    pub(super) fn gather(&mut self, context: &Context<'_>, index: u32) {
        let mut look = FIRST_LOOK;
        for _ in 0..TURNS {
            let Some(session) = self.sessions.session(index) else { return };
            let listener = session.key.listener;
            if self.replies.listener != listener || self.replies.buffers == BATCH {
                self.send_replies();
                self.replies.listener = listener;
            }
            let Some(session) = self.sessions.session(index) else { return };
            let first = self.replies.buffers;
            let room = first..BATCH.min(first + look);
            let wanted = room.len();
            let count = match self.inbox.receive(session.socket.as_fd(), room) {
                Ok(count) => count,
                Err(error) => {
                    if Fault::from(error) == Fault::Refused {
                        self.move_session(context, index, &mut Vec::new());
                    }
                    return;
                }
            };
            let to =
                Receiver { session: index, address: Some(session.key.client), limit: session.client_limit };
            let (mut bytes, mut packets) = (0, 0);
            for buffer in first..first + count {
                let received = self.inbox.received(buffer);
                if received.truncated {
                    continue;
                }
                let piece = Piece { buffer, start: 0, length: received.length };
                self.replies.trains.push(to, piece, received.segment);
                bytes += received.length;
                let size = if received.segment == 0 { received.length } else { received.segment.into() };
                packets += datagrams(received.length, size);
            }
            session.claim.server.count((0, 0), (bytes as u64, packets as u64));
            self.replies.buffers += count;
            self.sessions.touch(index, context.now);
            if count < wanted {
                return;
            }
            look = BATCH;
        }
    }

    /// Sends the replies that were gathered.
    pub(super) fn send_replies(&mut self) {
        let Replies { listener, buffers, trains } = &mut self.replies;
        *buffers = 0;
        if trains.is_empty() {
            return;
        }
        let mut sent = 0;
        while let Some(Some(at)) = self.listeners.get(*listener as usize)
            && sent < trains.messages.len()
        {
            let messages = &trains.messages[sent..];
            match self.outbox.send(at.socket.as_fd(), &self.inbox, &trains.pieces, messages) {
                Ok(count) => sent += count,
                Err(error) => match Fault::from(error) {
                    Fault::Interrupted => {}
                    Fault::TooLarge if messages[0].segment > 0 => {
                        let limit = messages[0].segment - 1;
                        if let Some(session) = self.sessions.session_mut(messages[0].session) {
                            session.client_limit = limit;
                        }
                        trains.uncouple(sent, limit);
                    }
                    Fault::Later | Fault::TooLarge | Fault::Refused | Fault::Other => sent += 1,
                },
            }
        }
        trains.clear();
    }
}
