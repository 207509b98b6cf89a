use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::super::{address::VirtualAddress, instance::Announcing, platform::VirtualLink};
use super::burst::Occasion;
use crate::wire::Mac;

/// Where orders for addresses lie. The protocol's side writes, the worker reads; neither waits for the other. The latest
/// order for an instance counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desk(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    orders: Mutex<Orders>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Orders {
    slots: Vec<Option<Slot>>,
    /// Slots that are `None`.
    free: Vec<usize>,
    /// Slots with something to do, each once.
    dirty: VecDeque<usize>,
    closing: bool,
}

#[derive(Debug)]
struct Slot {
    wanted: Wanted,
    queued: bool,
    progress: Progress,
}

/// What is wanted of the addresses of an instance.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) assets: Arc<Assets>,
    /// `None` until the instance was on an interface.
    pub(crate) place: Option<Arc<Place>>,
    /// Addresses that are not to be touched, since they are the interface's own.
    pub(crate) own: Arc<[IpAddr]>,
    pub(crate) aim: Aim,
    /// Changes when anything above does: what was begun is to be begun again.
    pub(crate) epoch: u64,
    /// Why a burst of announcements is to begin, if it is.
    pub(crate) announce: Option<Occasion>,
    /// Whether nothing is announced, since another router is about to take over.
    pub(crate) quiet: bool,
    /// Addresses that somebody else removed, and the interfaces that they were on.
    pub(crate) lost: BTreeSet<(u32, IpAddr)>,
    /// Addresses that are no longer configured.
    pub(crate) retired: Vec<VirtualAddress>,
    /// Whether the instance is at its end: its virtual interface goes, too.
    pub(crate) ends: bool,
}

/// What an instance has, by its configuration.
#[derive(Debug)]
pub(crate) struct Assets {
    pub(crate) name: Arc<str>,
    pub(crate) addresses: Box<[VirtualAddress]>,
    pub(crate) announcing: Arc<Announcing>,
}

/// What is to become of the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// They stay as they are: nothing was ordered yet.
    Leave,
    Install,
    Remove,
}

/// Where the addresses of an instance are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) interface: u32,
    pub(crate) mac: Mac,
    /// What IPv6 announcements come from.
    pub(crate) source: IpAddr,
    pub(crate) link: Option<VirtualLink>,
    /// Other interfaces that some of the addresses are on.
    pub(crate) devices: Box<[Device]>,
}

/// Another interface that addresses of an instance are on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) name: Arc<str>,
    /// Index, Ethernet address, and what IPv6 announcements come from, if it has a link-local address; `None` when it is
    /// not there.
    pub(crate) at: Option<(u32, Mac, Option<IpAddr>)>,
}

impl Place {
    /// Whether some of the addresses are on this interface, which is not the instance's.
    pub(crate) fn is_also_on(&self, interface: u32) -> bool {
        self.devices.iter().any(|device| device.at.is_some_and(|(index, ..)| index == interface))
    }
}

/// How far the worker is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// How many addresses are installed.
    pub(crate) installed: usize,
    /// Index of the virtual interface.
    pub(crate) link: Option<u32>,
}

impl Desk {
    /// A place for another instance.
    pub(crate) fn open(&self, assets: Assets) -> usize {
        let wanted = Wanted {
            assets: Arc::new(assets),
            place: None,
            own: Arc::default(),
            aim: Aim::Leave,
            epoch: 0,
            announce: None,
            quiet: false,
            lost: BTreeSet::new(),
            retired: Vec::new(),
            ends: false,
        };
        let slot = Some(Slot { wanted, queued: false, progress: Progress::default() });
        let mut orders = self.orders();
        match orders.free.pop() {
            Some(free) => {
                orders.slots[free] = slot;
                free
            }
            None => {
                orders.slots.push(slot);
                orders.slots.len() - 1
            }
        }
    }

    /// Changes several orders in one go; the worker hears of it once.
    pub(crate) fn order(&self, changes: impl IntoIterator<Item = (usize, Change)>) {
        let mut orders = self.orders();
        let Orders { slots, dirty, .. } = &mut *orders;
        for (place, change) in changes {
            let Some(slot) = slots.get_mut(place).and_then(Option::as_mut) else { continue };
            change.apply(&mut slot.wanted);
            if !std::mem::replace(&mut slot.queued, true) {
                dirty.push_back(place);
            }
        }
        drop(orders);
        self.0.wake.notify_one();
    }

