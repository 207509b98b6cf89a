//! From configuration, health and the operator's word to the table that the data plane should hold.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    health::{Health, HealthView},
    model::{ServerKey, ServerSpec, Service, ServiceKey, ServiceSpec, ServiceTable, Weight},
    overrides::{Action, Overrides},
};

/// Everything that the configuration says about the services.
pub type Policy = BTreeMap<ServiceKey, VirtualService>;

/// What the configuration says about one virtual service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualService {
    /// Scheduler, flags, persistence.
    pub spec: ServiceSpec,
    /// Its real servers.
    pub servers: BTreeMap<ServerKey, RealServer>,
    /// Who answers when too few servers are left (ldirectord's `fallback`, keepalived's `sorry_server`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// How many servers are enough.
    #[serde(default)]
    pub quorum: Quorum,
}

impl VirtualService {
    /// A service without servers, fallback or quorum.
    pub const fn new(spec: ServiceSpec) -> Self {
        Self { spec, servers: BTreeMap::new(), fallback: None, quorum: Quorum::AnyServer }
    }
}

/// What the configuration says about one real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServer {
    /// Weight, forwarding method and thresholds while it is up.
    pub spec: ServerSpec,
    /// What becomes of it when it is down.
    pub on_failure: OnFailure,
}

/// What becomes of a server whose checks fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It leaves the table (ldirectord's `quiescent=no`).
    #[default]
    Remove,
    /// It stays with weight 0 (`quiescent=yes`, keepalived's `inhibit_on_failure`).
    Quiesce,
}

/// Who answers when too few servers are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    /// Address and port.
    pub server: ServerKey,
    /// How it is put in.
    pub spec: ServerSpec,
    /// What becomes of it while it is not needed: it is not in the table, or (keepalived's `sorry_server_inhibit`)
    /// is in it with weight 0.
    #[serde(default)]
    pub unneeded: OnFailure,
}

impl Fallback {
    /// This server, in the table only while it is needed.
    pub const fn new(server: ServerKey, spec: ServerSpec) -> Self {
        Self { server, spec, unneeded: OnFailure::Remove }
    }
}

/// How many servers are enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quorum {
    /// One server, whatever its weight.
    #[default]
    AnyServer,
    /// The active servers' weights add up to `up`; lost below `up - hysteresis` and whenever nothing is left, regained
    /// at `up + hysteresis`.
    Weight {
        /// Sum of weights.
        up: u32,
        /// How far the sum has to go past `up` before anything changes.
        hysteresis: u32,
    },
}

/// What the data plane should hold, and why each server is in it or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// The table.
    pub table: ServiceTable,
    /// The decisions behind it.
    pub decisions: BTreeMap<ServiceKey, Decision>,
}

/// What was decided about one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// State of each configured server.
    pub servers: BTreeMap<ServerKey, ServerState>,
    /// Whether enough servers are active; `None` while that is not known, because servers are unchecked.
    pub quorum: Option<bool>,
    /// The fallback, while it answers.
    pub fallback: Option<ServerKey>,
}

/// What a configured server is to the data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerState {
    /// In the table with its configured weight.
    Active,
    /// Its first check has not ended: not in the table, or, if it was in it before that was known, with weight 0.
    Unchecked,
    /// Failed; removed or at weight 0.
    Down,
    /// The operator drains it: weight 0.
    Draining,
    /// The operator took it out; removed or at weight 0.
    Maintenance,
    /// Healthy, but the fallback has taken over because the quorum is lost.
    Standby,
}

impl fmt::Display for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Unchecked => "unchecked",
            Self::Down => "down",
            Self::Draining => "draining",
            Self::Maintenance => "maintenance",
            Self::Standby => "standby",
        })
    }
}

