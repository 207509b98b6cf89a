use std::{io, net::IpAddr, sync::Arc};

use tokio::time::Instant;

use super::{
    burst::{Burst, Occasion},
    desk::{Aim, Progress, Wanted},
    rescue::Rescue,
};
use crate::{
    driver::{address::VirtualAddress, platform::Announcement},
    wire::Mac,
};

/// How far an instance is.
pub(super) struct Job {
    pub(super) wanted: Wanted,
    /// Addresses before this one are done.
    pub(super) cursor: usize,
    pub(super) installed: usize,
    /// How many changes made a difference, and how many failed, in this pass.
    pub(super) changed: usize,
    pub(super) failed: usize,
    /// How many of the failed ones would fail again, and why the first one did.
    pub(super) permanent: usize,
    pub(super) reason: Option<Arc<str>>,
    /// How many wait for their interface.
    pub(super) waiting: usize,
    pub(super) finished: bool,
    pub(super) announce: Option<Occasion>,
    pub(super) link: Option<u32>,
    pub(super) burst: Option<Burst>,
    /// There since somebody else removed an address.
    pub(super) rescue: Option<Box<Rescue>>,
    pub(super) retry: Option<Instant>,
}

/// Where an address is, and where from and as what it is announced.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    pub(super) interface: u32,
    pub(super) below: u32,
    pub(super) mac: Mac,
    pub(super) source: IpAddr,
}

impl Job {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self {
            announce: wanted.announce,
            wanted,
            cursor: 0,
            installed: 0,
            changed: 0,
            failed: 0,
            permanent: 0,
            reason: None,
            waiting: 0,
            finished: false,
            link: None,
            burst: None,
            rescue: None,
            retry: None,
        }
    }

    /// From the first address on, with another order.
    pub(super) fn restart(&mut self, wanted: Wanted) {
        let retired = std::mem::take(&mut self.wanted.retired);
        self.wanted = wanted;
        self.wanted.retired.extend(retired);
        self.announce = self.wanted.announce.max(self.announce.filter(|_| self.installs()));
        self.burst = None;
        self.retry = None;
        match &mut self.rescue {
            Some(rescue) if self.wanted.aim == Aim::Install => rescue.held.clear(),
            rescue => *rescue = None,
        }
        self.again();
    }

    pub(super) fn again(&mut self) {
        (self.cursor, self.installed, self.changed, self.failed, self.waiting) = (0, 0, 0, 0, 0);
        (self.permanent, self.reason) = (0, None);
        self.finished = false;
    }

    /// A change failed; returns whether it is the first one of this pass.
    pub(super) fn fail(&mut self, error: &io::Error) -> bool {
        self.failed += 1;
        self.permanent += usize::from(is_permanent(error));
        self.reason.get_or_insert_with(|| error.to_string().into());
        self.failed == 1
    }

    /// Whether all that was tried in this pass failed, and would fail again.
    pub(super) fn is_hopeless(&self) -> bool {
        self.failed > 0 && self.permanent == self.failed && self.installed == 0 && self.waiting == 0
    }

    /// Addresses to be put back now, up to so many; the others stay among the lost ones, or are held for a while.
    pub(super) fn rescue(&mut self, room: usize, now: Instant) -> Vec<(u32, VirtualAddress)> {
        let mut found = Vec::new();
        if !self.finished || self.wanted.lost.is_empty() {
            return found;
        }
        let mut lost = std::mem::take(&mut self.wanted.lost);
        if !self.installs() {
            return found;
        }
        let mut rescue = self.rescue.take().unwrap_or_default();
        for address in self.wanted.assets.addresses.iter().filter(|address| address.is_tracked()) {
            if found.len() == room {
                self.wanted.lost = lost;
                break;
            }
            let Some(Spot { interface, .. }) = self.spot(address) else { continue };
            let entry = (interface, address.addr());
            if !lost.remove(&entry) {
                continue;
            }
            match rescue.relapses.may(entry.1, now) {
                at if at <= now => found.push((interface, address.clone())),
                later => rescue.hold(entry, later),
            }
        }
        self.rescue = Some(rescue);
        found
    }

    pub(super) fn installs(&self) -> bool {
        self.wanted.aim == Aim::Install
    }

    /// Whether its addresses are on a virtual interface.
    pub(super) fn has_virtual_link(&self) -> bool {
        self.wanted.place.as_ref().is_some_and(|place| place.link.is_some())
    }

    /// Where the addresses are.
    pub(super) fn interface(&self) -> Option<u32> {
        let place = self.wanted.place.as_ref()?;
        if place.link.is_some() { self.link } else { Some(place.interface) }
    }

    /// Whether the first announcement goes along with the installation.
    pub(super) fn announces_along(&self) -> bool {
        let announcing = &self.wanted.assets.announcing;
        self.announce == Some(Occasion::Active)
            && announcing.repeat > 0
            && announcing.frame_interval.is_zero()
    }

    /// Where an address is; `None` as long as its interface is not there.
    pub(super) fn spot(&self, address: &VirtualAddress) -> Option<Spot> {
        let place = self.wanted.place.as_ref()?;
        match address.device() {
            None => Some(Spot {
                interface: self.interface()?,
                below: place.interface,
                mac: place.mac,
                source: place.source,
            }),
            Some(name) => {
                let device = place.devices.iter().find(|device| device.name == *name)?;
                let (interface, mac, source) = device.at?;
                Some(Spot { interface, below: interface, mac, source: source.unwrap_or(place.source) })
            }
        }
    }

    pub(super) fn announcement(&self, address: &VirtualAddress) -> Option<Announcement> {
        let Spot { below, mac, source, .. } = self.spot(address)?;
        Some(Announcement { interface: below, mac, address: address.addr(), source })
    }

    pub(super) fn progress(&self) -> Progress {
        Progress { installed: self.installed, link: self.link }
    }
}

/// Whether trying again is of no use until somebody has changed something else.
fn is_permanent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::Unsupported
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::AddrInUse
    )
}