    /// How far the worker is with this one.
    pub(crate) fn progress(&self, place: usize) -> Progress {
        self.orders()
            .slots
            .get(place)
            .and_then(Option::as_ref)
            .map_or_else(Progress::default, |slot| slot.progress)
    }

    /// Lets the worker end when it has done all that was ordered.
    pub(crate) fn close(&self) {
        self.orders().closing = true;
        self.0.wake.notify_one();
    }

    /// The next one with something to do.
    pub(super) fn take(&self) -> Option<(usize, Wanted)> {
        let mut orders = self.orders();
        loop {
            let place = orders.dirty.pop_front()?;
            let Some(slot) = orders.slots.get_mut(place).and_then(Option::as_mut) else { continue };
            slot.queued = false;
            let wanted = slot.wanted.clone();
            slot.wanted.announce = None;
            slot.wanted.lost.clear();
            slot.wanted.retired.clear();
            return Some((place, wanted));
        }
    }

    /// It has more to do, after the others.
    pub(super) fn put_back(&self, place: usize) {
        let mut orders = self.orders();
        let Orders { slots, dirty, .. } = &mut *orders;
        if let Some(slot) = slots.get_mut(place).and_then(Option::as_mut)
            && !std::mem::replace(&mut slot.queued, true)
        {
            dirty.push_back(place);
        }
    }

    pub(super) fn note(&self, place: usize, progress: Progress) {
        if let Some(slot) = self.orders().slots.get_mut(place).and_then(Option::as_mut) {
            slot.progress = progress;
        }
    }

    /// The instance has ended.
    pub(super) fn free(&self, place: usize) {
        let mut orders = self.orders();
        if orders.slots.get_mut(place).and_then(Option::take).is_some() {
            orders.free.push(place);
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.orders().closing
    }

    pub(super) async fn ordered(&self) {
        self.0.wake.notified().await;
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.0.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change of what is wanted.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Install,
    Remove,
    Announce(Occasion),
    /// The addresses stay, and are announced no more: the router lingers.
    Linger,
    /// Somebody else removed this address from this interface.
    Lost(u32, IpAddr),
    /// The instance is here now; these addresses are the interface's own, if that is to be changed.
    Place(Arc<Place>, Option<Arc<[IpAddr]>>),
    /// It has other addresses, or announces them in another way.
    Assets(Arc<Assets>),
    /// These addresses, which it no longer has, are another instance's now: they stay.
    Keep(Vec<VirtualAddress>),
    /// It ends.
    End,
}

impl Change {
    fn apply(self, wanted: &mut Wanted) {
        match self {
            Self::Install => {
                wanted.aim = Aim::Install;
                wanted.quiet = false;
                wanted.epoch += 1;
            }
            Self::Remove => wanted.remove(),
            Self::Announce(occasion) => wanted.announce(occasion),
            Self::Linger => {
                wanted.announce = None;
                wanted.quiet = true;
            }
            Self::Lost(interface, address) => drop(wanted.lost.insert((interface, address))),
            Self::Place(mut place, own) => {
                // Addresses that are configured no longer may be yet to be removed from there.
                if let Some(before) = wanted.place.take() {
                    let is_gone = |device: &&Device| place.devices.iter().all(|now| now.name != device.name);
                    let gone: Vec<Device> = before.devices.iter().filter(is_gone).cloned().collect();
                    if !gone.is_empty() {
                        let devices = place.devices.iter().cloned().chain(gone).collect();
                        place = Arc::new(Place { devices, ..Place::clone(&place) });
                    }
                }
                wanted.place = Some(place);
                if let Some(own) = own {
                    wanted.own = own;
                }
                wanted.epoch += 1;
            }
            Self::Assets(assets) => {
                let stays: HashSet<&VirtualAddress> = assets.addresses.iter().collect();
                let gone = wanted.assets.addresses.iter().filter(|old| !stays.contains(old)).cloned();
                wanted.retired.extend(gone);
                wanted.assets = assets;
                wanted.epoch += 1;
            }
            Self::Keep(addresses) => wanted.retired.retain(|retired| !addresses.contains(retired)),
            Self::End => {
                wanted.ends = true;
                if wanted.aim == Aim::Install {
                    wanted.remove();
                }
            }
        }
    }
}

impl Wanted {
    fn remove(&mut self) {
        self.aim = Aim::Remove;
        self.announce = None;
        self.epoch += 1;
    }

    fn announce(&mut self, occasion: Occasion) {
        if self.aim == Aim::Install && !self.quiet {
            self.announce = self.announce.max(Some(occasion));
        }
    }
}
