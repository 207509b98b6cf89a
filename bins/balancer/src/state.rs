//! What is known and decided: pure, so that every sequence of checks, orders and reloads can be tested.

use std::collections::{BTreeMap, BTreeSet};

use lb_core::{
    Desired, Event, Health, HealthView, Overrides, Time,
    desired::{self, Policy, ServerState},
    event::{Cause, Subject, What},
    model::{ServerKey, ServerSpec, ServiceKey, ServiceTable, Weight},
    overrides::Override,
};

/// A real server in a virtual service.
pub type Place = (ServiceKey, ServerKey);

/// Policy, health and orders, and what follows from them. A copy shows what would follow from something else.
#[derive(Clone, Debug, Default)]
pub struct State {
    policy: Policy,
    health: HealthView,
    overrides: Overrides,
    desired: Desired,
    /// Since when each server is what it is, and why.
    records: BTreeMap<Place, Record>,
    /// Services that had only unchecked servers to offer when [`State::stop_waiting`] was called last.
    waiting: BTreeSet<ServiceKey>,
}

/// Since when a server is what it is, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Since when.
    pub since: Time,
    /// Why.
    pub cause: Cause,
    /// No check had ended then: what the check has seen since is a better cause.
    pub assumed: bool,
}

impl State {
    /// What the configuration says.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What the data plane should hold, and why.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// What the operator has said.
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// What the checks have found.
    pub fn health(&self) -> &HealthView {
        &self.health
    }

    /// Since when a server is what it is, and why.
    pub fn record(&self, place: &Place) -> Option<&Record> {
        self.records.get(place)
    }

    /// Puts another configuration in force. Health is kept for every server that the new one names too, so that
    /// nothing flaps: what is up stays up until a check says otherwise.
    pub fn configure(&mut self, policy: Policy, now: Time, source: &str) -> Vec<Event> {
        self.policy = policy;
        let policy = &self.policy;
        let named = |service: &ServiceKey, server: &ServerKey| {
            policy.get(service).is_some_and(|service| service.servers.contains_key(server))
        };
        self.health.retain(named);
        self.decide(now, &Cause::Configuration(source.to_owned()))
    }

    /// Takes over a table that is in the data plane already: its servers with weight are up until a check
    /// says otherwise, those without stay as they are, and so does a fallback that answers. So nobody's connections
    /// move because the daemon starts, and who leaves the table nevertheless is told.
    pub fn adopt(&mut self, table: &ServiceTable, now: Time) -> Vec<Event> {
        for (service, policy) in &self.policy {
            let Some(held) = table.services.get(service) else { continue };
            let in_use =
                |server: &ServerKey| held.servers.get(server).is_some_and(|spec| !spec.weight.is_zero());
            for server in policy.servers.keys() {
                if in_use(server) && self.health.of(service, server) == Health::Unknown {
                    self.health.set(*service, *server, Health::Up);
                }
            }
            self.desired.table.services.insert(*service, held.clone());
            let fallback = policy.fallback.map(|fallback| fallback.server).filter(in_use);
            if let Some(fallback) = fallback.filter(|server| !policy.servers.contains_key(server)) {
                let decision = self.desired.decisions.entry(*service).or_default();
                (decision.quorum, decision.fallback) = (Some(false), Some(fallback));
            }
        }
        self.decide_by(now, &Cause::DataPlane("found in use".to_owned()), true)
    }

    /// A check has come to a conclusion about some servers.
    pub fn checked(&mut self, places: &[Place], health: Health, seen: &str, now: Time) -> Vec<Event> {
        self.learn(places.iter().map(|place| (*place, health)), seen, now)
    }

    /// Something is known of servers otherwise than by one check.
    pub fn learn(
        &mut self,
        known: impl IntoIterator<Item = (Place, Health)>,
        how: &str,
        now: Time,
    ) -> Vec<Event> {
        if self.set_health(known) { self.decide(now, &Cause::Check(how.to_owned())) } else { Vec::new() }
    }

