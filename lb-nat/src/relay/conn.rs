//! One TCP connection: two sockets and the state of either direction.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use lb_core::{
    Time,
    dataplane::Connection,
    model::{Protocol, ServerKey},
};
use rustix::{fd::OwnedFd, net::sockopt};

use super::{
    pump::Half,
    service::{Claim, Service},
    shared::Limits,
};

/// Ticks are what ages are measured in: precise enough for time-outs, and four bytes.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// Which of the two sockets, and the direction that starts there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client = 0,
    Server = 1,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The server has not accepted; nothing is read from the client, so another server can still be asked.
    Connecting,
    /// Both directions are open.
    Open,
    /// One direction has ended, or one side is gone and the rest is being delivered.
    Closing,
}

/// One TCP connection. Some hundred bytes; payload is only kept while a reader is slow.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) client: OwnedFd,
    /// `None` between two attempts to connect.
    pub(super) server: Option<OwnedFd>,
    /// What the client sends, what the server sends.
    pub(super) halves: [Half; 2],
    pub(super) stage: Stage,
    /// One side is gone; what it had sent is being delivered.
    pub(super) gone: bool,
    /// It was reset: so will be the side that is left.
    pub(super) reset: bool,
    /// Urgent data was seen, so a short read does not mean that nothing more is there.
    pub(super) urgent: bool,
    /// The client's socket reports that it can be written to.
    pub(super) watches_client: bool,
    /// Tick of the last event.
    pub(super) last: u32,
    pub(super) claim: Option<Claim>,
    pub(super) service: Arc<Service>,
    pub(super) peer: SocketAddr,
    /// Servers that failed for this connection.
    pub(super) tried: Vec<ServerKey>,
}

impl Side {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// The tick that a time falls into.
pub(super) const fn tick(now: Time) -> u32 {
    (now.as_nanos() / TICK.as_nanos() as u64) as u32
}

impl Conn {
    pub(super) fn new(service: Arc<Service>, client: OwnedFd, peer: SocketAddr, tick: u32) -> Self {
        Self {
            client,
            server: None,
            // The listener's TCP_NODELAY was inherited by the client's socket.
            halves: [Half::new(true), Half::new(false)],
            stage: Stage::Connecting,
            gone: false,
            reset: false,
            urgent: false,
            watches_client: false,
            last: tick,
            claim: None,
            service,
            peer,
            tried: Vec::new(),
        }
    }

    pub(super) fn half(&mut self, side: Side) -> &mut Half {
        &mut self.halves[side as usize]
    }

    pub(super) fn goes_to(&self, server: &ServerKey) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.server.key == *server)
    }

    /// One direction has ended: from now on the server counts it as inactive.
    pub(super) fn begin_closing(&mut self) {
        if self.stage != Stage::Closing {
            self.stage = Stage::Closing;
            if let Some(claim) = &self.claim {
                claim.deactivate();
            }
        }
    }

    /// Adds what moved to the server's counters.
    pub(super) fn flush(&mut self) {
        let [from_client, from_server] = [self.halves[0].take_counts(), self.halves[1].take_counts()];
        if let Some(claim) = &self.claim {
            claim.server.count(from_client, from_server);
        }
    }

    /// Gives the server back.
    pub(super) fn release(&mut self, now: Time) {
        if let Some(claim) = self.claim.take() {
            claim.release(now, self.stage != Stage::Closing);
        }
    }

    /// Ends it: counts, gives back what it held and closes both sockets, with RST when one side was reset.
    pub(super) fn close(mut self, now: Time, limits: &Limits) {
        self.flush();
        self.release(now);
        limits.release(&self.service);
        if self.reset {
            // A socket that is gone already may refuse; it is closed all the same.
            let _ = sockopt::set_socket_linger(&self.client, Some(Duration::ZERO));
            if let Some(server) = &self.server {
                let _ = sockopt::set_socket_linger(server, Some(Duration::ZERO));
            }
        }
    }

    /// How long it may stay as it is without an event.
    pub(super) fn timeout(&self) -> Duration {
        let timeouts = self.service.timeouts();
        match self.stage {
            Stage::Connecting => timeouts.connect,
            Stage::Open => timeouts.tcp,
            Stage::Closing => timeouts.tcp_fin,
        }
    }

    /// Time without an event.
    pub(super) fn age(&self, tick: u32) -> Duration {
        TICK * tick.wrapping_sub(self.last)
    }

    /// As it is listed.
    pub(super) fn describe(&self, tick: u32) -> Option<Connection> {
        Some(Connection {
            protocol: Protocol::Tcp,
            state: match self.stage {
                Stage::Connecting => "SYN_SENT",
                Stage::Open => "ESTABLISHED",
                Stage::Closing => "FIN_WAIT",
            }
            .to_owned(),
            expires: self.timeout().saturating_sub(self.age(tick)),
            source: self.peer,
            virtual_address: self.service.address(),
            destination: self.claim.as_ref()?.server.address,
        })
    }
}
