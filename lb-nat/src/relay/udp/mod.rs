//! UDP on a worker thread: sessions from clients to servers, in batches and trains.
//!
//! A session is a client's address at a service and a socket that is connected to the server it was given; what
//! comes back through that socket leaves from the service's own address. A session ends when nothing has moved for
//! the time-out, when its server is removed, or, when no descriptor is left, because it is the one that was idle
//! for longest. The client's next datagram is then scheduled anew.
//!
//! - **Weight 0**: sessions go on, new ones go elsewhere, as in the kernel.
//! - **A server refuses** (ICMP port unreachable): counted as failed, and its session moves to another server at once;
//!   the datagram that was refused is lost, as UDP allows.
//! - **One-packet scheduling**: every datagram is scheduled. A session for each pair of client and server remains as
//!   the way back, and counts as one inactive connection.
//! - **Full**: a new client takes the place of the session of its service and thread that was idle longest, if that is
//!   at least [`EVICTABLE_AFTER`]; otherwise it is counted as refused and its datagrams are dropped. Sessions of other
//!   threads are left alone: the kernel spreads clients evenly, and no thread waits for another. Those of other services
//!   are, too, so that a flood at one service ends no session of another; but a TCP client takes such a place.
//! - **Order and borders** of the datagrams of a session stay as they are; nothing is ever cut short. What the kernel
//!   does not take (full queue, too large for the path) is dropped, as a router does.
//!
//! A worker owns one [`UdpEngine`] and calls it; the engine registers its sockets in the worker's epoll instance with
//! [`Token::Udp`]. All sockets of a thread share one set of receive buffers.

mod forward;
mod reply;
mod sessions;
mod socket;
mod sys;
mod train;

use std::{sync::Arc, time::Duration};

use lb_core::{
    Time,
    dataplane::Connection,
    model::{Protocol, ServerKey, ServiceKey},
};
use rustix::{
    event::epoll::{self, EventFlags},
    fd::OwnedFd,
    io,
};

use self::{
    sessions::{Session, Sessions},
    sys::{Inbox, Outbox},
    train::Trains,
};
use super::{
    service::Service,
    shared::{Context, Shared},
    token::Token,
};

/// A session that was used within this time is not ended to make room for another one.
const EVICTABLE_AFTER: Duration = Duration::from_secs(1);
/// The same to make room for a TCP client: shorter, since a flood of datagrams takes each place as soon as it may.
const EVICTABLE_FOR_TCP_AFTER: Duration = Duration::from_millis(100);
/// Sessions that one sweep ends at most.
const SWEEP: usize = 1024;
/// Batches that one socket may have before others get their turn.
const TURNS: usize = 4;
/// Marks the token of a listener; the other tokens are numbers of sessions.
const LISTENER: u64 = 1 << 32;

/// All UDP services and sessions of one worker thread.
#[derive(Debug)]
pub(crate) struct UdpEngine {
    listeners: Vec<Option<Listener>>,
    sessions: Sessions,
    inbox: Inbox,
    outbox: Outbox,
    /// Scratch for one batch, kept for its memory.
    batch: Vec<forward::Arrival>,
    trains: Trains,
}

/// The socket where one service is listening.
#[derive(Debug)]
struct Listener {
    service: Arc<Service>,
    socket: OwnedFd,
    /// The largest datagram that new sessions may send as part of a train; 0 = the kernel knows no trains.
    limit: u16,
}

impl UdpEngine {
    pub(crate) fn new(_: &Shared) -> Self {
        Self {
            listeners: Vec::new(),
            sessions: Sessions::new(),
            inbox: Inbox::new(),
            outbox: Outbox::new(),
            batch: Vec::new(),
            trains: Trains::default(),
        }
    }

    /// Serves a service at a socket that is bound already (`SO_REUSEPORT`, one for each thread, non-blocking).
    pub(crate) fn open(
        &mut self,
        context: &Context<'_>,
        service: Arc<Service>,
        socket: OwnedFd,
    ) -> io::Result<()> {
        let limit = if socket::prepare_listener(&socket) { u16::MAX } else { 0 };
        let index = self.listeners.iter().position(Option::is_none).unwrap_or_else(|| {
            self.listeners.push(None);
            self.listeners.len() - 1
        });
        let token = Token::Udp(LISTENER | index as u64);
        epoll::add(context.epoll, &socket, token.into(), EventFlags::IN)?;
        self.listeners[index] = Some(Listener { service, socket, limit });
        Ok(())
    }

