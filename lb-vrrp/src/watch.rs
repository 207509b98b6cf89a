//! A passive monitor: who speaks VRRP on a link, and what is wrong with it.
//!
//! [`Monitor`] is fed with frames and tells [`Finding`]s, each with what to do about it. It sends nothing, does no IO
//! and reads no clock. What it remembers is bounded, whatever it is fed with.
//!
//! ```
//! use lb_vrrp::{Time, watch::Monitor};
//!
//! let mut monitor = Monitor::new();
//! # let frames: [(Time, &[u8]); 0] = [];
//! for (now, frame) in frames {
//!     monitor.handle_frame(now, frame);
//!     while let Some(finding) = monitor.poll_output() {
//!         println!("{}: {finding}", finding.severity());
//!     }
//! }
//! ```

mod finding;
mod group;
mod packet;

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use core::{
    fmt,
    mem::{Discriminant, discriminant},
    net::IpAddr,
};

use serde::Serialize;

pub use finding::{Finding, Severity, TakeoverCause};
pub use group::{Group, MAX_SPEAKERS, Speaker};

use self::packet::{Carried, Link};
use crate::{
    Family, Time, Vrid,
    wire::{Advert, DecodeError, View},
};

/// Most virtual routers that are looked at: all of both families on two links. Others are passed over.
pub const MAX_ROUTERS: usize = 1024;
/// Most findings that wait to be taken by [`Monitor::poll_output`]. Others are counted in [`Monitor::lost`].
pub const MAX_FINDINGS: usize = 1024;
/// Most kinds of malformed messages and their senders that are told.
const MAX_MALFORMED: usize = 256;

/// Which virtual router, on which link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Key {
    /// The VLAN of tagged frames, the inner one where tags are stacked. VLANs are links of their own.
    pub vlan: Option<u16>,
    /// Family of its addresses.
    pub family: Family,
    /// Its identifier.
    pub vrid: Vrid,
}

/// Watches the virtual routers of a link.
///
/// After each `handle_` call, take what [`poll_output`](Self::poll_output) has until it has no more, and call
/// [`handle_timeout`](Self::handle_timeout) at the time that [`poll_timeout`](Self::poll_timeout) says.
#[derive(Debug, Default)]
pub struct Monitor {
    groups: BTreeMap<Key, Group>,
    carp: BTreeMap<(Option<u16>, Vrid), IpAddr>,
    malformed: Vec<(Option<u16>, IpAddr, Discriminant<DecodeError>)>,
    findings: Findings,
    is_full: bool,
}

impl Monitor {
    /// One that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// An Ethernet frame came. VLAN tags are taken off, and so are IPv6 extension headers and the IP authentication
    /// header. Whatever is not VRRP is passed over, and so are fragments.
    pub fn handle_frame(&mut self, now: Time, frame: &[u8]) {
        if let Some(carried) = packet::in_frame(frame) {
            self.handle_message(now, &carried);
        }
    }

    /// An IPv4 or IPv6 packet came, without a frame around it.
    pub fn handle_packet(&mut self, now: Time, packet: &[u8]) {
        if let Some(carried) = packet::in_packet(Link::default(), packet) {
            self.handle_message(now, &carried);
        }
    }

