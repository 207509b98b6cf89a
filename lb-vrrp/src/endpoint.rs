//! Many virtual routers behind one set of verbs and one deadline.

mod key;
mod schedule;
mod stats;
mod strangers;

use alloc::{boxed::Box, collections::BTreeMap, collections::VecDeque, sync::Arc, vec::Vec};

pub use key::RouterKey;
use schedule::Schedule;
pub use stats::EndpointStats;
use strangers::Strangers;
use thiserror::Error;

use crate::{Config, Datagram, Family, Input, Output, Time, VirtualRouter, Vrid, router::OtherRouter};

/// All virtual routers of a host: it finds the one that a message is for, and knows the earliest of their deadlines.
///
/// It is run as a [`VirtualRouter`] is, with the key of the router beside each output. Outputs of one router stand in
/// the order in which they are to be carried out; between routers there is none. Several inputs may be given before the
/// outputs are drained, so that a driver can send what is due at the same time in one go.
///
/// An input costs a search among the keys, O(log n), besides what the router does with it. As long as the outputs are
/// drained, nothing is allocated but by [`insert`](Self::insert) and [`reconfigure`](Self::reconfigure).
///
/// ```
/// use lb_vrrp::{Config, Endpoint, Input, RouterKey, Time, VirtualRouter, Vrid, router::OtherRouter};
///
/// let config = Config::v3(Vrid::new(51)?, ["192.0.2.1".parse()?]).build()?;
/// let key = RouterKey::new(2, &config);
/// let mut endpoint = Endpoint::new();
/// endpoint.insert(key, VirtualRouter::new(config, "192.0.2.11".parse()?)?)?;
///
/// let now = Time::from_secs(1);
/// endpoint.handle_input(now, key, Input::Startup);
/// while let Some((key, output)) = endpoint.poll_output() {
///     println!("{key}: {output:?}");
/// }
/// assert!(endpoint.poll_timeout() > Some(now));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    /// Where in `slots` the router of a key is.
    index: BTreeMap<RouterKey, usize>,
    /// Routers at places that do not change; `None` is free.
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    schedule: Schedule,
    /// Places of routers that have outputs, each once.
    ready: VecDeque<usize>,
    strangers: Strangers,
    /// What was counted outside of the routers that are there now.
    stats: EndpointStats,
}

#[derive(Clone, Debug)]
struct Slot {
    key: RouterKey,
    router: Box<VirtualRouter>,
    ready: bool,
}

/// Why a virtual router was not taken, and the router.
#[derive(Clone, Debug, Error)]
#[error("{key}: {reason}")]
pub struct InsertError {
    /// The key that it was to have.
    pub key: RouterKey,
    /// Why not.
    pub reason: InsertErrorReason,
    /// The router, unchanged.
    pub router: Box<VirtualRouter>,
}

/// Why a virtual router was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InsertErrorReason {
    /// Another router has this key: two of them on one link would answer to the same messages.
    #[error("there is a virtual router with this identifier and family on this interface already")]
    Taken,
    /// The configuration of the router is for another identifier or family than the key.
    #[error("the configuration is for another identifier or family")]
    Mismatch,
}

impl Endpoint {
    /// An endpoint without routers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a router, in whatever state it is, with the outputs that it has.
    ///
    /// # Errors
    /// The router, when the key is taken or does not fit.
    pub fn insert(&mut self, key: RouterKey, router: VirtualRouter) -> Result<(), InsertError> {
        let refuse = |reason, router| Err(InsertError { key, reason, router: Box::new(router) });
        if key != RouterKey::new(key.interface, router.config()) {
            return refuse(InsertErrorReason::Mismatch, router);
        }
        if self.index.contains_key(&key) {
            return refuse(InsertErrorReason::Taken, router);
        }
        let place = self.free.pop().unwrap_or(self.slots.len());
        let slot = Some(Slot { key, router: Box::new(router), ready: false });
        match self.slots.get_mut(place) {
            Some(free) => *free = slot,
            None => self.slots.push(slot),
        }
        self.index.insert(key, place);
        self.schedule.reserve(self.slots.len());
        self.ready.reserve(self.slots.len() - self.ready.len());
        self.note(place);
        Ok(())
    }

    /// Gives a router back as it is: it is not shut down, and the outputs that it has are still in it.
    pub fn remove(&mut self, key: RouterKey) -> Option<VirtualRouter> {
        let place = self.index.remove(&key)?;
        let slot = self.slots.get_mut(place)?.take()?;
        self.schedule.set(place, None);
        if slot.ready {
            self.ready.retain(|ready| *ready != place);
        }
        self.free.push(place);
        self.stats.add(slot.router.stats());
        Some(*slot.router)
    }

    /// Gives an input to one router; returns whether there is such a router. Drain
    /// [`poll_output`](Self::poll_output) afterwards.
    ///
    /// Give messages to [`handle_datagram`](Self::handle_datagram), which finds their router.
    pub fn handle_input(&mut self, now: Time, key: RouterKey, input: Input<'_>) -> bool {
        let Some(place) = self.index.get(&key).copied() else { return false };
        self.with(place, |router| router.handle_input(now, input));
        true
    }

