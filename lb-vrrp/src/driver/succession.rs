//! What a successor is to know when the process is replaced, and what is said for it when there is none.

use super::{
    control::{Resignation, Snapshot},
    members::{Member, seal},
    platform::Platform,
    run::Driver,
};
use crate::Transmit;

/// How far ahead of what was sent the sequence numbers of resignations are.
const RESERVE: u32 = 1 << 20;
/// How far ahead a successor of a driver that goes on starts: above the resignations that are made in the time in which
/// those of now are good.
pub(super) const AHEAD: u32 = 2 * RESERVE;

impl<P: Platform> Driver<P> {
    /// Goes on where another process left off: instances of the same name and configuration keep their state. Give it
    /// after the instances were added and before the driver runs. What a snapshot says of others is ignored.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        for id in self.members.ids() {
            if let Some(member) = self.members.get_mut(id) {
                member.restore = snapshot.instances.get(&*member.name).cloned().map(Box::new);
                if let (Some(guard), Some(sequence)) =
                    (&mut member.guard, snapshot.sequences.get(&*member.name))
                {
                    guard.resume(*sequence);
                }
            }
        }
    }

    /// What is to be remembered of these instances, with sequence numbers so far ahead.
    pub(super) fn snapshot(&self, ids: &[usize], ahead: u32) -> Snapshot {
        let now = self.platform.now();
        let mut snapshot = Snapshot::default();
        for member in ids.iter().filter_map(|id| self.members.get(*id)) {
            let name = &member.instance.name;
            let router = member.key.and_then(|key| self.endpoint.router(key)).or(member.parked.as_deref());
            snapshot.instances.extend(router.map(|router| (name.clone(), router.snapshot(now))));
            let sequence = member.guard.as_ref().map(|guard| guard.sequence().wrapping_add(ahead));
            snapshot.sequences.extend(sequence.map(|sequence| (name.clone(), sequence)));
        }
        snapshot
    }

    /// What to say for those of these instances that are Active, when this process is dead.
    pub(super) fn resignations(&self, ids: &[usize]) -> Vec<Resignation> {
        let members = ids.iter().filter_map(|id| self.members.get(*id));
        members.flat_map(|member| self.resignations_of(member)).collect()
    }

    fn resignations_of(&self, member: &Member) -> Vec<Resignation> {
        let router = member.key.and_then(|key| Some((key.interface, self.endpoint.router(key)?)));
        let Some((interface, router)) = router else { return Vec::new() };
        let (instance, source) = (&member.instance, router.source());
        let made = router.resignations().into_iter().map(|(destination, payload)| Resignation {
            instance: instance.name.clone(),
            interface,
            mac: instance.advertises_from(destination),
            source,
            destination,
            ttl: if destination.is_multicast() { 255 } else { instance.unicast_ttl },
            sealed: false,
            payload,
        });
        let Some(guard) = &member.guard else { return made.collect() };
        let mut guard = guard.clone();
        guard.resume(guard.sequence().wrapping_add(RESERVE));
        let made: Vec<Resignation> = made.collect();
        let sealed = [&made, &made].into_iter().flatten().map(|one| {
            let (mut payload, destination) = (Vec::new(), one.destination);
            seal(&mut guard, Transmit { source, destination, payload: &one.payload }, &mut payload);
            Resignation { sealed: true, payload, ..one.clone() }
        });
        sealed.collect()
    }
}
