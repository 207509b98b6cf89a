//! From a client in the listen queue to a server that has accepted.

use std::{net::SocketAddr, sync::Arc};

use lb_core::schedule::Flow;
use rustix::{
    event::epoll::{self, EventFlags},
    fd::{AsFd as _, OwnedFd},
    io::Errno,
    net::{
        AddressFamily, SocketFlags, SocketType, acceptfrom_with, connect, getsockname, socket_with,
        sockopt::socket_error,
    },
};

use super::{Listener, Worker};
use crate::relay::{
    conn::{Conn, Side, Stage},
    proxy_protocol::header,
    service::Service,
    shared::{Context, Full},
    token::Token,
};

/// Clients accepted in one go, then connections get their turn.
const BATCH: usize = 64;

/// UDP sessions that are ended at most for one client.
const EVICTIONS: usize = 64;

/// What a connected socket is watched for. Writability of the client's socket is added when it is first needed.
const WATCHED: EventFlags =
    EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::PRI).union(EventFlags::ET);

impl Worker {
    /// Takes over a bound socket.
    pub(super) fn listen(&mut self, service: Arc<Service>, socket: OwnedFd) {
        let index = self.listeners.insert(Listener { service, socket, is_watched: false });
        if !self.paused {
            self.watch_listener(index, true);
        }
    }

    /// Starts or stops watching all listeners.
    fn watch_listeners(&mut self, watch: bool) {
        (self.paused, self.waiting) = (!watch, false);
        for index in 0..self.listeners.span() {
            self.watch_listener(index, watch);
        }
    }

    fn watch_listener(&mut self, index: u32, watch: bool) {
        let Some(listener) = self.listeners.get_mut(index) else { return };
        if listener.is_watched == watch {
            return;
        }
        listener.is_watched = watch;
        // Level-triggered: what one round leaves in the queue is reported again.
        let result = if watch {
            epoll::add(&self.epoll, &listener.socket, Token::Listener(index).into(), EventFlags::IN)
        } else {
            epoll::delete(&self.epoll, &listener.socket)
        };
        if let Err(error) = result {
            tracing::error!("relay: {} cannot be watched: {error}", listener.service.key());
        }
    }

    /// A listener has clients.
    pub(super) fn accept(&mut self, index: u32) {
        let Some(listener) = self.listeners.get_mut(index) else { return };
        let service = Arc::clone(&listener.service);
        for _ in 0..BATCH {
            if self.paused {
                return;
            }
            if !self.acquire(&service) {
                self.waiting = true;
                return self.watch_listener(index, false);
            }
            let limits = &self.shared.limits;
            let Some(listener) = self.listeners.get_mut(index) else { return limits.release(&service) };
            match acceptfrom_with(&listener.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok((socket, peer)) => match peer.and_then(|peer| SocketAddr::try_from(peer).ok()) {
                    Some(peer) => self.open(Arc::clone(&service), socket, peer),
                    None => limits.release(&service),
                },
                Err(error) => {
                    limits.release(&service);
                    match error {
                        Errno::AGAIN => return,
                        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => {
                            return self.pause("descriptors or socket memory");
                        }
                        // The client has gone away again, or the network reported an error of its own: accept(2).
                        _ => {}
                    }
                }
            }
        }
    }

    /// Takes a place for a client, if need be that of an idle UDP session: its client can begin anew at any time.
    fn acquire(&mut self, service: &Service) -> bool {
        let limits = &self.shared.limits;
        match limits.acquire(service, self.now) {
            Ok(()) => true,
            Err(Full::Service) => false,
            Err(Full::Relay) => {
                let context = Context { shared: &self.shared, epoll: self.epoll.as_fd(), now: self.now };
                // More than one when others have gone beyond what a service may have without its share.
                (0..EVICTIONS)
                    .take_while(|_| self.udp.evict(&context))
                    .any(|_| limits.acquire(service, self.now).is_ok())
            }
        }
    }

    /// Something has run out: accepts nothing until the next tick.
    fn pause(&mut self, out_of: &str) {
        self.shared.limits.report_full(out_of, self.now);
        if !self.paused {
            self.watch_listeners(false);
        }
    }

