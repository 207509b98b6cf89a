//! Services, servers and checks as the control socket shows them.

use std::collections::BTreeMap;

use lb_control::protocol::{CheckStatus, ServerStatus, ServiceStatus};
use lb_core::{
    DataPlane, Health, Time,
    dataplane::{Connection, ServiceCounters},
    event::Cause,
    model::{ServerKey, ServiceKey},
};
use lb_runtime::clock::Clock;

use super::state::{Place, Record, State};

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
            let (record, check) = (state.record(&place), check(&place));
            ServerStatus {
                server: *server,
                state: *state_of,
                since: record.map_or(0.0, |record| seconds(now, record.since)),
                cause: record.map_or_else(String::new, |record| cause(record, &check)),
                weight: state.desired().table.server(key, server).map(|spec| spec.weight),
                counters: counters.servers.get(server).copied().unwrap_or_default(),
                check,
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

/// Connections that are looked through for those of servers that have left the data plane.
const MAX_CONNECTIONS: usize = 200_000;

/// The counters of all servers. A server that has left the data plane, as in maintenance, has those connections that go on
/// without it.
pub async fn counters(plane: &dyn DataPlane, state: &State) -> BTreeMap<ServiceKey, ServiceCounters> {
    let mut counters = plane.counters().await.unwrap_or_default();
    let gone = |(service, server): &Place| {
        state.desired().table.server(service, server).is_none() && !plane.removal_ends_connections(service)
    };
    let decisions = state.desired().decisions.iter();
    let places = decisions.flat_map(|(service, one)| one.servers.keys().map(|server| (*service, *server)));
    let gone: Vec<Place> = places.filter(gone).collect();
    if gone.is_empty() {
        return counters;
    }
    for connection in plane.connections(MAX_CONNECTIONS).await.unwrap_or_default() {
        let Some((service, server)) =
            gone.iter().find(|(service, server)| is_of(&connection, service, server))
        else {
            continue;
        };
        let server = counters.entry(*service).or_default().servers.entry(*server).or_default();
        match connection.is_open() {
            true => server.active = server.active.saturating_add(1),
            false => server.inactive = server.inactive.saturating_add(1),
        }
    }
    counters
}

/// Whether a connection goes by a service to a server. One that goes by a firewall mark cannot be told.
fn is_of(connection: &Connection, service: &ServiceKey, server: &ServerKey) -> bool {
    let (Some(address), to) = (service.address(), connection.destination) else { return false };
    let is_port = |of: u16, port: u16| of == 0 || of == port;
    service.protocol() == Some(connection.protocol)
        && address.ip() == connection.virtual_address.ip()
        && is_port(address.port(), connection.virtual_address.port())
        && server.address == to.ip()
        && is_port(server.port, to.port())
        && connection.state != "NONE"
}

/// Why a server is what it is. An assumption ends with the first check.
fn cause(record: &Record, check: &CheckStatus) -> String {
    if !record.assumed || check.health == Health::Unknown {
        return record.cause.to_string();
    }
    let seen = &check.seen;
    match check.age {
        None if check.kind == NO_CHECK => "it has no check".to_owned(),
        None => record.cause.to_string(),
        Some(_) if check.failures > 0 => Cause::Check(format!("{seen}, which may pass")).to_string(),
        Some(_) => Cause::Check(seen.clone()).to_string(),
    }
}

/// The kind of check of a server that has none.
const NO_CHECK: &str = "none";

/// One check, or that there is none.
pub fn check(health: Health, known: Option<lb_health::CheckStatus>, clock: &Clock, now: Time) -> CheckStatus {
    let Some(known) = known else {
        let kind = NO_CHECK.to_owned();
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
