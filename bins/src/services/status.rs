//! Services, servers and checks as the control socket shows them.

use std::collections::BTreeMap;

use lb_core::{Health, Time, dataplane::ServiceCounters, model::ServiceKey};

use super::state::{Place, State};
use crate::{
    control::protocol::{CheckStatus, ServerStatus, ServiceStatus},
    runtime::clock::Clock,
};

/// All services; `check` says what is known of the check of a server.
pub fn services(
    state: &State,
    counters: &BTreeMap<ServiceKey, ServiceCounters>,
    now: Time,
    check: impl Fn(&Place) -> CheckStatus,
) -> Vec<ServiceStatus> {
    let none = ServiceCounters::default();
    let mut services = Vec::with_capacity(state.policy().len());
    for (key, entry) in state.policy() {
        let counters = counters.get(key).unwrap_or(&none);
        let decision = state.desired().decisions.get(key).cloned().unwrap_or_default();
        let servers = decision.servers.iter().map(|(server, state_of)| {
            let place = (*key, *server);
            let record = state.record(&place);
            ServerStatus {
                server: *server,
                state: *state_of,
                since: record.map_or(0.0, |record| seconds(now, record.since)),
                cause: record.map_or_else(String::new, |record| record.cause.to_string()),
                weight: state.desired().table.server(key, server).map(|spec| spec.weight),
                counters: counters.servers.get(server).copied().unwrap_or_default(),
                check: check(&place),
            }
        });
        services.push(ServiceStatus {
            service: *key,
            scheduler: entry.spec.scheduler.to_string(),
            quorum: decision.quorum,
            fallback: entry.fallback.map(|fallback| fallback.server),
            fallback_active: decision.fallback.is_some(),
            servers: servers.collect(),
        });
    }
    services
}

/// One check, or that there is none.
pub fn check(health: Health, known: Option<lb_health::CheckStatus>, clock: &Clock, now: Time) -> CheckStatus {
    let Some(known) = known else {
        let kind = "none".to_owned();
        return CheckStatus { kind, health, seen: String::new(), latency_ms: None, age: None, failures: 0 };
    };
    CheckStatus {
        kind: known.kind.to_owned(),
        health,
        seen: known.last.as_ref().map_or_else(String::new, |look| seen(&look.outcome)),
        latency_ms: known.last.as_ref().map(|look| look.latency.as_secs_f64() * 1000.0),
        age: known.last.as_ref().map(|look| seconds(now, clock.from_origin(look.at))),
        failures: known.leaning.map_or(0, |leaning| leaning.count),
    }
}

/// A look in a few words.
pub fn seen(outcome: &lb_health::Outcome) -> String {
    match outcome {
        Ok(passed) if passed.detail.is_empty() => "passed".to_owned(),
        Ok(passed) => passed.detail.clone(),
        Err(failure) => failure.to_string(),
    }
}

/// From one time to another.
pub fn seconds(now: Time, then: Time) -> f64 {
    now.since(then).as_secs_f64()
}