    /// Accepts again when there is room, beginning with the clients that were accepted already.
    pub(super) fn unpause(&mut self) {
        for index in std::mem::take(&mut self.starved) {
            let waits = |conn: &mut Conn| conn.stage == Stage::Connecting && conn.claim.is_none();
            if self.conns.get_mut(index).is_some_and(waits) {
                self.connect(index);
            }
        }
        if (self.paused || self.waiting) && self.starved.is_empty() {
            self.watch_listeners(true);
        }
    }

    /// Finds a server for an accepted client.
    fn open(&mut self, service: Arc<Service>, client: OwnedFd, peer: SocketAddr) {
        let index = self.conns.insert(Conn::new(service, client, peer, self.tick));
        self.connect(index);
    }

    /// Asks servers until one does not refuse at once.
    fn connect(&mut self, index: u32) {
        while let Some(conn) = self.conns.get_mut(index) {
            let flow = Flow { source: conn.peer, destination: conn.service.address(), now: self.now };
            let claim = conn.service.claim(&flow, &conn.tried, true);
            let Some(claim) = claim else { return self.reset(index) };
            conn.last = self.tick;
            let address = claim.server.address;
            conn.claim = Some(claim);
            match start(address) {
                Ok(socket) => {
                    // Not before connect() was called: an idle socket reports that it has hung up.
                    let token = Token::Server(index).into();
                    if epoll::add(&self.epoll, &socket, token, WATCHED | EventFlags::OUT).is_err() {
                        self.shared.limits.report_full("epoll watches", self.now);
                        conn.service.count_refused();
                        return self.reset(index);
                    }
                    conn.server = Some(socket);
                    return;
                }
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    // Not the server's fault: the client waits with those in the queue.
                    conn.release(self.now);
                    self.starved.push(index);
                    return self.pause("descriptors or socket memory");
                }
                Err(error) => {
                    tracing::debug!("relay: {}: {address} cannot be asked: {error}", conn.service.key());
                    if !self.give_up_server(index) {
                        return;
                    }
                }
            }
        }
    }

    /// The server did not accept in time, or refused: the next one.
    pub(super) fn connect_failed(&mut self, index: u32) {
        if self.give_up_server(index) {
            self.connect(index);
        }
    }

    /// Notes that this server failed. `false` when the client was given up with it.
    fn give_up_server(&mut self, index: u32) -> bool {
        let Some(conn) = self.conns.get_mut(index) else { return false };
        conn.server = None;
        if let Some(claim) = conn.claim.take() {
            claim.failed();
            conn.tried.push(claim.server.key);
            claim.release(self.now, true);
        }
        if conn.tried.len() > usize::from(self.shared.config.retries) {
            conn.service.count_refused();
            self.reset(index);
            return false;
        }
        true
    }

    /// An event of a socket that connects.
    pub(super) fn on_connecting(&mut self, index: u32, flags: EventFlags) {
        let Some(conn) = self.conns.get_mut(index) else { return };
        let Some(server) = &conn.server else { return };
        if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
            let error = socket_error(server);
            tracing::debug!("relay: {}: {:?} did not accept: {error:?}", conn.service.key(), conn.claim);
            return self.connect_failed(index);
        }
        if !flags.contains(EventFlags::OUT) {
            return;
        }
        conn.stage = Stage::Open;
        conn.tried = Vec::new();
        conn.claim.as_ref().inspect(|claim| claim.established());
        if let Some(version) = self.shared.config.proxy_protocol {
            let address = conn.service.address();
            // A service at the wildcard address knows only from the socket which one the client meant.
            let address = if address.ip().is_unspecified() {
                getsockname(&conn.client).ok().and_then(|name| name.try_into().ok()).unwrap_or(address)
            } else {
                address
            };
            self.pump.prepend(&mut conn.halves[0], &header(version, conn.peer, address));
        }
        // Most clients speak first, and have done so by now.
        self.step(index, Side::Client);
        let Some(conn) = self.conns.get_mut(index) else { return };
        if epoll::add(&self.epoll, &conn.client, Token::Client(index).into(), WATCHED).is_err() {
            self.shared.limits.report_full("epoll watches", self.now);
            return self.reset(index);
        }
        if flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::PRI) {
            self.on_socket(index, Side::Server, flags);
        }
    }
}

/// A socket that connects to a server.
fn start(server: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
    match connect(&socket, &server) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}
