//! From servers to clients.

use std::os::fd::AsFd;

use super::{
    TURNS, UdpEngine,
    forward::Fault,
    sys::{BATCH, Piece},
    train::datagrams,
};
use crate::relay::shared::Context;

/// How many messages a session is first asked for: most have few, and the headers of each cost a little.
const FIRST_LOOK: usize = 16;

impl UdpEngine {
    /// Takes what a server has sent to a session, and sends it to the client from the socket that it knows.
    pub(super) fn reply(&mut self, context: &Context<'_>, index: u32) {
        let mut look = FIRST_LOOK;
        for _ in 0..TURNS {
            let Some(session) = self.sessions.session(index) else { return };
            let count = match self.inbox.receive(session.socket.as_fd(), 0..look) {
                Ok(count) => count,
                Err(error) => {
                    if Fault::from(error) == Fault::Refused {
                        self.move_session(context, index, &mut Vec::new());
                    }
                    return;
                }
            };
            self.trains.reset(Some(session.key.client), session.client_limit);
            let (mut bytes, mut packets) = (0, 0);
            for buffer in 0..count {
                let received = self.inbox.received(buffer);
                if received.truncated {
                    continue;
                }
                self.trains.push(Piece { buffer, start: 0, length: received.length }, received.segment);
                bytes += received.length as u64;
                packets += datagrams(received.length, received.segment) as u64;
            }
            session.claim.server.count((0, 0), (bytes, packets));
            self.sessions.touch(index, context.now);
            self.send_to_client(index);
            if count < look {
                return;
            }
            look = BATCH;
        }
    }

    fn send_to_client(&mut self, index: u32) {
        let Some(session) = self.sessions.session_mut(index) else { return };
        let Some(Some(listener)) = self.listeners.get(session.key.listener as usize) else { return };
        let mut sent = 0;
        while let messages @ [first, ..] = &self.trains.messages[sent..] {
            match self.outbox.send(listener.socket.as_fd(), &self.inbox, &self.trains.pieces, messages) {
                Ok(count) => sent += count,
                Err(error) => match Fault::from(error) {
                    Fault::Interrupted => {}
                    Fault::TooLarge if first.segment > 0 => {
                        session.client_limit = first.segment - 1;
                        self.trains.uncouple(sent, session.client_limit);
                    }
                    Fault::Later | Fault::TooLarge | Fault::Refused | Fault::Other => sent += 1,
                },
            }
        }
    }
}
