//! The schedulers that hash an address into a table of 256 buckets: destination and source hashing.

use std::net::IpAddr;

use super::{Flow, Pool, PoolChange, Scheduler};
use crate::model::SchedulerFlags;

/// Buckets of `dh` and `sh`.
const BUCKETS: u32 = 256;

/// `dh`: the virtual address decides, weights only exclude. Bucket `b` belongs to destination `b` of the list,
/// counted around it, so there is no table to keep; only the newest 256 destinations get any connections.
#[derive(Debug)]
pub(super) struct DestinationHash;

impl Scheduler for DestinationHash {
    fn changed(&mut self, _: &Pool, _: PoolChange) {}

    fn pick(&mut self, pool: &Pool, flow: &Flow) -> Option<usize> {
        let bucket = hash_32(fold(flow.destination.ip()), BUCKETS.ilog2()) as usize;
        let place = bucket.checked_rem(pool.len())?;
        Some(pool.len() - 1 - place).filter(|&index| pool.destinations()[index].is_usable())
    }
}

/// `sh`: the client's address decides, and under [`SchedulerFlags::PORT`] its port too. Every destination has as
/// many buckets in a row as its weight, but at least one; the list is gone through until the table is full, so of
/// weights that add up to more than 256 the oldest get none.
#[derive(Debug)]
pub(super) struct SourceHash {
    flags: SchedulerFlags,
    /// Index of the destination of each bucket; empty when it has to be made anew, or there is no destination.
    table: Vec<usize>,
}

impl SourceHash {
    pub(super) const fn new(flags: SchedulerFlags) -> Self {
        Self { flags, table: Vec::new() }
    }
}

impl Scheduler for SourceHash {
    /// Tables are made at the next pick, so that many changes in a row cost one table.
    fn changed(&mut self, _: &Pool, _: PoolChange) {
        self.table.clear();
    }

    fn pick(&mut self, pool: &Pool, flow: &Flow) -> Option<usize> {
        if pool.is_empty() {
            return None;
        }
        if self.table.is_empty() {
            let shares = pool.newest_first().map(|(index, destination)| (index, destination.weight().max(1)));
            let buckets =
                shares.cycle().flat_map(|(index, share)| std::iter::repeat_n(index, share as usize));
            self.table.extend(buckets.take(BUCKETS as usize));
        }
        let hash = hash_32(source(flow, self.flags), BUCKETS.ilog2());
        let usable = |bucket: u32| {
            let index = self.table[(bucket % BUCKETS) as usize];
            pool.destinations()[index].is_usable().then_some(index)
        };
        let mut picked = usable(hash);
        if picked.is_none() && self.flags.contains(SchedulerFlags::FALLBACK) {
            // The kernel adds the hash twice; the order of the buckets is part of what clients see.
            picked = (0..BUCKETS).find_map(|offset| usable(hash + (offset + hash) % BUCKETS));
        }
        picked
    }
}

/// What `sh` and `mh` hash of the client.
pub(super) fn source(flow: &Flow, flags: SchedulerFlags) -> u32 {
    let port = if flags.contains(SchedulerFlags::PORT) { flow.source.port() } else { 0 };
    fold(flow.source.ip()).wrapping_add(port.into())
}

/// An address as 32 bits: an IPv6 address is the exclusive or of its four words.
pub(super) fn fold(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            (0..4).fold(0, |folded, word| folded ^ (bits >> (32 * word)) as u32)
        }
    }
}

/// The kernel's `hash_32`: multiplicative hashing by 2^32 / φ, of which the high `bits` (1 to 32) remain.
pub(super) const fn hash_32(value: u32, bits: u32) -> u32 {
    value.wrapping_mul(0x61c8_8647) >> (32 - bits)
}
