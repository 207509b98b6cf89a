//! From clients to servers.

use std::{io, net::SocketAddr, os::fd::AsFd};

use lb_core::{model::ServerKey, schedule::Flow};
use rustix::{
    event::epoll::{self, EventFlags},
    fd::OwnedFd,
    io::Errno,
};

use super::{
    EVICTABLE_AFTER, TURNS, UdpEngine,
    sessions::{Key, Session},
    socket,
    sys::{BATCH, Piece},
    train::datagrams,
};
use crate::relay::{
    service::{Claim, Service},
    shared::Context,
    token::Token,
};

/// A message of a batch, and the session that it belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    session: u32,
    piece: Piece,
    segment: u16,
}

/// What an error of a socket means for what is sent or received there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing is there, or there is no room; it would have blocked.
    Later,
    /// A signal came.
    Interrupted,
    /// The kernel cannot make datagrams of this message, or they are too large for the path.
    TooLarge,
    /// Nobody is there.
    Refused,
    /// This message is not possible.
    Other,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::AGAIN | Errno::NOBUFS) => Self::Later,
            Some(Errno::INTR) => Self::Interrupted,
            // Too large a segment is `INVAL`, later `MSGSIZE`; a device that makes no checksums is `IO`.
            Some(Errno::INVAL | Errno::MSGSIZE | Errno::IO) => Self::TooLarge,
            Some(Errno::CONNREFUSED | Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::NOPROTOOPT) => {
                Self::Refused
            }
            _ => Self::Other,
        }
    }
}

impl UdpEngine {
    /// Takes what clients have sent to a listener and sends it on.
    pub(super) fn forward(&mut self, context: &Context<'_>, listener: u32) {
        let Some(service) = self.service(listener) else { return };
        let one_packet = service.is_one_packet();
        for _ in 0..TURNS {
            let Some(Some(at)) = self.listeners.get(listener as usize) else { return };
            let Ok(count) = self.inbox.receive(at.socket.as_fd(), 0..BATCH) else { return };
            self.batch.clear();
            for buffer in 0..count {
                self.sort_in(context, listener, &service, one_packet, buffer);
            }
            self.deliver_batch(context);
            if count < BATCH {
                return;
            }
        }
    }

    pub(super) fn service(&self, listener: u32) -> Option<std::sync::Arc<Service>> {
        Some(std::sync::Arc::clone(&self.listeners.get(listener as usize)?.as_ref()?.service))
    }

    /// Finds the session of a message that was received.
    fn sort_in(
        &mut self,
        context: &Context<'_>,
        listener: u32,
        service: &Service,
        one_packet: bool,
        buffer: usize,
    ) {
        let received = self.inbox.received(buffer);
        let Some(client) = received.source.filter(|_| !received.truncated) else { return };
        let whole = Piece { buffer, start: 0, length: received.length };
        if !one_packet {
            if let Some(session) = self.session_of(context, listener, service, client) {
                self.batch.push(Arrival { session, piece: whole, segment: received.segment });
            }
            return;
        }
        let size = if received.segment == 0 { received.length } else { received.segment.into() };
        for start in (0..datagrams(received.length, received.segment)).map(|nth| nth * size) {
            let piece = Piece { start, length: size.min(received.length - start), ..whole };
            if let Some(session) = self.session_of_packet(context, listener, service, client) {
                self.batch.push(Arrival { session, piece, segment: 0 });
            }
        }
    }

    /// The session of a client: the one it has, or a new one.
    fn session_of(
        &mut self,
        context: &Context<'_>,
        listener: u32,
        service: &Service,
        client: SocketAddr,
    ) -> Option<u32> {
        let key = Key { listener, client, server: None };
        if let Some(session) = self.sessions.find(&key) {
            self.sessions.touch(session, context.now);
            return Some(session);
        }
        // Before anything that costs a system call, since a flood is full of new clients.
        if !self.make_room(context, service, listener) {
            service.count_refused();
            return None;
        }
        match choose(context, service, client, &mut Vec::new()) {
            Some((claim, socket)) => self.begin(context, service, key, claim, socket),
            None => {
                context.shared.limits.release(service);
                None
            }
        }
    }

    /// The session of a client with the server that this one datagram is scheduled to.
    fn session_of_packet(
        &mut self,
        context: &Context<'_>,
        listener: u32,
        service: &Service,
        client: SocketAddr,
    ) -> Option<u32> {
        let claim = service.claim(&flow(context, service, client), &[], false)?;
        let key = Key { listener, client, server: Some(claim.server.address) };
        if let Some(session) = self.sessions.find(&key) {
            claim.established();
            claim.release(context.now, false);
            self.sessions.touch(session, context.now);
            return Some(session);
        }
        if !self.make_room(context, service, listener) {
            service.count_refused();
            claim.release(context.now, false);
            return None;
        }
        match socket::connect_to(claim.server.address) {
            Ok(socket) => self.begin(context, service, key, claim, socket),
            Err(errno) => {
                give_up(context, service, claim, errno);
                context.shared.limits.release(service);
                None
            }
        }
    }

