//! The instances of a driver, and how they are found.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use pnet::packet::ipv4::Ipv4Packet;

use super::{
    instance::{Instance, InstanceError},
    notice::LinkState,
    platform::Link,
    run::TELL_AGAIN,
    unsent::Queued,
    work::Place,
};
use crate::{
    DropReason, Envelope, Family, Priority, RouterKey, Time, Transmit, VirtualRouter, Vrid, router,
    wire::ah::{self, AhError, Guard},
};

/// An instance as it runs.
pub(super) struct Member {
    pub(super) name: Arc<str>,
    pub(super) instance: Instance,
    /// Its place on the desk.
    pub(super) desk: usize,
    pub(super) link: LinkState,
    /// Its key, as long as its router is in the endpoint.
    pub(super) key: Option<RouterKey>,
    /// Its router while it is in no endpoint: its interface is gone, to come back with another index.
    pub(super) parked: Option<Box<VirtualRouter>>,
    /// Seals and opens its messages, where they are in IP authentication headers.
    pub(super) guard: Option<Box<Guard>>,
    /// The latest packet that it refused: whose, and why.
    pub(super) refused: Option<(IpAddr, AhError)>,
    /// A priority that was set before there was a router.
    pub(super) priority: Option<Priority>,
    /// Where its advertisements come from, once it was ready.
    pub(super) source: Option<IpAddr>,
    /// Where its addresses are.
    pub(super) place: Option<Arc<Place>>,
    /// Whether it is to take part when it can.
    pub(super) wanted: bool,
    /// Whether it was ever told to take part, or not to.
    pub(super) asked: bool,
    /// Whether it was said to have a fault.
    pub(super) fault: bool,
    /// Whether its interface was looked at.
    pub(super) seen: bool,
    pub(super) restore: Option<Box<router::Snapshot>>,
    /// When a dropped message was told the last time.
    pub(super) told_drop: Option<Time>,
    /// How many dropped messages were not told since.
    pub(super) untold: u64,
    /// Its messages that were sent last.
    pub(super) queued: Queued,
}

/// All of them. Each keeps its number as long as it is there.
#[derive(Default)]
pub(super) struct Members {
    all: BTreeMap<usize, Box<Member>>,
    next: usize,
    names: HashMap<Arc<str>, usize>,
    keys: HashMap<RouterKey, usize>,
    interfaces: HashMap<String, Vec<usize>>,
    /// Members with addresses on an interface that is not theirs.
    devices: HashMap<Arc<str>, Vec<usize>>,
    /// Who has which virtual address.
    virtual_addresses: BTreeSet<(IpAddr, usize)>,
}

impl Member {
    /// Whether a dropped message is told now. The others are counted, except those that are dropped since this instance
    /// takes no part.
    pub(super) fn tells_drop(&mut self, now: Time, reason: DropReason) -> bool {
        let tells = self.told_drop.is_none_or(|told| now.since(told) >= TELL_AGAIN);
        match tells {
            true => self.told_drop = Some(now),
            false => self.untold += u64::from(reason != DropReason::NotRunning),
        }
        tells
    }

    /// How many dropped messages were not told, if that is to be said now.
    pub(super) fn take_untold(&mut self, now: Time) -> Option<u64> {
        let due = self.untold > 0 && self.told_drop.is_none_or(|told| now.since(told) >= TELL_AGAIN);
        due.then(|| std::mem::take(&mut self.untold))
    }
}

impl Members {
    /// Checks an instance beside those that are there.
    pub(super) fn check(&self, instance: &Instance) -> Result<(), InstanceError> {
        instance.check()?;
        if self.names.contains_key(instance.name.as_str()) {
            return Err(InstanceError::Name(instance.name.clone()));
        }
        let same = |other: &&Member| {
            let (one, two) = (&other.instance.config, &instance.config);
            (one.family(), one.vrid()) == (two.family(), two.vrid())
        };
        match self.on_interface(&instance.interface).iter().filter_map(|id| self.get(*id)).find(same) {
            Some(other) => Err(InstanceError::Taken {
                name: instance.name.clone(),
                vrid: instance.config.vrid().get(),
                other: other.instance.name.clone(),
            }),
            None => Ok(()),
        }
    }

