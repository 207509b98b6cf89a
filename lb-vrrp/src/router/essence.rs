//! What a model checker needs to know: when two routers are in the same situation.

use core::{net::IpAddr, time::Duration};

use super::{Cause, Dual, Peer, Preempt, State, VirtualRouter};
use crate::{Interval, Priority, Time, wire::ChecksumForm};

/// What the further states, messages and deadlines of a virtual router depend on besides its configuration, seen from a
/// point in time: [`VirtualRouter::essence`].
///
/// Two routers of the same configuration with the same essence do the same from then on, given the same. Left out is
/// what is counted, what was told or announced already, and what is sealed by a trailer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Essence {
    source: IpAddr,
    state: State,
    priority: Priority,
    checksum: ChecksumForm,
    held: bool,
    handing_over: bool,
    muted: bool,
    /// Nanoseconds from now on.
    lingers: Option<i128>,
    part: Option<Part>,
}

/// What counts while a router takes part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Part {
    interval: Interval,
    /// Nanoseconds from now on; negative when it has passed.
    deadline: i128,
    pending: Cause,
    /// Whom it is about to preempt: what it heard last, and how long ago.
    preempted: Option<(IpAddr, Priority, Interval, Duration)>,
    ready: Option<Cause>,
    active: Option<Peer>,
    /// How long lower priorities only were heard, up to where it makes a difference.
    lower: Option<Duration>,
    /// How long ago an Active router advertised. Who becomes Active advertises.
    sent: Option<Duration>,
    heard_v3: Option<(IpAddr, Duration, Duration)>,
    heard_v2: Option<Duration>,
}

impl VirtualRouter {
    /// What counts of this router from now on, for the exploration of all that can happen. Its outputs have been
    /// drained.
    pub fn essence(&self, now: Time) -> Essence {
        let relative = |time: Time| i128::from(time.as_nanos()) - i128::from(now.as_nanos());
        let age = |time: Time| now.since(time);
        let Dual { v3, v2, .. } = self.dual.as_deref().copied().unwrap_or_default();
        Essence {
            source: self.source,
            state: self.state,
            priority: self.priority,
            checksum: self.checksum,
            held: self.held,
            handing_over: self.handing_over,
            muted: self.is_muted(),
            lingers: self.lingers.map(relative),
            part: self.deadline.map(|deadline| Part {
                interval: self.interval,
                deadline: relative(deadline),
                // An Active router only needs it to tell, or not, that another one is Active.
                pending: if self.state == State::Backup { self.pending } else { Cause::Silence },
                preempted: self
                    .heard
                    .filter(|_| self.state == State::Backup && matches!(self.pending, Cause::Preempts(_)))
                    .map(|heard| (heard.source, heard.priority, heard.interval, age(heard.at))),
                ready: self.ready,
                active: self.active,
                lower: self.lower_since.map(|since| match self.config.preempt {
                    Preempt::After(delay) => age(since).min(delay),
                    Preempt::Yes | Preempt::No => Duration::ZERO,
                }),
                sent: self.last_sent.filter(|_| self.state == State::Active).map(age),
                heard_v3: v3.map(|(source, since, until)| (source, age(since), age(until))),
                heard_v2: v2.map(age),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::{Config, Input, Vrid};

    /// A router that was started at this time, a second ago.
    fn started(at: Time, priority: u8) -> (VirtualRouter, Time) {
        let builder = Config::v3(Vrid::new(1).unwrap(), [IpAddr::from([192, 0, 2, 100])]);
        let config = builder.priority(Priority::new(priority).unwrap()).build().unwrap();
        let mut router = VirtualRouter::new(config, IpAddr::from([192, 0, 2, 1])).unwrap();
        router.handle_input(at, Input::Startup);
        while router.poll_output().is_some() {}
        (router, at + Duration::from_secs(1))
    }

    #[test]
    fn the_same_situation_at_another_time_is_the_same() {
        for priority in [100, 255] {
            let essences: Vec<Essence> = [0, 7, 1_000_000]
                .map(|secs| started(Time::from_secs(secs), priority))
                .map(|(router, now)| router.essence(now))
                .into();
            assert!(essences.windows(2).all(|two| two[0] == two[1]));
            let (router, now) = started(Time::ZERO, priority);
            assert_ne!(router.essence(now + Duration::from_nanos(1)), essences[0], "less time is left");
        }
    }

    #[test]
    fn what_a_router_will_do_counts() {
        let (mut router, now) = started(Time::ZERO, 100);
        let before = router.essence(now);
        router.handle_input(now, Input::Announce);
        assert_eq!(router.essence(now), before, "nothing of a Backup changes");
        router.handle_input(now, Input::Priority(Priority::new(101).unwrap()));
        assert_ne!(router.essence(now), before);
    }
}
