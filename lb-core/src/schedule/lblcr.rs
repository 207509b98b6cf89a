//! Locality-based least connections with replication.

use super::{
    Flow, Pool, PoolChange, Scheduler,
    least::{least_weighted, most_weighted},
    locality::{Cache, EXPIRATION, is_overrun},
};
use crate::{Time, model::ServerKey};

/// `lblcr`: a virtual address has a set of destinations, of which `wlc` chooses. When that one is overrun, `wlc`
/// chooses of all, and the set grows; when it has not changed for a day, it loses its most loaded member.
///
/// As in the kernel, members that are removed stay in the set and count again when they are added again. Unlike
/// there, they are left out when the most loaded one is sought, and forgotten when the set would have more members
/// than the pool, and more than 64.
#[derive(Debug, Default)]
pub(super) struct Replicated {
    sets: Cache<Replicas>,
}

/// So many members are remembered whether they are in the pool or not.
const REMEMBERED: usize = 64;

#[derive(Debug)]
struct Replicas {
    /// Oldest first.
    servers: Vec<ServerKey>,
    changed: Time,
}

impl Replicas {
    /// Those that are in the pool, newest in the set first.
    fn positions(&self, pool: &Pool) -> impl Iterator<Item = usize> {
        self.servers.iter().rev().filter_map(|server| pool.position(server))
    }

    fn add(&mut self, server: ServerKey, pool: &Pool, now: Time) {
        if self.servers.contains(&server) {
            return;
        }
        if self.servers.len() >= pool.len().max(REMEMBERED) {
            self.servers.retain(|server| pool.position(server).is_some());
        }
        self.servers.push(server);
        self.changed = now;
    }

    /// Drops the most loaded member when the set has been the same for long.
    fn shrink(&mut self, pool: &Pool, now: Time) {
        if self.servers.len() < 2 || now.since(self.changed) <= EXPIRATION {
            return;
        }
        let members = self.positions(pool).map(|index| (index, &pool.destinations()[index]));
        let most = most_weighted(members.filter(|(_, destination)| destination.weight() > 0));
        if let Some(most) = most.map(|index| pool.destinations()[index].key()) {
            self.servers.retain(|server| *server != most);
            self.changed = now;
        }
    }
}

impl Scheduler for Replicated {
    fn changed(&mut self, _: &Pool, _: PoolChange) {}

    fn pick(&mut self, pool: &Pool, flow: &Flow) -> Option<usize> {
        let (address, now) = (flow.destination.ip(), flow.now);
        let least = || least_weighted(pool.newest_first().filter(|(_, destination)| destination.is_usable()));
        let Some(set) = self.sets.recall(address, now) else {
            let index = least()?;
            let servers = vec![pool.destinations()[index].key()];
            self.sets.remember(address, Replicas { servers, changed: now }, now);
            return Some(index);
        };
        let members = set.positions(pool).map(|index| (index, &pool.destinations()[index]));
        let member = least_weighted(members.filter(|(_, destination)| destination.is_usable()));
        set.shrink(pool, now);
        member.filter(|index| !is_overrun(&pool.destinations()[*index], pool)).or_else(|| {
            let index = least()?;
            set.add(pool.destinations()[index].key(), pool, now);
            Some(index)
        })
    }
}
