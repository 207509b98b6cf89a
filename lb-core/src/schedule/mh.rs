//! Maglev hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016).

use siphasher::sip::SipHasher13;

use super::{Flow, Pool, PoolChange, Scheduler, gcd, hash};
use crate::model::{SchedulerFlags, ServerKey};

/// Slots of the table: the kernel's default, `CONFIG_IP_VS_MH_TAB_INDEX` 12.
const SLOTS: u32 = 4093;
/// Weights are scaled down to this many bits, so that the table has room for their ratios.
const WEIGHT_BITS: u32 = 6;
/// Key of the hash that gives a destination its first slot, and a client its slot.
const FIRST: u64 = 2_654_435_761;
/// Key of the hash that gives a destination the distance between its slots.
const SKIP: u64 = 2_654_446_892;

/// `mh`: every destination has its own permutation of the slots; in turns, as many as its weight, they take the
/// next slot of theirs that is free. When one goes its slots are shared out, and few others change hands.
///
/// A destination set to weight 0 keeps its slots, so that nothing moves while it is quiesced. The kernel refuses
/// more destinations than slots; here those beyond the oldest 4093 get no slots, and so no connections.
#[derive(Debug)]
pub(super) struct Maglev {
    flags: SchedulerFlags,
    hasher: SipHasher13,
    /// Last weight above 0 of each destination, by index; 0 when it never had one.
    weights: Vec<u32>,
    /// Index of the destination of each slot; empty when it has to be made anew, or nobody has a weight.
    table: Vec<usize>,
}

/// The way of a destination through the slots.
struct Permutation {
    index: usize,
    next: u32,
    skip: u32,
    turns: u32,
}

impl Maglev {
    pub(super) fn new(flags: SchedulerFlags) -> Self {
        Self { flags, hasher: hasher(FIRST), weights: Vec::new(), table: Vec::new() }
    }

    /// The destination of the slot that the client is hashed to, if it is usable.
    fn probe(&self, pool: &Pool, source: u32) -> Result<usize, u32> {
        let slot = short_hash(&self.hasher, source) % SLOTS;
        let index = self.table[slot as usize];
        if pool.destinations()[index].is_usable() { Ok(index) } else { Err(slot) }
    }
}

impl Scheduler for Maglev {
    /// Tables are made at the next pick, so that many changes in a row cost one table.
    fn changed(&mut self, pool: &Pool, change: PoolChange) {
        match change {
            PoolChange::Added => {
                self.weights.extend(pool.destinations().last().map(|newest| newest.weight()))
            }
            PoolChange::Removed { index, .. } => {
                self.weights.remove(index);
            }
            PoolChange::Edited { index, .. } => {
                let weight = pool.destinations()[index].weight();
                if weight == 0 || weight == self.weights[index] {
                    return;
                }
                self.weights[index] = weight;
            }
        }
        self.table.clear();
    }

    fn pick(&mut self, pool: &Pool, flow: &Flow) -> Option<usize> {
        if self.table.is_empty() {
            self.table = table(pool, &self.weights)?;
        }
        let source = hash::source(flow, self.flags);
        match self.probe(pool, source) {
            Ok(index) => Some(index),
            Err(_) if !self.flags.contains(SchedulerFlags::FALLBACK) => None,
            Err(slot) => (0..SLOTS)
                .map(|offset| source.wrapping_add((offset + slot) % SLOTS))
                .find_map(|source| self.probe(pool, source).ok()),
        }
    }
}

/// Shares out the slots; `None` when nobody has a weight.
fn table(pool: &Pool, weights: &[u32]) -> Option<Vec<usize>> {
    const FREE: usize = usize::MAX;

    let weights = &weights[..weights.len().min(SLOTS as usize)];
    let divisor = weights.iter().fold(0, |divisor, weight| gcd(*weight, divisor));
    let most = weights.iter().max()?.checked_div(divisor)?;
    let shift = (u32::BITS - most.leading_zeros()).saturating_sub(WEIGHT_BITS);

    let (first, skip) = (hasher(FIRST), hasher(SKIP));
    let weighted =
        weights.iter().zip(pool.destinations()).enumerate().filter(|(_, (weight, _))| **weight > 0);
    let mut permutations: Vec<_> = weighted
        .rev()
        .map(|(index, (weight, destination))| {
            let ServerKey { address, port } = destination.key();
            let key = hash::fold(address).wrapping_add(port.into());
            Permutation {
                index,
                next: short_hash(&first, key) % SLOTS,
                skip: short_hash(&skip, key) % (SLOTS - 1) + 1,
                turns: ((weight / divisor) >> shift).max(1),
            }
        })
        .collect();

    let mut table = vec![FREE; SLOTS as usize];
    let mut free = SLOTS;
    loop {
        for permutation in &mut permutations {
            for _ in 0..permutation.turns {
                while table[permutation.next as usize] != FREE {
                    permutation.next = (permutation.next + permutation.skip) % SLOTS;
                }
                table[permutation.next as usize] = permutation.index;
                free -= 1;
                if free == 0 {
                    return Some(table);
                }
            }
        }
    }
}

fn hasher(key: u64) -> SipHasher13 {
    SipHasher13::new_with_keys(key, key)
}

/// The kernel's `hsiphash` of a 32-bit number on 64-bit machines: the low half of SipHash-1-3.
fn short_hash(hasher: &SipHasher13, value: u32) -> u32 {
    hasher.hash(&value.to_le_bytes()) as u32
}