    /// As [`Self::learn`] where no check has ended yet.
    pub fn assume(&mut self, known: impl IntoIterator<Item = (Place, Health)>, now: Time) -> Vec<Event> {
        let cause = Cause::Check("assumed until a check has ended".to_owned());
        if self.set_health(known) { self.decide_by(now, &cause, true) } else { Vec::new() }
    }

    /// Returns whether something is new.
    fn set_health(&mut self, known: impl IntoIterator<Item = (Place, Health)>) -> bool {
        let set = |changed, ((service, server), health)| {
            self.health.set(service, server, health) != health || changed
        };
        known.into_iter().fold(false, set)
    }

    /// Puts the fallback into the services that had only unchecked servers to offer when this was called last, and still
    /// do: clients need not wait for checks that take long to fail.
    pub fn stop_waiting(&mut self, now: Time) -> Vec<Event> {
        let has_nobody = |service: &ServiceKey| {
            let decision = self.desired.decisions.get(service);
            decision.is_some_and(|decision| {
                let is = |wanted| decision.servers.values().any(|state| *state == wanted);
                decision.fallback.is_none() && is(ServerState::Unchecked) && !is(ServerState::Active)
            })
        };
        let waiting: BTreeSet<ServiceKey> = self
            .policy
            .iter()
            .filter(|(service, policy)| policy.fallback.is_some() && has_nobody(service))
            .map(|(service, _)| *service)
            .collect();
        let before = std::mem::replace(&mut self.waiting, waiting);
        let mut late = self.waiting.intersection(&before).peekable();
        if late.peek().is_none() {
            return Vec::new();
        }
        for service in late {
            if let Some(decision) = self.desired.decisions.get_mut(service) {
                decision.quorum = Some(false);
            }
        }
        self.decide(now, &Cause::Quorum)
    }

    /// Servers have another weight from now on, because a check says so.
    pub fn weigh(&mut self, weights: &[(Place, Weight)], seen: &str, now: Time) -> Vec<Event> {
        let mut changed = false;
        for ((service, server), weight) in weights {
            let servers = self.policy.get_mut(service).map(|service| &mut service.servers);
            if let Some(entry) = servers.and_then(|servers| servers.get_mut(server)) {
                changed |= entry.spec.weight != *weight;
                entry.spec.weight = *weight;
            }
        }
        if changed { self.decide(now, &Cause::Check(seen.to_owned())) } else { Vec::new() }
    }

    /// Orders that are in force from before the first configuration.
    pub fn restore(&mut self, orders: impl IntoIterator<Item = (ServerKey, Option<ServiceKey>, Override)>) {
        for (server, service, order) in orders {
            self.overrides.set(server, service, order);
        }
    }

    /// The operator puts a server under an override, in one service or in all, or (`None`) takes it off.
    pub fn order(
        &mut self,
        server: ServerKey,
        service: Option<ServiceKey>,
        order: Option<Override>,
        now: Time,
    ) -> Vec<Event> {
        let words = match order {
            Some(order) => {
                let words = order.words();
                self.overrides.set(server, service, order);
                words
            }
            None => match self.overrides.clear(&server, service.as_ref()) {
                Some(ended) => format!("end of: {}", ended.words()),
                None => return Vec::new(),
            },
        };
        self.decide(now, &Cause::Operator(words))
    }

    /// Ends the overrides that have run out by the wall clock.
    pub fn expire(&mut self, wall: Time, now: Time) -> Vec<Event> {
        match self.overrides.expire(wall).first() {
            Some((_, _, ended)) => {
                let cause = Cause::Operator(format!("ran out: {}", ended.words()));
                self.decide(now, &cause)
            }
            None => Vec::new(),
        }
    }

    /// Computes anew what the data plane should hold, and says what is different from before.
    fn decide(&mut self, now: Time, cause: &Cause) -> Vec<Event> {
        self.decide_by(now, cause, false)
    }

