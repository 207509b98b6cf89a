//! What was told already, so that it is not told with every advertisement.

use core::net::IpAddr;

use crate::{Interval, Time};

/// What was told of the latest few other routers. One that was told of longest ago makes room, and is told of again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    others: [Option<About>; OTHERS],
    pub(super) own_address: bool,
}

/// More routers than make sense behind one identifier: who has them knows of it.
const OTHERS: usize = 3;

/// What was told of another router.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    source: IpAddr,
    /// The interval that differs from ours.
    pub(super) interval: Option<Interval>,
    /// That its interval counts as the longest one.
    pub(super) capped: bool,
    /// That it lists other addresses.
    pub(super) addresses: bool,
    /// That its list does not start with a link-local address.
    pub(super) first_address: bool,
    /// That it claims to own the addresses.
    pub(super) owner: bool,
    /// When it was Active besides this router.
    active: Time,
}

impl Told {
    /// What was told of this router, if anything.
    pub(super) fn known(&mut self, source: IpAddr) -> Option<&mut About> {
        self.others.iter_mut().flatten().find(|about| about.source == source)
    }

    /// What was told of this router, of which something is to be told.
    pub(super) fn about(&mut self, source: IpAddr) -> &mut About {
        let known = self.others.iter().position(|about| about.is_some_and(|about| about.source == source));
        let place = known.unwrap_or_else(|| {
            self.others.rotate_right(1);
            self.others[0] = None;
            0
        });
        self.others[place].get_or_insert(About {
            source,
            interval: None,
            capped: false,
            addresses: false,
            first_address: false,
            owner: false,
            active: Time::ZERO,
        })
    }

    /// Other routers that were Active are news again.
    pub(super) fn forget_actives(&mut self) {
        self.others.iter_mut().flatten().for_each(|about| about.active = Time::ZERO);
    }
}

impl About {
    /// Notes that it is Active at this time; returns when it was before, if it was.
    pub(super) fn is_active(&mut self, at: Time) -> Option<Time> {
        let before = core::mem::replace(&mut self.active, at);
        (before > Time::ZERO).then_some(before)
    }
}