    /// Closes the socket of a service before it returns, so that the address is free; its sessions end with it.
    /// Nothing happens when there is no such service here.
    pub(crate) fn close(&mut self, context: &Context<'_>, service: &ServiceKey) {
        let Some(index) = self.position(service) else { return };
        self.end_all(context, |session| session.key.listener as usize == index);
        self.listeners[index] = None;
    }

    /// An event of a socket that was registered with `Token::Udp(token)`. May arrive once more after the socket was
    /// closed in the same round: should another session have its number by then, it finds nothing to read.
    pub(crate) fn on_ready(&mut self, context: &Context<'_>, token: u64, _: EventFlags) {
        let index = token as u32;
        if token & LISTENER != 0 {
            self.forward(context, index);
        } else {
            self.reply(context, index);
        }
    }

    /// Called about ten times a second while there are sessions: ends those that are idle, a slice at a time.
    pub(crate) fn sweep(&mut self, context: &Context<'_>) {
        for listener in 0..self.listeners.len() as u32 {
            let Some(service) = self.service(listener) else { continue };
            for _ in 0..SWEEP {
                match self.sessions.oldest_of(listener) {
                    Some((index, used)) if context.now.since(used) >= service.timeouts().udp => {
                        self.end(context, index);
                    }
                    _ => break,
                }
            }
        }
    }

    /// Ends the session that was idle longest, whatever its service, to make room for a TCP client; `false` when all are in
    /// use.
    pub(crate) fn evict(&mut self, context: &Context<'_>) -> bool {
        let oldest = self.sessions.oldest();
        self.evict_one(context, oldest, EVICTABLE_FOR_TCP_AFTER)
    }

    fn evict_one(&mut self, context: &Context<'_>, session: Option<(u32, Time)>, idle: Duration) -> bool {
        match session {
            Some((index, used)) if context.now.since(used) >= idle => {
                self.end(context, index);
                true
            }
            _ => false,
        }
    }

    /// Whether there is no session, so that the worker may sleep without a time-out.
    pub(crate) fn is_idle(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Adds what running sessions have moved to the counters of their servers: that is done with every batch.
    #[expect(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "the worker need not know")]
    pub(crate) fn flush(&mut self) {}

    /// Describes sessions until the list has `limit` entries (state `UDP`).
    pub(crate) fn list(&self, context: &Context<'_>, limit: usize, list: &mut Vec<Connection>) {
        let room = limit.saturating_sub(list.len());
        let described = self.sessions.iter().filter_map(|(_, session, used)| {
            let listener = self.listeners.get(session.key.listener as usize)?.as_ref()?;
            Some(Connection {
                protocol: Protocol::Udp,
                state: "UDP".to_owned(),
                expires: (used + listener.service.timeouts().udp).since(context.now),
                source: session.key.client,
                virtual_address: listener.service.address(),
                destination: session.claim.server.address,
            })
        });
        list.extend(described.take(room));
    }

    /// Ends the sessions of a service with this server; returns how many there were.
    pub(crate) fn reset(&mut self, context: &Context<'_>, service: &ServiceKey, server: &ServerKey) -> usize {
        let Some(index) = self.position(service) else { return 0 };
        self.end_all(context, |session| {
            session.key.listener as usize == index && session.claim.server.key == *server
        })
    }

    fn position(&self, service: &ServiceKey) -> Option<usize> {
        self.listeners
            .iter()
            .position(|listener| listener.as_ref().is_some_and(|listener| listener.service.key() == *service))
    }

    fn end_all(&mut self, context: &Context<'_>, which: impl Fn(&Session) -> bool) -> usize {
        let matching = self.sessions.iter().filter(|(_, session, _)| which(session));
        let indices: Vec<u32> = matching.map(|(index, ..)| index).collect();
        for &index in &indices {
            self.end(context, index);
        }
        indices.len()
    }

    fn end(&mut self, context: &Context<'_>, index: u32) {
        if let Some(session) = self.sessions.remove(index) {
            session.claim.release(context.now, false);
            if let Some(service) = self.service(session.key.listener) {
                context.shared.limits.release(&service);
            }
        }
    }
}