    /// Time went on. To call it early or late does no harm.
    pub fn handle_timeout(&mut self, now: Time) {
        for group in self.groups.values_mut() {
            group.handle_timeout(now, &mut self.findings);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called: a router counts as silent then.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.groups.values().filter_map(Group::silent_at).min()
    }

    /// The next finding.
    pub fn poll_output(&mut self) -> Option<Finding> {
        let mut finding = self.findings.queue.pop_front()?;
        if let Finding::Clash { router, free, .. } | Finding::CarpClash { router, free, .. } = &mut finding {
            *free = self.free_vrid(router.vlan, router.vrid);
        }
        Some(finding)
    }

    /// Findings that were lost because they were not taken in time.
    pub fn lost(&self) -> u64 {
        self.findings.lost
    }

    /// The virtual routers that were seen, in the order of VLAN, family and identifier; at most [`MAX_ROUTERS`].
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &Group> {
        self.groups.values()
    }

    /// The first identifier above this one (or from 1 on) that nobody uses on this VLAN, in either family, nor CARP.
    /// `None` when all are in use.
    pub fn free_vrid(&self, vlan: Option<u16>, near: Vrid) -> Option<Vrid> {
        let is_free = |vrid: &Vrid| {
            let is_seen = |family| self.groups.contains_key(&Key { vlan, family, vrid: *vrid });
            !is_seen(Family::V4) && !is_seen(Family::V6) && !self.carp.contains_key(&(vlan, *vrid))
        };
        let (above, below) = (near.get()..=u8::MAX, 1..=near.get());
        above.chain(below).filter_map(|number| Vrid::new(number).ok()).find(is_free)
    }

    fn handle_message(&mut self, now: Time, carried: &Carried<'_>) {
        let (vlan, source) = (carried.link.vlan, carried.envelope.source);
        let view = View::new(Family::of(source), carried.payload);
        if view.looks_like_carp() {
            return self.handle_carp(vlan, source, view);
        }
        let (advert, form) = match Advert::decode(carried.payload, &carried.envelope) {
            Ok(decoded) => decoded,
            Err(error) => return self.handle_malformed(vlan, source, error),
        };
        let router = Key { vlan, family: advert.addresses.family(), vrid: advert.vrid };
        if !self.groups.contains_key(&router) {
            if self.groups.len() == MAX_ROUTERS {
                if !core::mem::replace(&mut self.is_full, true) {
                    self.findings.push(Finding::TooMany { limit: MAX_ROUTERS });
                }
                return;
            }
            self.groups.insert(router, Group::new(router));
            self.compare_with_carp(router);
        }
        if let Some(group) = self.groups.get_mut(&router) {
            group.hear(now, carried, (&advert, form), &mut self.findings);
        }
    }

    fn handle_carp(&mut self, vlan: Option<u16>, source: IpAddr, view: View<'_>) {
        let Some(Ok(vrid)) = view.vrid().map(Vrid::new) else { return };
        if self.carp.contains_key(&(vlan, vrid)) || self.carp.len() == MAX_ROUTERS {
            return;
        }
        self.carp.insert((vlan, vrid), source);
        self.findings.push(Finding::Carp { vlan, source, vrid });
        // CARP has the addresses of VRRP over IPv4, whatever family it goes over.
        self.compare_with_carp(Key { vlan, family: Family::V4, vrid });
    }

    fn compare_with_carp(&mut self, router: Key) {
        let carp = self.carp.get(&(router.vlan, router.vrid)).filter(|_| router.family == Family::V4);
        if let Some(carp) = carp.copied().filter(|_| self.groups.contains_key(&router)) {
            self.findings.push(Finding::CarpClash { router, carp, free: None });
        }
    }

    fn handle_malformed(&mut self, vlan: Option<u16>, source: IpAddr, error: DecodeError) {
        // By kind: a damaged message may be damaged in another way each time.
        let kind = (vlan, source, discriminant(&error));
        if self.malformed.len() < MAX_MALFORMED && !self.malformed.contains(&kind) {
            self.malformed.push(kind);
            self.findings.push(Finding::Malformed { vlan, source, error });
        }
    }
}

/// Findings that wait to be taken.
#[derive(Debug, Default)]
struct Findings {
    queue: VecDeque<Finding>,
    lost: u64,
}

impl Findings {
    fn push(&mut self, finding: Finding) {
        if self.queue.len() < MAX_FINDINGS {
            self.queue.push_back(finding);
        } else {
            self.lost = self.lost.saturating_add(1);
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(vlan) = self.vlan {
            write!(f, "VLAN {vlan}: ")?;
        }
        write!(f, "{} VRID {}", self.family, self.vrid)
    }
}

#[cfg(test)]
mod tests;
