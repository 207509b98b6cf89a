//! To go on after the process was replaced, without a failover.

use alloc::sync::Arc;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{
    Action, AnnounceReason, Cause, Config, ConfigError, Event, Heard, Peer, RouterStats, State, VirtualRouter,
};
use crate::{Family, Interval, Priority, Time, VersionMode, Vrid, wire::ChecksumForm};

/// What a virtual router is to remember when its process is replaced.
///
/// Its times are on the base of the `now` that it was taken with, which has to go on in the next process, as
/// `CLOCK_BOOTTIME` does until the machine is started afresh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    taken: Time,
    vrid: Vrid,
    family: Family,
    state: State,
    priority: Priority,
    interval: Interval,
    deadline: Option<Time>,
    last_sent: Option<Time>,
    active: Option<Peer>,
    lower_since: Option<Time>,
    /// Why a Backup will become Active.
    #[serde(default)]
    pending: Option<Cause>,
    #[serde(default)]
    heard: Option<Heard>,
    /// Whether it left Active since none of its advertisements could be sent.
    #[serde(default)]
    muted: bool,
    checksum: ChecksumForm,
    stats: RouterStats,
}

impl Snapshot {
    /// The state that the router was in.
    pub fn state(&self) -> State {
        self.state
    }

    /// The router went on as it was until then, though nobody took another snapshot: it was Active, and its process
    /// died at that time.
    pub fn extend(&mut self, until: Time) {
        if self.state == State::Active && until > self.taken {
            // The last advertisement is an interval old at the most.
            self.last_sent = self.last_sent.max(Some(until.earlier(self.interval.duration())));
            self.deadline = Some(until);
            self.taken = until;
        }
    }
}

impl VirtualRouter {
    /// What is to be remembered.
    pub fn snapshot(&self, now: Time) -> Snapshot {
        Snapshot {
            taken: now,
            vrid: self.config.vrid,
            family: self.config.family(),
            state: self.state,
            priority: self.priority,
            interval: self.interval,
            deadline: self.deadline,
            last_sent: self.last_sent,
            active: self.active,
            lower_since: self.lower_since,
            pending: (self.state == State::Backup).then_some(self.pending),
            heard: self.heard,
            muted: self.is_muted(),
            checksum: self.checksum,
            stats: self.stats,
        }
    }

    /// A router that goes on where another process left off. An Active one advertises at once and stays Active, if the
    /// others can not have taken over meanwhile; else it becomes Backup and listens. A snapshot of another virtual
    /// router, or of a time that is yet to come (the machine was started afresh), is worth nothing: the router is in
    /// state Initialize then.
    ///
    /// Drain [`poll_output`](Self::poll_output) afterwards, then give [`Input::Startup`](super::Input::Startup) as
    /// always: it does nothing to a router that takes part.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn restore(
        config: impl Into<Arc<Config>>,
        source: IpAddr,
        snapshot: &Snapshot,
        now: Time,
    ) -> Result<Self, ConfigError> {
        let mut router = Self::new(config, source)?;
        let same = (snapshot.vrid, snapshot.family) == (router.config.vrid, router.config.family());
        if !same || snapshot.taken > now || snapshot.state == State::Initialize {
            return Ok(router);
        }
        router.stats = snapshot.stats;
        router.heard = snapshot.heard;
        if snapshot.muted {
            router.mute();
        }
        router.checksum = match router.config.checksum {
            super::ChecksumPolicy::Auto => snapshot.checksum,
            _ => router.checksum,
        };
        if !router.priority.is_owner() && !snapshot.priority.is_owner() {
            router.priority = snapshot.priority;
        }
        match snapshot.state {
            State::Initialize => {}
            State::Active => router.restore_active(snapshot, now),
            State::Backup => {
                router.state = State::Backup;
                // An interval that was learned; else the configured one counts, which may be new.
                if snapshot.active.is_some() && router.config.version != VersionMode::V2 {
                    router.interval = snapshot.interval;
                }
                router.active = snapshot.active;
                router.lower_since = snapshot.lower_since;
                let latest = now + router.down_interval();
                let missed = now.since(snapshot.taken) > router.down_interval();
                router.deadline = match snapshot.deadline {
                    Some(deadline) if !missed => {
                        router.pending = snapshot.pending.unwrap_or(Cause::Silence);
                        Some(deadline.min(latest))
                    }
                    _ => Some(latest),
                };
                router.reconsider_preemption();
                if router.priority.is_owner() {
                    router.claim(now, Cause::Owner);
                }
            }
        }
        Ok(router)
    }

    fn restore_active(&mut self, snapshot: &Snapshot, now: Time) {
        self.state = State::Active;
        let taken_over = snapshot.last_sent.is_none_or(|sent| now.since(sent) >= self.silence());
        if taken_over && !self.priority.is_owner() {
            self.event(Event::Late { by: now.since(snapshot.deadline.unwrap_or(now)) });
            // Its addresses are where they were. If nobody took over after all, they are not missed.
            self.stats.released += 1;
            self.find(now);
            if !self.lingers() {
                self.remove();
            }
            self.deadline = Some(now + self.down_interval());
            return self.change_state(now, State::Backup, Cause::Stalled);
        }
        self.advertise(now, false);
        self.queue.push_back(Action::Install);
        self.announce(now, AnnounceReason::Restored);
        self.deadline = Some(now + self.config.interval.duration());
    }
}
