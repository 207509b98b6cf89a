//! UDP on a worker thread: sessions from clients to servers, in batches and trains.
//!
//! This is the seam: a worker owns one [`UdpEngine`] and calls it; the engine registers its sockets in the worker's
//! epoll instance with [`Token::Udp`](super::token::Token::Udp) and chooses what the 56 bits mean.

use std::sync::Arc;

use lb_core::{
    dataplane::Connection,
    model::{ServerKey, ServiceKey},
};
use rustix::{event::epoll::EventFlags, fd::OwnedFd, io};

use super::{
    service::Service,
    shared::{Context, Shared},
};

/// All UDP services and sessions of one worker thread.
#[derive(Debug)]
pub(crate) struct UdpEngine {}

impl UdpEngine {
    pub(crate) fn new(shared: &Shared) -> Self {
        let _ = shared;
        Self {}
    }

    /// Serves a service at a socket that is bound already (`SO_REUSEPORT`, one for each thread, non-blocking).
    pub(crate) fn open(
        &mut self,
        context: &Context<'_>,
        service: Arc<Service>,
        socket: OwnedFd,
    ) -> io::Result<()> {
        let _ = (context, service, socket);
        Ok(())
    }

    /// Closes the socket of a service before it returns, so that the address is free; its sessions end with it.
    /// Nothing happens when there is no such service here.
    pub(crate) fn close(&mut self, context: &Context<'_>, service: &ServiceKey) {
        let _ = (context, service);
    }

    /// An event of a socket that was registered with `Token::Udp(token)`. May arrive once more after the socket was
    /// closed in the same round.
    pub(crate) fn on_ready(&mut self, context: &Context<'_>, token: u64, flags: EventFlags) {
        let _ = (context, token, flags);
    }

    /// Called about ten times a second while there are sessions: ends those that are idle, a slice at a time.
    pub(crate) fn sweep(&mut self, context: &Context<'_>) {
        let _ = context;
    }

    /// Whether there is no session, so that the worker may sleep without a time-out.
    pub(crate) fn is_idle(&self) -> bool {
        true
    }

    /// Adds what running sessions have moved to the counters of their servers ([`Server::count`](super::service::Server::count)).
    pub(crate) fn flush(&mut self) {}

    /// Describes sessions until the list has `limit` entries (state `UDP`).
    pub(crate) fn list(&self, context: &Context<'_>, limit: usize, list: &mut Vec<Connection>) {
        let _ = (context, limit, list);
    }

    /// Ends the sessions of a service with this server; returns how many there were.
    pub(crate) fn reset(&mut self, context: &Context<'_>, service: &ServiceKey, server: &ServerKey) -> usize {
        let _ = (context, service, server);
        0
    }
}
