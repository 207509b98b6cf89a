//! From ldirectord.cf to the probes of lb-health.

mod negotiate;

use std::{net::SocketAddr, num::NonZeroU32, path::Path, sync::Arc};

use lb_core::{HealthView, model::Protocol};
use lb_health::{
    Check, HealthCheck, RunnerSettings, Timing,
    probe::{
        alternate::Alternate,
        constant::{AlwaysDown, AlwaysUp},
        exec::Exec,
        ping::Ping,
        tcp::Tcp,
    },
};

use super::{loading::Programs, wording};
use crate::{
    config::ldirectord::{CheckType, Config, Real, Virtual},
    runtime::clock::Clock,
    services::{state::Place, unusable::Unusable},
};

/// How the runner works for this configuration.
pub(super) fn settings(config: &Config, clock: &Clock) -> RunnerSettings {
    RunnerSettings {
        every_look: wants_every_look(config),
        origin: clock.origin().into(),
        ..Default::default()
    }
}

/// Whether somebody wants to know of looks that are no news.
pub(super) fn wants_every_look(config: &Config) -> bool {
    config.virtuals.iter().any(|service| service.monitor_file.is_some())
}

/// The check of every real server. What is known of a server is what its check starts with.
pub(super) fn checks(config: &Config, health: &HealthView) -> Vec<(Place, Check)> {
    let mut checks = Vec::new();
    for service in &config.virtuals {
        for real in &service.reals {
            let probe = probe(service, real).unwrap_or_else(|why| Arc::new(Unusable { why }));
            let initial = health.of(&service.key, &real.key);
            let check = Check { initial, ..Check::new(probe, target(service, real), timing(service)) };
            checks.push(((service.key, real.key), check));
        }
    }
    checks
}

/// What can not be checked as the configuration wants it, one line each. The servers that it is about are down.
pub(super) fn problems(config: &Config, programs: Programs) -> Vec<String> {
    let mut problems = Vec::new();
    let is_program = |kind| matches!(kind, CheckType::External | CheckType::ExternalPerl);
    for service in &config.virtuals {
        if programs == Programs::Trust && is_program(service.check.kind) {
            continue;
        }
        let found = service.reals.iter().find_map(|real| probe(service, real).err());
        problems.extend(found.map(|problem| format!("virtual={}: {problem}", wording::name(&service.key))));
    }
    problems
}

fn target(service: &Virtual, real: &Real) -> SocketAddr {
    SocketAddr::new(real.key.address, service.check_port(real).unwrap_or(real.key.port))
}

fn timing(service: &Virtual) -> Timing {
    let check = &service.check;
    Timing {
        interval: check.interval.duration(),
        timeout: check.timeout().duration(),
        fall: NonZeroU32::new(check.failures).unwrap_or(NonZeroU32::MIN),
        ..Timing::default()
    }
}

fn probe(service: &Virtual, real: &Real) -> Result<Arc<dyn HealthCheck>, String> {
    Ok(match service.check.kind {
        CheckType::On => Arc::new(AlwaysUp),
        CheckType::Off => Arc::new(AlwaysDown),
        CheckType::Ping => ping(service),
        CheckType::Connect => connect(service),
        CheckType::Negotiate => negotiate::probe(service, real)?,
        CheckType::External | CheckType::ExternalPerl => external(service, real)?,
        CheckType::Alternate(connects) => {
            let thorough = negotiate::probe(service, real)?;
            match NonZeroU32::new(connects) {
                Some(connects) => Arc::new(Alternate::new(connect(service), connects, thorough)),
                None => thorough,
            }
        }
    })
}

fn ping(service: &Virtual) -> Arc<dyn HealthCheck> {
    Arc::new(Ping {
        attempts: NonZeroU32::new(service.check.attempts).unwrap_or(NonZeroU32::MIN),
        ..Ping::default()
    })
}

/// A TCP connection; a UDP service has none, so its servers are pinged, as ldirectord does.
fn connect(service: &Virtual) -> Arc<dyn HealthCheck> {
    match service.key.protocol() {
        Some(Protocol::Udp) => ping(service),
        _ => Arc::new(Tcp),
    }
}

/// The program gets the virtual address (or mark) and port, and the real ones.
fn external(service: &Virtual, real: &Real) -> Result<Arc<dyn HealthCheck>, String> {
    let command = service.check.command();
    if !Path::new(command).is_file() {
        return Err(format!("checkcommand {command} does not exist; it is one path, without arguments"));
    }
    let (address, port) = match service.key.address() {
        Some(address) => (address.ip().to_string(), address.port().to_string()),
        None => (wording::name(&service.key), "0".to_owned()),
    };
    let arguments = [address, port, real.key.address.to_string(), real.key.port.to_string()];
    Ok(Arc::new(Exec::new(command, arguments)))
}

#[cfg(test)]
mod tests;
