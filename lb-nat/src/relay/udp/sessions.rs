//! The sessions of one thread: found by client, and for each listener ordered by when they were last used.

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
    /// By listener.
    ends: Vec<Ends>,
}

/// The session of a listener that was used last, and the one that has not been used for longest.
#[derive(Clone, Copy, Debug)]
struct Ends {
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
        Self { slots: Vec::new(), free: Vec::new(), by_key: HashMap::new(), ends: Vec::new() }
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
        let listener = session.key.listener;
        let known = self.by_key.insert(session.key, index);
        debug_assert!(known.is_none(), "two sessions of one client");
        let slot = Slot { session: Some(session), used: now, newer: NONE, older: NONE };
        match self.free.pop() {
            Some(index) => self.slots[index as usize] = slot,
            None => self.slots.push(slot),
        }
        self.link(listener, index);
        index
    }

    /// The session was used just now.
    pub(super) fn touch(&mut self, index: u32, now: Time) {
        let slot = &mut self.slots[index as usize];
        slot.used = now;
        let Some(listener) = slot.session.as_ref().map(|session| session.key.listener) else { return };
        if self.ends[listener as usize].newest != index {
            self.unlink(listener, index);
            self.link(listener, index);
        }
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<Session<C>> {
        let session = self.slots.get_mut(index as usize)?.session.take()?;
        self.unlink(session.key.listener, index);
        self.by_key.remove(&session.key);
        self.free.push(index);
        Some(session)
    }

    /// The session that has not been used for longest, and when it was.
    pub(super) fn oldest(&self) -> Option<(u32, Time)> {
        let oldest = self.ends.iter().filter_map(|ends| self.with_time(ends.oldest));
        oldest.min_by_key(|(_, used)| *used)
    }

    /// The same among the sessions of a listener.
    pub(super) fn oldest_of(&self, listener: u32) -> Option<(u32, Time)> {
        self.with_time(self.ends.get(listener as usize)?.oldest)
    }

    fn with_time(&self, index: u32) -> Option<(u32, Time)> {
        self.slots.get(index as usize).map(|slot| (index, slot.used))
    }

    /// Every session with its number and when it was last used.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Session<C>, Time)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(index, slot)| Some((index as u32, slot.session.as_ref()?, slot.used)))
    }

    fn link(&mut self, listener: u32, index: u32) {
        let listener = listener as usize;
        if self.ends.len() <= listener {
            self.ends.resize(listener + 1, Ends { newest: NONE, oldest: NONE });
        }
        let ends = &mut self.ends[listener];
        let older = std::mem::replace(&mut ends.newest, index);
        let slot = &mut self.slots[index as usize];
        (slot.newer, slot.older) = (NONE, older);
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = index,
            None => ends.oldest = index,
        }
    }

    fn unlink(&mut self, listener: u32, index: u32) {
        let Slot { newer, older, .. } = self.slots[index as usize];
        let ends = &mut self.ends[listener as usize];
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None => ends.newest = older,
        }
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None => ends.oldest = newer,
        }
    }
}
