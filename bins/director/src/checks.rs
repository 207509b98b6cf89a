//! From ldirectord.cf to the probes of lb-health.

mod negotiate;

use std::{
    fs, io::Read as _, net::SocketAddr, num::NonZeroU32, os::unix::fs::PermissionsExt as _, sync::Arc,
};

use lb_balancer::{state::Place, unusable::Unusable};
use lb_config::ldirectord::{CheckService, CheckType, Config, Directive, Real, Virtual};
use lb_control::wording::services as wording;
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
use lb_runtime::clock::Clock;

use super::loading::Programs;

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
            let probe =
                probe(service, real).unwrap_or_else(|problem| Arc::new(Unusable { why: problem.why }));
            let initial = health.of(&service.key, &real.key);
            let check = Check { initial, ..Check::new(probe, target(service, real), timing(service)) };
            checks.push(((service.key, real.key), check));
        }
    }
    checks
}

/// Why a real server cannot be checked. It stays down.
#[derive(Debug)]
pub(super) struct Problem {
    /// The directive that is to be changed.
    pub(super) directive: Directive,
    pub(super) why: String,
}

impl Problem {
    fn new(directive: Directive, why: impl Into<String>) -> Self {
        Self { directive, why: why.into() }
    }
}

/// What cannot be checked as the configuration wants it: the first real server of each service, by its index in the
/// configuration and its index in the service.
pub(super) fn problems(config: &Config, programs: Programs) -> Vec<(usize, usize, Problem)> {
    let of_service = |(index, service): (usize, &Virtual)| {
        if matches!(service.check.kind, CheckType::External | CheckType::ExternalPerl) {
            let examined = programs == Programs::Examine && !service.reals.is_empty();
            return Some((index, 0, program_problem(service).filter(|_| examined)?));
        }
        let problem = |(index, real)| Some((index, probe(service, real).err()?));
        let (real, problem) = service.reals.iter().enumerate().find_map(problem)?;
        Some((index, real, problem))
    };
    config.virtuals.iter().enumerate().filter_map(of_service).collect()
}

/// [`problems`] as lines.
pub(super) fn problem_lines(config: &Config) -> Vec<String> {
    let line = |(service, _, problem): (usize, usize, Problem)| {
        format!("virtual={}: {}", wording::name(&config.virtuals[service].key), problem.why)
    };
    problems(config, Programs::Examine).into_iter().map(line).collect()
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

fn probe(service: &Virtual, real: &Real) -> Result<Arc<dyn HealthCheck>, Problem> {
    let kind = service.check.kind;
    let connects = match kind {
        CheckType::Connect => service.key.protocol() != Some(Protocol::Udp),
        CheckType::Negotiate | CheckType::Alternate(_) => service.check.service != CheckService::None,
        _ => false,
    };
    if connects && service.check_port(real).is_none() {
        let why = format!(
            "no port to check {} with checktype {kind}: neither the server nor the service has one; set `checkport`",
            real.key.address
        );
        return Err(Problem::new(Directive::CheckPort, why));
    }
    Ok(match kind {
        CheckType::On => Arc::new(AlwaysUp),
        CheckType::Off => Arc::new(AlwaysDown),
        CheckType::Ping => ping(service),
        CheckType::Connect => connect(service),
        CheckType::Negotiate => negotiate::probe(service, real)?,
        CheckType::External | CheckType::ExternalPerl => external(service, real),
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

/// The program gets the virtual address (or mark) and port, and the real ones. A Perl script without a `#!` line, or without
/// the right to be executed, is run by `perl`.
fn external(service: &Virtual, real: &Real) -> Arc<dyn HealthCheck> {
    let command = service.check.command();
    let (address, port) = match service.key.address() {
        Some(address) => (address.ip().to_string(), address.port().to_string()),
        None => (wording::name(&service.key), "0".to_owned()),
    };
    let arguments = [address, port, real.key.address.to_string(), real.key.port.to_string()];
    let by_perl = service.check.kind == CheckType::ExternalPerl
        && fs::metadata(command).is_ok_and(|metadata| !is_executable(&metadata) || !has_interpreter(command));
    Arc::new(if by_perl {
        Exec::new("perl", std::iter::once(command.to_owned()).chain(arguments))
    } else {
        Exec::new(command, arguments)
    })
}

/// What is wrong with the program of an external check. It is run nevertheless: it may be put right later.
fn program_problem(service: &Virtual) -> Option<Problem> {
    let command = service.check.command();
    let why = match fs::metadata(command).ok().filter(fs::Metadata::is_file) {
        None => "does not exist; it is one path, without arguments",
        Some(metadata) if service.check.kind == CheckType::External && !is_executable(&metadata) => {
            "cannot be executed; give it the right with chmod +x"
        }
        Some(_) => return None,
    };
    Some(Problem::new(Directive::CheckCommand, format!("checkcommand {command} {why}")))
}

fn is_executable(metadata: &fs::Metadata) -> bool {
    metadata.permissions().mode() & 0o111 != 0
}

/// Whether a program names its interpreter, or is none that needs one.
fn has_interpreter(program: &str) -> bool {
    let mut start = [0; 4];
    let read = fs::File::open(program).and_then(|mut file| file.read(&mut start)).unwrap_or(0);
    start[..read].starts_with(b"#!") || start[..read] == *b"\x7fELF"
}

#[cfg(test)]
mod tests;
