//! The sessions of one thread: found by client, and ordered by when they were last used.

use std::{collections::HashMap, net::SocketAddr};

use lb_core::Time;
use rustix::fd::OwnedFd;

use crate::relay::service::Claim;

#[cfg(test)]
mod tests;

/// No session.
const NONE: u32 = u32::MAX;

/// What identifies a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Which of the thread's listeners.
    pub(super) listener: u32,
    /// Who sends there.
    pub(super) client: SocketAddr,
    /// The server, where one client has several: under one-packet scheduling.
    pub(super) server: Option<SocketAddr>,
}

/// A client that sends datagrams to a service, and the server that it was given.
#[derive(Debug)]
pub(super) struct Session<C = Claim> {
    pub(super) key: Key,
    /// Connected to the server, so that answers and errors find their way back to this session.
    pub(super) socket: OwnedFd,
    /// The server, and what has to be given back.
    pub(super) claim: C,
    /// The largest datagram that may be part of a train to the server.
    pub(super) server_limit: u16,
    /// The same, to the client.
    pub(super) client_limit: u16,
}

/// All sessions, by a number that stays the same while they live.
#[derive(Debug)]
pub(super) struct Sessions<C = Claim> {
    slots: Vec<Slot<C>>,
    free: Vec<u32>,
    by_key: HashMap<Key, u32>,
    newest: u32,
    oldest: u32,
}

#[derive(Debug)]
struct Slot<C> {
    session: Option<Session<C>>,
    used: Time,
    newer: u32,
    older: u32,
}

impl<C> Sessions<C> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), by_key: HashMap::new(), newest: NONE, oldest: NONE }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub(super) fn find(&self, key: &Key) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    pub(super) fn session(&self, index: u32) -> Option<&Session<C>> {
        self.slots.get(index as usize)?.session.as_ref()
    }

    pub(super) fn session_mut(&mut self, index: u32) -> Option<&mut Session<C>> {
        self.slots.get_mut(index as usize)?.session.as_mut()
    }

    /// The number that the next session will get.
    pub(super) fn next(&self) -> u32 {
        self.free.last().copied().unwrap_or(self.slots.len() as u32)
    }

    /// Adds a session, as the one used last. There must be none with its key.
    pub(super) fn insert(&mut self, session: Session<C>, now: Time) -> u32 {
        let index = self.next();
        let known = self.by_key.insert(session.key, index);
        debug_assert!(known.is_none(), "two sessions of one client");
        let slot = Slot { session: Some(session), used: now, newer: NONE, older: NONE };
        match self.free.pop() {
            Some(index) => self.slots[index as usize] = slot,
            None => self.slots.push(slot),
        }
        self.link(index);
        index
    }

    /// The session was used just now.
    pub(super) fn touch(&mut self, index: u32, now: Time) {
        let slot = &mut self.slots[index as usize];
        slot.used = now;
        if self.newest != index && slot.session.is_some() {
            self.unlink(index);
            self.link(index);
        }
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<Session<C>> {
        let session = self.slots.get_mut(index as usize)?.session.take()?;
        self.unlink(index);
        self.by_key.remove(&session.key);
        self.free.push(index);
        Some(session)
    }

    /// The session that has not been used for longest, and when it was.
    pub(super) fn oldest(&self) -> Option<(u32, Time)> {
        self.slots.get(self.oldest as usize).map(|slot| (self.oldest, slot.used))
    }

    /// Every session with its number and when it was last used.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Session<C>, Time)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(index, slot)| Some((index as u32, slot.session.as_ref()?, slot.used)))
    }

    fn link(&mut self, index: u32) {
        let older = std::mem::replace(&mut self.newest, index);
        let slot = &mut self.slots[index as usize];
        (slot.newer, slot.older) = (NONE, older);
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = index,
            None => self.oldest = index,
        }
    }

    fn unlink(&mut self, index: u32) {
        let Slot { newer, older, .. } = self.slots[index as usize];
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }
}
