//! Instances and their interfaces: who takes part, and from which address.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use super::{
    instance::Instance,
    members::Member,
    notice::{Happening, LinkState},
    platform::{Link, LinkChange, Listening, Platform, VirtualLink},
    run::Driver,
    work::{Change, Device, Occasion, Place},
};
use crate::{Family, Farewell, Input, Interval, RouterKey, State, VirtualRouter, wire::Mac};

/// What deadlines may be late by, at least: at 100,000 advertisements a second, 25 of them go in one system call.
const MIN_LATENESS: Duration = Duration::from_micros(250);
/// And at most.
pub(super) const MAX_LATENESS: Duration = Duration::from_millis(2);

impl<P: Platform> Driver<P> {
    /// Deadlines of a router with this interval may be late by half a percent of it, within bounds.
    pub(super) fn tolerate(&mut self, interval: Interval) {
        let lateness = (interval.duration() / 200).clamp(MIN_LATENESS, MAX_LATENESS);
        self.lateness = self.lateness.min(lateness);
        self.platform.tolerate(self.lateness);
    }

    /// Brings an instance to what its interface is now.
    pub(super) fn look_at(&mut self, id: usize) {
        let Some(member) = self.members.get(id) else { return };
        let link = self.platform.link(&member.instance.interface).cloned();
        let heeds_link = member.instance.heeds_link;
        let source = link.as_ref().and_then(|link| self.members.source(member, link));
        let needed = member.instance.source.filter(|_| member.instance.heeds_source);
        let lacks_source = needed.is_some_and(|source| !self.platform.has_source(source));
        let gone = member.key.is_some_and(|key| link.as_ref().is_none_or(|link| link.index != key.interface));
        let state = match (&link, source) {
            (None, _) => LinkState::Gone,
            (Some(link), _) if !link.up && heeds_link => LinkState::Down,
            (Some(_), None) => LinkState::NoAddress,
            (Some(_), Some(_)) if lacks_source => LinkState::NoSource,
            (Some(_), Some(_)) => LinkState::Ready,
        };
        if gone {
            self.leave(id);
        }
        let state = match (state, link, source) {
            (LinkState::Ready, Some(link), Some(source)) => self.enter(id, &link, source),
            (state, ..) => state,
        };
        let Some(member) = self.members.get_mut(id) else { return };
        let seen = std::mem::replace(&mut member.seen, true);
        let changed = std::mem::replace(&mut member.link, state) != state;
        // That there is no such interface is news at first, and no error: it may come yet.
        if changed || !seen {
            self.tell(id, Happening::Link(state));
        }
        self.settle(id, Farewell::Silent);
    }

    /// Whether nothing keeps an instance from taking part.
    pub(super) fn is_fit(&self, id: usize) -> bool {
        let fit = |member: &Member| member.link == LinkState::Ready && member.wanted && !member.fault;
        self.members.get(id).is_some_and(fit)
    }

    /// Whether an instance only waits to be told to take part. What a predecessor left of it stays meanwhile.
    pub(super) fn awaits_startup(&self, id: usize) -> bool {
        let awaits = |member: &Member| {
            member.link == LinkState::Ready && !member.wanted && !member.asked && !member.fault
        };
        self.members.get(id).is_some_and(awaits)
    }

    /// Has an instance take part.
    pub(super) fn start(&mut self, id: usize) {
        self.input(id, Input::WallClock(self.platform.wall_clock()));
        self.input(id, Input::Startup);
    }

    /// Something about interfaces or addresses changed.
    pub(super) fn notice_change(&mut self, change: LinkChange) {
        match change {
            LinkChange::Link { name } => {
                for id in self.members.on_interface(&name).to_vec() {
                    self.look_at(id);
                }
                for id in self.members.with_device(&name).to_vec() {
                    self.look_at(id);
                }
            }
            LinkChange::Address { interface, address, present } => {
                let ours: Vec<usize> = self.members.with_address(address).collect();
                for id in &ours {
                    self.notice_virtual_address(*id, interface, address, present);
                }
                if ours.is_empty() {
                    let on_it = |(id, member): (usize, &Member)| {
                        if member.instance.source == Some(address) {
                            return Some(id);
                        }
                        let link = self.platform.link(&member.instance.interface);
                        let is_here = link.is_some_and(|link| link.index == interface);
                        (is_here || member.place.as_ref()?.is_also_on(interface)).then_some(id)
                    };
                    let ids: Vec<usize> = self.members.iter().filter_map(on_it).collect();
                    ids.into_iter().for_each(|id| self.look_at(id));
                }
            }
        }
    }

    /// A virtual address went: was it us? The kernel's answer to the attempt to put it back tells.
    fn notice_virtual_address(&mut self, id: usize, interface: u32, address: IpAddr, present: bool) {
        let Some(member) = self.members.get(id) else { return };
        let Some(key) = member.key else { return };
        let is_active = self.endpoint.router(key).is_some_and(|router| router.state() == State::Active);
        if !present && is_active && member.instance.put_back {
            self.orders.push((member.desk, Change::Lost(interface, address)));
        }
    }

    /// Gives an input to the router of an instance; returns whether it has one in the endpoint.
    pub(super) fn input(&mut self, id: usize, input: Input<'_>) -> bool {
        let key = self.members.get(id).and_then(|member| member.key);
        key.is_some_and(|key| self.endpoint.handle_input(self.platform.now(), key, input))
    }