    /// Begins a session for which there is room.
    fn begin(
        &mut self,
        context: &Context<'_>,
        service: &Service,
        key: Key,
        claim: Claim,
        socket: OwnedFd,
    ) -> Option<u32> {
        let token = token(self.sessions.next());
        if epoll::add(context.epoll, &socket, token, EventFlags::IN).is_err() {
            service.count_refused();
            claim.release(context.now, false);
            context.shared.limits.release(service);
            return None;
        }
        claim.established();
        let limit = self.listeners.get(key.listener as usize)?.as_ref()?.limit;
        let session = Session { key, socket, claim, server_limit: limit, client_limit: limit };
        Some(self.sessions.insert(session, context.now))
    }

    /// Takes a place for one more session, if need be that of the one of this service that was idle longest.
    fn make_room(&mut self, context: &Context<'_>, service: &Service, listener: u32) -> bool {
        let limits = &context.shared.limits;
        if limits.acquire(service, context.now).is_ok() {
            return true;
        }
        let oldest = self.sessions.oldest_of(listener);
        self.evict_one(context, oldest, EVICTABLE_AFTER) && limits.acquire(service, context.now).is_ok()
    }

    /// Sends a batch on, session by session, the messages of each in the order in which they came.
    fn deliver_batch(&mut self, context: &Context<'_>) {
        let mut batch = std::mem::take(&mut self.batch);
        batch.sort_by_key(|arrival| arrival.session);
        for arrivals in batch.chunk_by(|a, b| a.session == b.session) {
            let index = arrivals[0].session;
            let Some(session) = self.sessions.session(index) else { continue };
            self.trains.reset(None, session.server_limit);
            let (mut bytes, mut packets) = (0, 0);
            for &Arrival { piece, segment, .. } in arrivals {
                self.trains.push(piece, segment);
                bytes += piece.length as u64;
                packets += datagrams(piece.length, segment) as u64;
            }
            session.claim.server.count((bytes, packets), (0, 0));
            self.deliver(context, index);
        }
        self.batch = batch;
    }

    /// Sends all trains to the server of a session, moving it to another one when the server refuses.
    fn deliver(&mut self, context: &Context<'_>, index: u32) {
        let mut tried = Vec::new();
        let mut sent = 0;
        while let messages @ [first, ..] = &self.trains.messages[sent..] {
            let Some(session) = self.sessions.session_mut(index) else { return };
            match self.outbox.send(session.socket.as_fd(), &self.inbox, &self.trains.pieces, messages) {
                Ok(count) => sent += count,
                Err(error) => match Fault::from(error) {
                    Fault::Interrupted => {}
                    Fault::TooLarge if first.segment > 0 => {
                        session.server_limit = first.segment - 1;
                        self.trains.uncouple(sent, session.server_limit);
                    }
                    Fault::Refused => {
                        if !self.move_session(context, index, &mut tried) {
                            return;
                        }
                    }
                    Fault::Later | Fault::TooLarge | Fault::Other => sent += 1,
                },
            }
        }
    }

    /// The server of a session has refused: gives the session another one that was not tried yet. `false` when there
    /// is none; then the session has ended.
    pub(super) fn move_session(
        &mut self,
        context: &Context<'_>,
        index: u32,
        tried: &mut Vec<ServerKey>,
    ) -> bool {
        let Some(session) = self.sessions.session(index) else { return false };
        let key = session.key;
        session.claim.failed();
        tried.push(session.claim.server.key);
        let has_tries = tried.len() <= usize::from(context.shared.config.retries);
        if key.server.is_some() {
            // The scheduler said this server for these datagrams. Its error is out of the way now.
            return has_tries;
        }
        let other = self
            .service(key.listener)
            .filter(|_| has_tries)
            .and_then(|service| choose(context, &service, key.client, tried))
            .and_then(|(claim, socket)| {
                match epoll::add(context.epoll, &socket, token(index), EventFlags::IN) {
                    Ok(()) => Some((claim, socket)),
                    Err(_) => {
                        claim.release(context.now, false);
                        None
                    }
                }
            });
        let (Some((claim, socket)), Some(session)) = (other, self.sessions.session_mut(index)) else {
            self.end(context, index);
            return false;
        };
        claim.established();
        session.socket = socket;
        std::mem::replace(&mut session.claim, claim).release(context.now, false);
        true
    }
}

/// A server for a client and a socket that is connected to it.
fn choose(
    context: &Context<'_>,
    service: &Service,
    client: SocketAddr,
    tried: &mut Vec<ServerKey>,
) -> Option<(Claim, OwnedFd)> {
    let flow = flow(context, service, client);
    loop {
        let claim = service.claim(&flow, tried, false)?;
        match socket::connect_to(claim.server.address) {
            Ok(socket) => return Some((claim, socket)),
            Err(errno) => {
                tried.push(claim.server.key);
                if !give_up(context, service, claim, errno)
                    || tried.len() > context.shared.config.retries.into()
                {
                    return None;
                }
            }
        }
    }
}

/// No socket could be connected to a server. `true` when another server may be better.
fn give_up(context: &Context<'_>, service: &Service, claim: Claim, errno: Errno) -> bool {
    let is_local = matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM);
    if is_local {
        context.shared.limits.report_full("descriptors", context.now);
        service.count_refused();
    } else {
        claim.failed();
    }
    claim.release(context.now, false);
    !is_local
}

fn flow(context: &Context<'_>, service: &Service, client: SocketAddr) -> Flow {
    Flow { source: client, destination: service.address(), now: context.now }
}

fn token(session: u32) -> epoll::EventData {
    Token::Udp(session.into()).into()
}