    pub(super) fn insert(&mut self, name: Arc<str>, instance: Instance, desk: usize) -> usize {
        let id = self.next;
        self.next += 1;
        self.names.insert(name.clone(), id);
        self.interfaces.entry(instance.interface.clone()).or_default().push(id);
        self.add_addresses(id, &instance);
        let guard = instance.key.clone().map(|key| Box::new(Guard::new(key, instance.config.vrid())));
        let member = Member {
            guard,
            refused: None,
            name,
            wanted: instance.starts,
            instance,
            desk,
            link: LinkState::Gone,
            asked: false,
            fault: false,
            seen: false,
            key: None,
            parked: None,
            priority: None,
            source: None,
            place: None,
            restore: None,
            told_drop: None,
            untold: 0,
            queued: Queued::default(),
        };
        self.all.insert(id, Box::new(member));
        id
    }

    pub(super) fn remove(&mut self, id: usize) -> Option<Member> {
        let member = *self.all.remove(&id)?;
        self.names.remove(&member.name);
        if let Some(key) = member.key {
            self.keys.remove(&key);
        }
        if let Some(ids) = self.interfaces.get_mut(&member.instance.interface) {
            ids.retain(|other| *other != id);
        }
        self.remove_addresses(id, &member.instance);
        Some(member)
    }

    /// Gives a member another name, which nobody has.
    pub(super) fn rename(&mut self, id: usize, name: &str) -> Option<&Member> {
        let member = self.all.get_mut(&id)?;
        self.names.remove(&member.name);
        member.name = name.into();
        member.instance.name = name.to_owned();
        self.names.insert(member.name.clone(), id);
        Some(member)
    }

    /// Gives a member another configuration.
    pub(super) fn replace(&mut self, id: usize, instance: Instance) {
        let Some(member) = self.all.get_mut(&id) else { return };
        let old = std::mem::replace(&mut member.instance, instance.clone());
        if let (Some(guard), Some(key)) = (&mut member.guard, &instance.key) {
            guard.set_key(key.clone());
        }
        self.remove_addresses(id, &old);
        self.add_addresses(id, &instance);
    }

    /// The router of a member is in the endpoint now, or no longer.
    pub(super) fn set_key(&mut self, id: usize, key: Option<RouterKey>) {
        let Some(member) = self.all.get_mut(&id) else { return };
        if let Some(old) = std::mem::replace(&mut member.key, key) {
            self.keys.remove(&old);
        }
        if let Some(key) = key {
            self.keys.insert(key, id);
        }
    }