/// Decides what the data plane should hold.
///
/// `previous` is what was decided last time: the quorum's hysteresis needs it, and an unchecked server that is in the
/// table stays there, without weight, so that its connections do. A fallback takes over when the quorum is lost; while
/// servers are unchecked and could still make it, it does not. When the fallback is one of the servers it keeps the
/// server's own spec.
pub fn desired(
    policy: &Policy,
    health: &HealthView,
    overrides: &Overrides,
    previous: Option<&Desired>,
) -> Desired {
    let mut desired = Desired::default();
    for (key, service) in policy {
        let before = previous.and_then(|previous| previous.decisions.get(key)).and_then(|d| d.quorum);
        let mut servers: BTreeMap<ServerKey, ServerState> = service
            .servers
            .keys()
            .map(|server| {
                (*server, state(health.of(key, server), overrides.of(key, server).map(|entry| entry.action)))
            })
            .collect();
        let quorum = has_quorum(service, &servers, before);
        let fallback = service.fallback.filter(|_| quorum == Some(false));
        if fallback.is_some() {
            for state in servers.values_mut().filter(|state| **state == ServerState::Active) {
                *state = ServerState::Standby;
            }
        }
        let mut entry = Service::new(service.spec.clone());
        for (server, state) in &servers {
            let real = &service.servers[server];
            let held = previous.is_some_and(|previous| previous.table.server(key, server).is_some());
            if let Some(weight) = weight(real, *state, held) {
                entry.servers.insert(*server, real.spec.with_weight(weight));
            }
        }
        if let Some(fallback) = fallback {
            entry.servers.entry(fallback.server).or_insert(fallback.spec).weight = fallback.spec.weight;
        } else if let Some(fallback) = service.fallback
            && fallback.unneeded == OnFailure::Quiesce
        {
            let idle = fallback.spec.with_weight(Weight::ZERO);
            entry.servers.entry(fallback.server).or_insert(idle);
        }
        desired.table.services.insert(*key, entry);
        let fallback = fallback.map(|fallback| fallback.server);
        desired.decisions.insert(*key, Decision { servers, quorum, fallback });
    }
    desired
}

const fn state(health: Health, action: Option<Action>) -> ServerState {
    match (action, health) {
        (Some(Action::Maintenance), _) => ServerState::Maintenance,
        (_, Health::Down) => ServerState::Down,
        (Some(Action::Drain), _) => ServerState::Draining,
        (None, Health::Unknown) => ServerState::Unchecked,
        (None, Health::Up) => ServerState::Active,
    }
}

/// The weight with which a server in this state is in the table, which has `held` it before; `None` = not in it.
const fn weight(real: &RealServer, state: ServerState, held: bool) -> Option<Weight> {
    match (state, real.on_failure) {
        (ServerState::Active, _) => Some(real.spec.weight),
        (ServerState::Draining, _) => Some(Weight::ZERO),
        (ServerState::Unchecked, _) => {
            if held {
                Some(Weight::ZERO)
            } else {
                None
            }
        }
        (ServerState::Down | ServerState::Maintenance | ServerState::Standby, OnFailure::Quiesce) => {
            Some(Weight::ZERO)
        }
        (ServerState::Down | ServerState::Maintenance | ServerState::Standby, OnFailure::Remove) => None,
    }
}

fn has_quorum(
    service: &VirtualService,
    servers: &BTreeMap<ServerKey, ServerState>,
    before: Option<bool>,
) -> Option<bool> {
    let share = |wanted: ServerState| -> u64 {
        let states = servers.iter().filter(|(_, state)| **state == wanted);
        match service.quorum {
            Quorum::AnyServer => states.count() as u64,
            Quorum::Weight { .. } => {
                states.map(|(server, _)| u64::from(service.servers[server].spec.weight.get())).sum()
            }
        }
    };
    let needed = match (service.quorum, before) {
        (Quorum::AnyServer, _) => 1,
        (Quorum::Weight { up, hysteresis }, Some(true)) => u64::from(up.saturating_sub(hysteresis)),
        (Quorum::Weight { up, hysteresis }, Some(false)) => u64::from(up) + u64::from(hysteresis),
        (Quorum::Weight { up, .. }, None) => u64::from(up),
    }
    .max(1);
    let active = share(ServerState::Active);
    if active >= needed {
        Some(true)
    } else if active + share(ServerState::Unchecked) >= needed {
        before
    } else {
        Some(false)
    }
}

#[cfg(test)]
mod tests;
