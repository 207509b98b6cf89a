//! The kernel's connection schedulers, pick by pick: `rr`, `wrr`, `lc`, `wlc`, `lblc`, `lblcr`, `dh`, `sh`,
//! `sed`, `nq`, `fo`, `ovf`, `mh` and `twos`.
//!
//! A [`Balancer`] is what a data plane keeps for each virtual service: a [`Pool`] of destinations and the
//! [`Scheduler`] that chooses among them, changed together. Connection counts live in [`Load`]s that may be shared
//! with other threads; everything else is single-threaded and deterministic.
//!
//! "As the kernel" means Linux 6.1, whose recorded picks are among the tests. Where the kernel has no answer to give
//! or no bound, this is what happens here:
//! - `mh` gives slots to the oldest 4093 destinations only; the kernel refuses to add more.
//! - `lblc` and `lblcr` remember at most 24,576 addresses; what comes beyond is scheduled anew each time. Their clock
//!   is [`Flow::now`], and they look for what to forget when they are asked for a pick.
//! - `lblcr` does not count members of a set that have been removed when it drops the most loaded one.
//! - `twos` draws from a seeded generator.
//!
//! ```
//! use lb_core::{Time, model::*, schedule::{Balancer, Flow}};
//!
//! let mut balancer = Balancer::new(&SchedulerKind::WeightedRoundRobin, SchedulerFlags::EMPTY, 0).ok_or("unknown")?;
//! balancer.set("192.168.0.1:80".parse()?, ServerSpec::masq(Weight::new(1)), None);
//! balancer.set("192.168.0.2:80".parse()?, ServerSpec::masq(Weight::new(2)), None);
//!
//! let flow = Flow { source: "10.0.0.2:1024".parse()?, destination: "10.0.0.1:80".parse()?, now: Time::ZERO };
//! let mut picks = Vec::new();
//! for _ in 0..5 {
//!     let server = balancer.pick(&flow).ok_or("no server is usable")?;
//!     server.load().open(true);
//!     picks.push(server.key().to_string());
//! }
//! let (one, two) = ("192.168.0.1:80", "192.168.0.2:80");
//! assert_eq!(picks, [two, one, two, two, one]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod balancer;
mod hash;
mod heaviest;
mod lblc;
mod lblcr;
mod least;
mod load;
mod locality;
mod mh;
mod pool;
mod rr;
mod twos;
mod wrr;

#[cfg(test)]
mod tests;

pub use balancer::Balancer;
pub use load::Load;
pub use pool::{Destination, Pool, PoolChange};

use std::net::SocketAddr;

use crate::{
    Time,
    model::{SchedulerFlags, SchedulerKind},
};

/// What a scheduler may look at of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Client.
    pub source: SocketAddr,
    /// Virtual address and port that the client asked for.
    pub destination: SocketAddr,
    /// When; only `lblc` and `lblcr` use it, to forget.
    pub now: Time,
}

/// Chooses the server of a new connection.
///
/// Contract: after every change of the pool `changed` is called once, before the next `pick`. A destination of
/// weight 0 or over its threshold is never picked (but `lblc` lets an address keep a server that is over); no
/// candidate is `None`.
pub trait Scheduler: Send + std::fmt::Debug {
    /// The pool has changed as `change` says.
    fn changed(&mut self, pool: &Pool, change: PoolChange);

    /// Index in `pool` of the destination for this flow.
    fn pick(&mut self, pool: &Pool, flow: &Flow) -> Option<usize>;
}

/// The scheduler of this kind; `None` when it is not one of [`SchedulerKind::KNOWN`].
pub(crate) fn scheduler(
    kind: &SchedulerKind,
    flags: SchedulerFlags,
    seed: u64,
) -> Option<Box<dyn Scheduler>> {
    Some(match kind {
        SchedulerKind::RoundRobin => Box::new(rr::RoundRobin::default()),
        SchedulerKind::WeightedRoundRobin => Box::new(wrr::WeightedRoundRobin::default()),
        SchedulerKind::LeastConnection => Box::new(least::Least::Connections),
        SchedulerKind::WeightedLeastConnection => Box::new(least::Least::WeightedConnections),
        SchedulerKind::ShortestExpectedDelay => Box::new(least::Least::ExpectedDelay),
        SchedulerKind::NeverQueue => Box::new(least::Least::NeverQueue),
        SchedulerKind::Failover => Box::new(heaviest::Heaviest::Failover),
        SchedulerKind::Overflow => Box::new(heaviest::Heaviest::Overflow),
        SchedulerKind::DestinationHash => Box::new(hash::DestinationHash),
        SchedulerKind::SourceHash => Box::new(hash::SourceHash::new(flags)),
        SchedulerKind::Maglev => Box::new(mh::Maglev::new(flags)),
        SchedulerKind::LocalityLeastConnection => Box::new(lblc::Locality::default()),
        SchedulerKind::LocalityReplicated => Box::new(lblcr::Replicated::default()),
        SchedulerKind::TwoChoices => Box::new(twos::TwoChoices::new(seed)),
        SchedulerKind::Other(_) => return None,
    })
}

/// The greatest common divisor; that of a number and 0 is the number.
const fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