    /// The interface is ready.
    fn enter(&mut self, id: usize, link: &Link, source: IpAddr) -> LinkState {
        let Some(member) = self.members.get(id) else { return LinkState::Gone };
        let is_new = member.key.is_none();
        if is_new && let Err(error) = self.join(id, link, source) {
            self.tell(id, Happening::Failed { what: "listening", error: error.to_string().into() });
            return LinkState::Failed;
        }
        let Some(member) = self.members.get_mut(id) else { return LinkState::Gone };
        member.source = Some(source);
        let priority = member.priority.take();
        let mut place = Arc::new(place(&member.instance, link, source, |name| self.platform.link(name)));
        // Those on one interface are mostly in the same place.
        match &self.place {
            Some(last) if **last == *place => place = last.clone(),
            _ => self.place = Some(place.clone()),
        }
        let own = is_new.then(|| own_addresses(&member.instance, link));
        let moved = member.place.as_ref() != Some(&place);
        member.place = Some(place.clone());
        let desk = member.desk;
        if let Some(key) = member.key
            && let Some(router) = self.endpoint.router(key)
        {
            if router.source() != source {
                self.input(id, Input::Source(source));
            }
            if moved || is_new {
                self.desk
                    .order([(desk, Change::Place(place, own)), (desk, Change::Announce(Occasion::Active))]);
            }
        }
        if let Some(priority) = priority {
            self.input(id, Input::Priority(priority));
        }
        if is_new && self.has_addresses(id, link) {
            self.input(id, Input::Found);
        }
        if is_new && self.groups.has(id) {
            self.input(id, Input::Hold(true));
        }
        LinkState::Ready
    }

    /// Whether virtual addresses are where this instance has them when it is Active: a predecessor left them.
    fn has_addresses(&self, id: usize, link: &Link) -> bool {
        let Some(member) = self.members.get(id) else { return false };
        let here = match member.instance.virtual_name(link.index) {
            Some(name) => self.platform.link(&name),
            None => Some(link),
        };
        let mut installed = member.instance.installed();
        here.is_some_and(|here| installed.any(|net| here.addresses.contains_key(&net.addr())))
    }

    /// Puts the router of an instance into the endpoint.
    fn join(&mut self, id: usize, link: &Link, source: IpAddr) -> io::Result<()> {
        let Some(member) = self.members.get_mut(id) else { return Ok(()) };
        let key = RouterKey::new(link.index, &member.instance.config);
        let config = member.instance.config.clone();
        let listening = listening(&member.instance, link.index);
        self.platform.listen(listening)?;
        // Who does not take part yet is not Active either, but begins anew when it does.
        let restore = member.restore.take().filter(|_| member.wanted);
        let router = match (member.parked.take(), restore) {
            (Some(router), _) => Ok(*router),
            (None, Some(snapshot)) => VirtualRouter::restore(config, source, &snapshot, self.platform.now()),
            (None, None) => VirtualRouter::new(config, source),
        };
        let inserted = router
            .map_err(io::Error::other)
            .and_then(|router| self.endpoint.insert(key, router).map_err(io::Error::other));
        match inserted {
            Ok(()) => {
                self.members.set_key(id, Some(key));
                Ok(())
            }
            Err(error) => {
                self.platform.unlisten(listening);
                Err(error)
            }
        }
    }

    /// Takes the router of an instance out of the endpoint, silently, and keeps it.
    pub(super) fn leave(&mut self, id: usize) {
        let Some(key) = self.members.get(id).and_then(|member| member.key) else { return };
        self.input(id, Input::Shutdown(Farewell::Silent));
        self.carry_out();
        let parked = self.endpoint.remove(key);
        if let Some(member) = self.members.get_mut(id) {
            self.platform.unlisten(listening(&member.instance, key.interface));
            member.parked = parked.map(Box::new);
        }
        self.members.set_key(id, None);
    }
}

/// What an instance listens to.
pub(super) fn listening(instance: &Instance, interface: u32) -> Listening {
    Listening {
        interface,
        family: instance.config.family(),
        group: instance.group(),
        sealed: instance.key.is_some(),
    }
}

/// Where the addresses of an instance are.
fn place<'a>(
    instance: &Instance,
    link: &Link,
    source: IpAddr,
    named: impl Fn(&str) -> Option<&'a Link>,
) -> Place {
    let own = |link: &Link| link.mac.unwrap_or(Mac([0; 6]));
    let mac = instance.virtual_address().unwrap_or_else(|| own(link));
    let virtual_link =
        instance.virtual_name(link.index).map(|name| VirtualLink { name, parent: link.index, mac });
    let devices = instance.devices().into_iter().map(|name| {
        let at = named(&name).map(|link| (link.index, own(link), link_local(link)));
        Device { name, at }
    });
    Place {
        interface: link.index,
        mac,
        source: link_local(link).unwrap_or(source),
        link: virtual_link,
        devices: devices.collect(),
    }
}

/// What IPv6 announcements come from.
fn link_local(link: &Link) -> Option<IpAddr> {
    link.primary(Family::V6, |address| match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    })
}

/// An owner's addresses are those of its interface, if they were there before it: they are neither added nor removed.
fn own_addresses(instance: &Instance, link: &Link) -> Arc<[IpAddr]> {
    if !instance.config.priority().is_owner() {
        return Arc::from([]);
    }
    let here = instance.installed().filter(|address| address.device().is_none());
    here.map(|address| address.addr()).filter(|own| link.addresses.contains_key(own)).collect()
}
