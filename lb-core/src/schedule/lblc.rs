//! Locality-based least connections.

use super::{
    Flow, Pool, PoolChange, Scheduler,
    least::least_weighted,
    locality::{Cache, is_overrun},
};
use crate::model::ServerKey;

/// `lblc`: a virtual address keeps its destination until that is overrun, quiesced or gone; then `wlc` finds it
/// another. Made for clusters of caches, where requests for one address should meet the same cache.
///
/// As in the kernel the thresholds are not looked at while an address keeps its destination, which may so get
/// connections above its upper threshold; and a destination that is removed and added again keeps its addresses.
#[derive(Debug, Default)]
pub(super) struct Locality {
    servers: Cache<ServerKey>,
}

impl Scheduler for Locality {
    fn changed(&mut self, _: &Pool, _: PoolChange) {}

    fn pick(&mut self, pool: &Pool, flow: &Flow) -> Option<usize> {
        let address = flow.destination.ip();
        let kept = self.servers.recall(address, flow.now).and_then(|server| pool.position(server));
        let fits = |index: &usize| {
            let destination = &pool.destinations()[*index];
            destination.weight() > 0 && !is_overrun(destination, pool)
        };
        kept.filter(fits).or_else(|| {
            let usable = pool.newest_first().filter(|(_, destination)| destination.is_usable());
            let index = least_weighted(usable)?;
            self.servers.remember(address, pool.destinations()[index].key(), flow.now);
            Some(index)
        })
    }
}
