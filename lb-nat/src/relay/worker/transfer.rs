//! What a connection does between its two ends: moving data, half-closing, breaking.

use rustix::{
    event::epoll::{self, EventFlags},
    fd::AsFd,
    net::{Shutdown, shutdown},
};

use super::Worker;
use crate::relay::{
    conn::{Side, Stage},
    pump::Outcome,
    token::Token,
};

impl Worker {
    /// An event of one of the two sockets.
    pub(super) fn on_socket(&mut self, index: u32, side: Side, flags: EventFlags) {
        let Some(conn) = self.conns.get_mut(index) else { return };
        if conn.stage == Stage::Connecting {
            return self.on_connecting(index, flags);
        }
        conn.last = self.tick;
        let failed = flags.contains(EventFlags::ERR);
        conn.urgent |= flags.contains(EventFlags::PRI);
        if flags.contains(EventFlags::RDHUP) && !failed {
            conn.half(side).fin_seen = true;
        }
        if flags.contains(EventFlags::OUT) && conn.half(side.other()).is_blocked() {
            self.step(index, side.other());
        }
        let readable =
            EventFlags::IN | EventFlags::RDHUP | EventFlags::PRI | EventFlags::HUP | EventFlags::ERR;
        if flags.intersects(readable) {
            let Some(conn) = self.conns.get_mut(index) else { return };
            // While the other side takes nothing, nothing is read; its event will go on from here.
            if !conn.half(side).is_blocked() && !conn.half(side).done {
                self.step(index, side);
            }
        }
        if flags.intersects(EventFlags::HUP | EventFlags::ERR) {
            self.on_hang_up(index, side, failed);
        }
    }

    /// A socket is closed in both directions: by a reset, or because both ends were passed on.
    fn on_hang_up(&mut self, index: u32, side: Side, failed: bool) {
        let Some(conn) = self.conns.get_mut(index) else { return };
        if failed && conn.half(side).is_blocked() {
            // What waits was sent before the reset, which overtakes it on every path.
            return self.reset(index);
        }
        if !conn.half(side.other()).done {
            self.lose(index, side);
        }
    }

    /// One turn of one direction.
    pub(super) fn step(&mut self, index: u32, from: Side) {
        let Some(conn) = self.conns.get_mut(index) else { return };
        let Some(server) = &conn.server else { return };
        let (source, target) = match from {
            Side::Client => (conn.client.as_fd(), server.as_fd()),
            Side::Server => (server.as_fd(), conn.client.as_fd()),
        };
        let half = &mut conn.halves[from as usize];
        if half.done {
            return;
        }
        match self.pump.run(half, source, target, !conn.urgent) {
            Outcome::Idle if conn.gone => self.end(index),
            Outcome::Idle => {}
            Outcome::Blocked => {
                if from == Side::Server && !conn.watches_client {
                    self.watch_client(index);
                }
            }
            Outcome::More => self.again.push(index),
            Outcome::Ended => self.pass_end_on(index, from),
            Outcome::SourceGone => self.lose(index, from),
            Outcome::TargetGone => self.lose(index, from.other()),
        }
    }

    /// Another turn for a connection that did not finish its last one.
    pub(super) fn resume(&mut self, index: u32) {
        for side in [Side::Client, Side::Server] {
            let Some(conn) = self.conns.get_mut(index) else { return };
            if conn.half(side).more {
                self.step(index, side);
            }
        }
    }

    /// Everything that this side had to say was delivered.
    fn pass_end_on(&mut self, index: u32, from: Side) {
        let Some(conn) = self.conns.get_mut(index) else { return };
        conn.half(from).done = true;
        if conn.half(from.other()).done {
            // Closing both says it to both.
            return self.end(index);
        }
        conn.begin_closing();
        let target = match from {
            Side::Client => conn.server.as_ref(),
            Side::Server => Some(&conn.client),
        };
        if target.is_some_and(|target| shutdown(target, Shutdown::Write).is_err()) {
            self.lose(index, from.other());
        }
    }

    /// A side is gone. What it had sent is still delivered, then the other side is closed: with a reset, unless the
    /// side that is gone had said its end before.
    fn lose(&mut self, index: u32, gone: Side) {
        let Some(conn) = self.conns.get_mut(index) else { return };
        if conn.gone || conn.half(gone).done {
            conn.reset |= !conn.half(gone).ended;
            return self.end(index);
        }
        conn.gone = true;
        conn.reset = !conn.half(gone).ended;
        conn.half(gone.other()).done = true;
        self.pump.discard(&mut conn.halves[gone.other() as usize]);
        conn.begin_closing();
        if !conn.half(gone).is_blocked() {
            self.step(index, gone);
        }
    }

    /// From now on the client's socket also tells when it can be written to. Few connections ever need it, and
    /// without it adding the socket causes no event.
    fn watch_client(&mut self, index: u32) {
        let Some(conn) = self.conns.get_mut(index) else { return };
        conn.watches_client = true;
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::PRI | EventFlags::ET;
        if epoll::modify(&self.epoll, &conn.client, Token::Client(index).into(), flags).is_err() {
            self.reset(index);
        }
    }
}