    fn decide_by(&mut self, now: Time, cause: &Cause, assumed: bool) -> Vec<Event> {
        let next = desired::desired(&self.policy, &self.health, &self.overrides, Some(&self.desired));
        let previous = std::mem::replace(&mut self.desired, next);
        let mut events = Vec::new();
        let services: BTreeSet<ServiceKey> =
            previous.table.services.keys().chain(self.desired.table.services.keys()).copied().collect();
        for service in services {
            let (old, new) =
                (previous.table.services.get(&service), self.desired.table.services.get(&service));
            let what = match (old, new) {
                (None, Some(_)) => Some(What::ServiceAdded),
                (Some(_), None) => Some(What::ServiceRemoved),
                (Some(old), Some(new)) if old.spec != new.spec => Some(What::ServiceChanged),
                _ => None,
            };
            events.extend(what.map(|what| Event {
                at: now,
                subject: Subject::Service(service),
                what,
                cause: cause.clone(),
            }));
            self.compare(&previous, service, now, (cause, assumed), &mut events);
        }
        self.records.retain(|(service, server), _| {
            self.policy.get(service).is_some_and(|service| service.servers.contains_key(server))
        });
        events
    }

    /// Says what is different in one service.
    fn compare(
        &mut self,
        previous: &Desired,
        service: ServiceKey,
        now: Time,
        (cause, assumed): (&Cause, bool),
        events: &mut Vec<Event>,
    ) {
        let decision = |desired: &Desired| desired.decisions.get(&service).cloned().unwrap_or_default();
        let (old, new) = (decision(previous), decision(&self.desired));
        let spec = |desired: &Desired, server: &ServerKey| desired.table.server(&service, server).copied();
        let mut event = |subject, state, before, after, cause: &Cause| {
            let what = What::Server { state, before, after };
            events.push(Event { at: now, subject, what, cause: cause.clone() });
        };
        let servers: BTreeSet<ServerKey> = old.servers.keys().chain(new.servers.keys()).copied().collect();
        for server in servers {
            let (before, after) = (spec(previous, &server), spec(&self.desired, &server));
            let (from, to) = (old.servers.get(&server), new.servers.get(&server));
            if from == to && before == after {
                continue;
            }
            let indirect = to == Some(&ServerState::Standby) || from == Some(&ServerState::Standby);
            let ordered = to
                .filter(|to| matches!(to, ServerState::Draining | ServerState::Maintenance))
                .and_then(|_| self.overrides.of(&service, &server))
                .map(|order| Cause::Operator(order.words()));
            let cause = match &ordered {
                Some(ordered) => ordered,
                None if indirect => &Cause::Quorum,
                None => cause,
            };
            let assumed = assumed && !indirect && ordered.is_none();
            let record = Record { since: now, cause: cause.clone(), assumed };
            self.records.insert((service, server), record);
            // A server that waits for its first check is no news.
            if before != after || to != Some(&ServerState::Unchecked) {
                let subject = Subject::Server(service, server);
                event(subject, to.copied(), before.map(weight), after.map(weight), cause);
            }
        }
        if old.fallback != new.fallback {
            let both = [(old.fallback, previous, false), (new.fallback, &self.desired, true)];
            for (fallback, desired, on) in both {
                let Some(server) = fallback else { continue };
                let weight = spec(desired, &server).map(weight);
                let (before, after) = if on { (None, weight) } else { (weight, None) };
                event(Subject::Fallback(service, server), None, before, after, &Cause::Quorum);
            }
        }
        // What is in the table for no reason that is known here.
        let held = previous.table.services.get(&service).map(|held| &held.servers).into_iter().flatten();
        for (server, before) in held {
            let known = old.servers.contains_key(server) || old.fallback == Some(*server);
            if !known && spec(&self.desired, server).is_none() {
                let cause = Cause::Configuration("does not name it".to_owned());
                event(Subject::Server(service, *server), None, Some(before.weight), None, &cause);
            }
        }
    }
}

const fn weight(spec: ServerSpec) -> Weight {
    spec.weight
}

#[cfg(test)]
mod tests;
