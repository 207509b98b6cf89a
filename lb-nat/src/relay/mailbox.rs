//! Orders from the control side to one worker thread.

use std::sync::{Arc, Mutex, PoisonError};

use lb_core::{
    dataplane::Connection,
    model::{ServerKey, ServiceKey},
};
use rustix::{
    event::{EventfdFlags, eventfd},
    fd::{AsFd, BorrowedFd, OwnedFd},
    io,
};
use tokio::sync::oneshot;

use super::service::Service;

/// An order to a worker. Where there is a `done`, the worker answers when it has obeyed.
#[derive(Debug)]
pub(crate) enum Order {
    /// Serve this service at this bound socket.
    Open { service: Arc<Service>, socket: OwnedFd },
    /// Close the sockets where this service is listening.
    Close { service: ServiceKey, done: oneshot::Sender<()> },
    /// Reset the connections of a service that go to this server.
    Reset { service: ServiceKey, server: ServerKey, done: oneshot::Sender<usize> },
    /// Add what running connections have moved to the counters.
    Flush { done: oneshot::Sender<()> },
    /// Describe up to `limit` connections.
    List { limit: usize, done: oneshot::Sender<Vec<Connection>> },
    /// End, with all connections.
    Stop,
    /// Fail as a bug would.
    #[cfg(test)]
    Panic,
}

/// A queue of orders and the descriptor that wakes the worker.
#[derive(Debug)]
pub(crate) struct Mailbox {
    /// `None` once the worker has ended.
    orders: Mutex<Option<Vec<Order>>>,
    wake: OwnedFd,
}

impl Mailbox {
    pub(crate) fn new() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { orders: Mutex::new(Some(Vec::new())), wake })
    }

    /// Leaves an order; `false` when the worker has ended.
    pub(crate) fn send(&self, order: Order) -> bool {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = orders.as_mut() else { return false };
        queue.push(order);
        // Only a counter at its maximum can refuse, and then the worker has been woken already.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        true
    }

    /// Takes all orders and makes the descriptor unreadable.
    pub(crate) fn take(&self) -> Vec<Order> {
        let _ = rustix::io::read(&self.wake, &mut [0_u8; 8]);
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The worker has ended: drops its orders, so that nobody waits for an answer.
    pub(crate) fn close(&self) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

impl AsFd for Mailbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