    /// Takes a message that was received on the interface with this index, and gives it to the router that it is for.
    /// Drain [`poll_output`](Self::poll_output) afterwards.
    ///
    /// A message for a virtual router that is not here is counted. The first one of an identifier on an interface comes
    /// out as [`Event::Dropped`](crate::Event::Dropped), with the key that such a router would have.
    pub fn handle_datagram(&mut self, now: Time, interface: u32, datagram: Datagram<'_>) {
        let family = Family::of(datagram.envelope.source);
        let vrid = datagram.payload.get(1).and_then(|vrid| Vrid::new(*vrid).ok());
        let place = vrid.and_then(|vrid| self.index.get(&RouterKey { interface, family, vrid }));
        match place.copied() {
            Some(place) => self.with(place, |router| router.handle_input(now, Input::Datagram(datagram))),
            None => self.strangers.receive(&mut self.stats, interface, &datagram),
        }
    }

    /// Gives a router another configuration; see [`VirtualRouter::reconfigure`]. Drain
    /// [`poll_output`](Self::poll_output) afterwards.
    ///
    /// # Errors
    /// When there is no such router, or the configuration is for another one.
    pub fn reconfigure(
        &mut self,
        now: Time,
        key: RouterKey,
        config: impl Into<Arc<Config>>,
    ) -> Result<(), OtherRouter> {
        match self.index.get(&key).copied() {
            Some(place) => self.with(place, |router| router.reconfigure(now, config)),
            None => Err(OtherRouter),
        }
    }

    /// Does what is due in all routers. Harmless when called early or late. Drain
    /// [`poll_output`](Self::poll_output) afterwards; the next deadline is later than `now` then.
    pub fn handle_timeout(&mut self, now: Time) {
        // Once each: at the end of time, deadlines do not get later.
        for _ in 0..self.schedule.len() {
            match self.schedule.first() {
                Some((deadline, place)) if deadline <= now => {
                    self.with(place, |router| router.handle_timeout(now));
                }
                _ => return,
            }
        }
    }

    /// The next thing to do and the router that it is for, until there is none.
    pub fn poll_output(&mut self) -> Option<(RouterKey, Output<'_>)> {
        while let Some(place) = self.ready.front().copied() {
            if self.slots[place].as_ref().is_some_and(|slot| slot.router.has_output()) {
                let Slot { key, router, .. } = self.slots[place].as_mut()?;
                return Some((*key, router.poll_output()?));
            }
            self.ready.pop_front();
            if let Some(slot) = &mut self.slots[place] {
                slot.ready = false;
            }
        }
        let (key, event) = self.strangers.poll_event()?;
        Some((key, Output::Event(event)))
    }

    /// Whether [`poll_output`](Self::poll_output) has something.
    pub fn has_output(&self) -> bool {
        self.strangers.has_event()
            || self
                .ready
                .iter()
                .any(|place| self.slots[*place].as_ref().is_some_and(|s| s.router.has_output()))
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called: the earliest deadline of all routers; `None` when
    /// all are in state Initialize.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.schedule.first().map(|(deadline, _)| deadline)
    }

    /// The router with this key.
    pub fn router(&self, key: RouterKey) -> Option<&VirtualRouter> {
        self.slots[*self.index.get(&key)?].as_ref().map(|slot| &*slot.router)
    }

    /// All routers, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (RouterKey, &VirtualRouter)> {
        self.index
            .values()
            .filter_map(|place| self.slots[*place].as_ref())
            .map(|slot| (slot.key, &*slot.router))
    }

    /// The routers of one interface, in the order of their keys.
    pub fn on_interface(&self, interface: u32) -> impl Iterator<Item = (RouterKey, &VirtualRouter)> {
        let places = self.index.range(RouterKey::first_of(interface)..=RouterKey::last_of(interface));
        places.filter_map(|(key, place)| Some((*key, &*self.slots[*place].as_ref()?.router)))
    }

    /// How many routers there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The counters of all routers together, of those that were removed too, and of messages that were for none. It goes
    /// over all routers.
    pub fn stats(&self) -> EndpointStats {
        let mut stats = self.stats;
        self.iter().for_each(|(_, router)| stats.add(router.stats()));
        stats
    }

    fn with<R>(&mut self, place: usize, act: impl FnOnce(&mut VirtualRouter) -> R) -> R {
        let slot = self.slots[place].as_mut().expect("an index leads to a router");
        let result = act(&mut slot.router);
        self.note(place);
        result
    }

    /// Takes down what a router has become.
    fn note(&mut self, place: usize) {
        let Some(slot) = &mut self.slots[place] else { return };
        self.schedule.set(place, slot.router.poll_timeout());
        if slot.router.has_output() && !core::mem::replace(&mut slot.ready, true) {
            self.ready.push_back(place);
        }
    }
}

#[cfg(test)]
mod tests;