    /// Opens a packet in an IP authentication header. What is not authentic is given on as such, for its router to count.
    ///
    /// The guard is here, beside the router, and not in the platform: every platform is spared it, and it outlives an
    /// interface that comes back with another index.
    pub(super) fn open<'a>(&mut self, interface: u32, packet: &'a [u8]) -> Option<(Envelope, &'a [u8])> {
        let header = Ipv4Packet::new(packet)?;
        let envelope = |authenticated| Envelope {
            source: Ipv4Addr::from(header.get_source().octets()).into(),
            destination: Ipv4Addr::from(header.get_destination().octets()).into(),
            ttl: Some(header.get_ttl()),
            authenticated,
        };
        let unverified = packet.get(ah::OVERHEAD..).unwrap_or_default();
        let vrid = ah::vrid(packet).and_then(|vrid| Vrid::new(vrid).ok());
        let id = vrid.and_then(|vrid| self.with_key(RouterKey { interface, family: Family::V4, vrid }));
        let Some(member) = id.and_then(|id| self.all.get_mut(&id)) else {
            return Some((envelope(false), unverified));
        };
        match member.guard.as_mut().map(|guard| guard.open(packet)) {
            Some(Ok(message)) => Some((envelope(true), message)),
            Some(Err(error)) => {
                member.refused = Some((envelope(false).source, error));
                Some((envelope(false), unverified))
            }
            None => Some((envelope(false), unverified)),
        }
    }

    pub(super) fn get(&self, id: usize) -> Option<&Member> {
        self.all.get(&id).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, id: usize) -> Option<&mut Member> {
        self.all.get_mut(&id).map(Box::as_mut)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Member)> {
        self.all.iter().map(|(id, member)| (*id, &**member))
    }

    pub(super) fn ids(&self) -> Vec<usize> {
        self.all.keys().copied().collect()
    }

    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    pub(super) fn with_key(&self, key: RouterKey) -> Option<usize> {
        self.keys.get(&key).copied()
    }

    pub(super) fn on_interface(&self, name: &str) -> &[usize] {
        self.interfaces.get(name).map_or(&[], Vec::as_slice)
    }

    /// Members with addresses on this interface, which is not theirs.
    pub(super) fn with_device(&self, name: &str) -> &[usize] {
        self.devices.get(name).map_or(&[], Vec::as_slice)
    }

    /// Members that have this virtual address.
    pub(super) fn with_address(&self, address: IpAddr) -> impl Iterator<Item = usize> {
        self.virtual_addresses.range((address, 0)..=(address, usize::MAX)).map(|(_, id)| *id)
    }

    /// The name of an interface that somebody here listens on.
    pub(super) fn name_of(&self, interface: u32) -> Option<Arc<str>> {
        let there =
            self.all.values().find(|member| member.key.is_some_and(|key| key.interface == interface))?;
        Some(there.instance.interface.as_str().into())
    }

    /// The address that advertisements of a member come from, on its link as it is now.
    pub(super) fn source(&self, member: &Member, link: &Link) -> Option<IpAddr> {
        if member.instance.source.is_some() {
            return member.instance.source;
        }
        let config = &member.instance.config;
        let link_local = member.instance.needs_link_local();
        let fits = |address: IpAddr| match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(address) => address.is_unicast_link_local() == link_local,
        };
        // Virtual addresses come and go with the state, or were left behind by a predecessor.
        let real = link
            .primary(config.family(), |address| fits(address) && self.with_address(address).next().is_none());
        // Those of an owner may be all that its interface has, unless it was this driver that put them there.
        let is_owned = |address: IpAddr| {
            config.priority().is_owner()
                && member.source.is_none_or(|source| source == address)
                && config.addresses().iter().any(|own| own == address)
        };
        real.or_else(|| link.primary(config.family(), |address| fits(address) && is_owned(address)))
    }

    fn add_addresses(&mut self, id: usize, instance: &Instance) {
        for device in instance.devices() {
            self.devices.entry(device).or_default().push(id);
        }
        self.virtual_addresses.extend(instance.installed().map(|address| (address.addr(), id)));
    }

    fn remove_addresses(&mut self, id: usize, instance: &Instance) {
        for device in instance.devices() {
            if let Some(ids) = self.devices.get_mut(&device) {
                ids.retain(|other| *other != id);
            }
        }
        for address in instance.installed() {
            self.virtual_addresses.remove(&(address.addr(), id));
        }
    }
}

/// A message in an IP authentication header, which there is for IPv4 only.
pub(super) fn seal<'a>(guard: &mut Guard, message: Transmit<'_>, packet: &'a mut Vec<u8>) -> Transmit<'a> {
    let Transmit { source, destination, payload } = message;
    packet.clear();
    if let (IpAddr::V4(source), IpAddr::V4(destination)) = (source, destination) {
        packet.resize(payload.len() + ah::OVERHEAD, 0);
        guard.seal(source, destination, payload, packet);
    }
    Transmit { source, destination, payload: packet }
}
