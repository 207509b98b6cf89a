//! What the control side and all worker threads of a relay have in common.

use std::sync::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Relaxed},
};

use lb_core::Time;
use rustix::{
    fd::BorrowedFd,
    process::{Resource, Rlimit, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};
use tracing::{info, warn};

use super::{config::RelayConfig, places::reopen_at, service::Service, shortage::Shortage};

/// Descriptors that are left to the rest of the process: its log, its control socket, its health checks.
const RESERVED_DESCRIPTORS: u64 = 256;

/// Pipes take at most this part of the descriptors.
const PIPE_SHARE: u64 = 32;

/// Most pipes of one thread: with 256 KiB each they pin at most 64 MiB.
const MAX_PIPES: u64 = 256;

/// Configuration and limits.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: RelayConfig,
    pub(crate) limits: Limits,
    /// Pipes that one thread may own.
    pub(crate) pipes_per_thread: usize,
}

/// What a worker hands to whatever runs on its thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) shared: &'a Shared,
    /// The worker's epoll instance; its tokens are made by [`Token`](super::token::Token).
    pub(crate) epoll: BorrowedFd<'a>,
    /// Read once per round of events, to a few milliseconds.
    pub(crate) now: Time,
}

/// Counts connections and sessions against what the process can carry.
#[derive(Debug)]
pub(crate) struct Limits {
    max: u32,
    open: AtomicU32,
    /// How many services there are.
    services: AtomicU32,
    shortage: Shortage,
}

/// Whose limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// That of the service.
    Service,
    /// That of the relay, or the part of it that a service may have beyond its share.
    Relay,
}

impl Shared {
    pub(crate) fn new(config: RelayConfig, threads: usize) -> Self {
        let descriptors = raise_descriptor_limit();
        let threads = threads as u64;
        let pipes = (descriptors / (2 * PIPE_SHARE) / threads).min(MAX_PIPES);
        let spare = descriptors.saturating_sub(RESERVED_DESCRIPTORS + 2 * pipes * threads);
        // Two descriptors for each TCP connection.
        let possible = u32::try_from(spare / 2).unwrap_or(u32::MAX).max(1);
        let max = match config.max_connections {
            Some(wanted) if wanted > possible => {
                warn!(
                    "relay: {wanted} connections need more than the {descriptors} descriptors that this process may \
                     open; limited to {possible}: raise LimitNOFILE or `ulimit -Hn`"
                );
                possible
            }
            wanted => wanted.unwrap_or(possible),
        };
        Self { config, limits: Limits::new(max), pipes_per_thread: pipes as usize }
    }
}

impl Limits {
    fn new(max: u32) -> Self {
        Self { max, open: AtomicU32::new(0), services: AtomicU32::new(0), shortage: Shortage::default() }
    }

    /// Takes a place for a connection or session of a service. Says so once each time that a limit is reached.
    pub(crate) fn acquire(&self, service: &Service, now: Time) -> Result<(), Full> {
        let own = service.places().acquire(&service.key(), now).ok_or(Full::Service)?;
        let bound = if own < self.share() { self.max } else { self.max - self.reserve() };
        let taken = self.open.try_update(AcqRel, Relaxed, |open| (open < bound).then_some(open + 1));
        if taken.is_err() {
            service.places().release(&service.key());
            self.report_full("connections", now);
            return Err(Full::Relay);
        }
        Ok(())
    }

    /// Gives a place of a service back.
    pub(crate) fn release(&self, service: &Service) {
        service.places().release(&service.key());
        let before = self.open.fetch_sub(1, AcqRel);
        if before <= reopen_at(self.max) {
            self.shortage.end(|| info!("relay: accepts connections again ({} are open)", before - 1));
        }
    }

    /// The limit is reached: of connections here, or of what the system gives.
    pub(crate) fn report_full(&self, what: &str, now: Time) {
        self.shortage.begin(now, |before| {
            warn!(
                "relay: out of {what} with {} of at most {} connections open: new ones wait in the listen queues until some end{before}",
                self.open(),
                self.max
            );
        });
    }

    /// Notes how many services there are.
    pub(crate) fn set_services(&self, count: usize) {
        self.services.store(u32::try_from(count).unwrap_or(u32::MAX), Relaxed);
    }

    /// Places that are kept for services which have less than their share. A single service needs no protection.
    fn reserve(&self) -> u32 {
        if self.services.load(Relaxed) > 1 { self.max / 4 } else { 0 }
    }

    /// Places that a service always gets, whatever others do.
    fn share(&self) -> u32 {
        (self.reserve() / self.services.load(Relaxed).max(1)).max(1)
    }

    pub(crate) fn open(&self) -> u32 {
        self.open.load(Relaxed)
    }

    pub(crate) const fn max(&self) -> u32 {
        self.max
    }

    /// How often the limit was reached.
    pub(crate) fn times_full(&self) -> u64 {
        self.shortage.times()
    }
}

/// Nanoseconds since boot by the clock that costs no system call.
pub(crate) fn now() -> Time {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    Time::from_nanos((now.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(now.tv_nsec as u64))
}

/// Raises the soft limit of open files to the hard one and returns what holds now.
fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            warn!("relay: the limit of open files cannot be raised to {:?}: {error}", limit.maximum);
            limit.current
        }
    }
    .unwrap_or(1 << 20)
}
