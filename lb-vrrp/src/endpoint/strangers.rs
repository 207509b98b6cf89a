use alloc::collections::{BTreeMap, VecDeque};

use super::{EndpointStats, RouterKey};
use crate::{
    Datagram, Event, Family,
    accept::DropReason,
    wire::{Advert, DecodeError},
};

/// So many links are remembered; then all are forgotten, and told of once more.
const LINKS: usize = 1024;
/// So many events wait to be drained; what comes then is counted only.
const EVENTS: usize = 256;

/// Messages for virtual routers that are not here.
#[derive(Clone, Debug, Default)]
pub(super) struct Strangers {
    /// Which identifiers were told of, a bit each.
    told: BTreeMap<(u32, Family), [u64; 4]>,
    events: VecDeque<(RouterKey, Event)>,
}

impl Strangers {
    /// Counts a message in the order of RFC 9568 §7.1: only what is without fault has a wrong identifier.
    pub(super) fn receive(&mut self, stats: &mut EndpointStats, interface: u32, datagram: &Datagram<'_>) {
        let counter = match Advert::decode(datagram.payload, &datagram.envelope) {
            Ok((advert, _)) => {
                let source = datagram.envelope.source;
                let key = RouterKey { interface, family: Family::of(source), vrid: advert.vrid };
                if self.is_new(key) && self.events.len() < EVENTS {
                    let reason = DropReason::Vrid(advert.vrid.get());
                    self.events.push_back((key, Event::Dropped { source, reason }));
                }
                &mut stats.vrid_errors
            }
            Err(DecodeError::ZeroVrid) => &mut stats.vrid_errors,
            Err(DecodeError::Version(_)) => &mut stats.version_errors,
            Err(DecodeError::Checksum(_)) => &mut stats.checksum_errors,
            Err(_) => &mut stats.malformed,
        };
        *counter += 1;
    }

    pub(super) fn poll_event(&mut self) -> Option<(RouterKey, Event)> {
        self.events.pop_front()
    }

    pub(super) fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    fn is_new(&mut self, key: RouterKey) -> bool {
        let link = (key.interface, key.family);
        if self.told.len() >= LINKS && !self.told.contains_key(&link) {
            self.told.clear();
        }
        let vrid = usize::from(key.vrid.get());
        let (word, bit) = (vrid / 64, 1 << (vrid % 64));
        let bits = &mut self.told.entry(link).or_default()[word];
        let new = *bits & bit == 0;
        *bits |= bit;
        new
    }
}
