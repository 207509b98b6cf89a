//! From checks to the probes of lb-health.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use async_trait::async_trait;
use lb_balancer::unusable::Unusable;
use lb_config::keepalived::model::{Checker, CheckerKind, HttpVersion, Pace, Sni, Url};
use lb_core::Health;
use lb_health::{
    Check, Failure, FailureKind, HealthCheck, Outcome, Passed, Target, Timing,
    connect::{is_shortage, local_failure},
    probe::{
        dns::{Dns, Expect},
        http::{BodyRules, Http, HttpError, HttpSettings},
        ping::Ping,
        rounds::Rounds,
        smtp::Smtp,
        tcp::Tcp,
        udp::Udp,
    },
    tls::TlsSettings,
};
use nix::sys::utsname::uname;

use super::{number::Number, vitals::Share};
use crate::program::{Ended, NotRun, Policy, Program};

/// How often a file is read: a track_file takes effect when it is written, and no check costs less.
const READ: Duration = Duration::from_secs(1);

/// The check that a runner makes of it. `initial` is what is known already.
pub(super) fn check(checker: &Checker, policy: &Policy, initial: Health) -> Check {
    let probe = probe(checker, policy).unwrap_or_else(|error| Arc::new(Unusable { why: error.to_string() }));
    Check { initial, ..Check::new(probe, checker.target.clone(), timing(checker)) }
}

/// What a look that passed does to the weight.
pub(super) fn share(kind: &CheckerKind, passed: &Passed) -> Share {
    match (kind, passed.grade) {
        (CheckerKind::Misc { .. }, Some(weight)) => Share::Weight(weight),
        (CheckerKind::File { .. }, Some(addend)) => Share::Addend(addend),
        _ => Share::None,
    }
}

fn timing(checker: &Checker) -> Timing {
    let Pace { delay_loop, timeout, retry, delay_before_retry } = checker.pace;
    let (interval, timeout) = match &checker.kind {
        CheckerKind::File { .. } => (READ, READ),
        // Each URL may take that long, and there is a look that asks for all of them.
        CheckerKind::Http { urls, .. } => {
            (delay_loop, timeout.saturating_mul(u32::try_from(urls.len()).unwrap_or(u32::MAX)))
        }
        // A refusal may come as late as the timeout, and then silence is health.
        CheckerKind::Udp { reply: None, .. } => (delay_loop, timeout + Duration::from_millis(500)),
        _ => (delay_loop, timeout),
    };
    Timing {
        interval,
        timeout,
        retry: Some(delay_before_retry),
        fall: NonZeroU32::MIN.saturating_add(retry),
        ..Timing::default()
    }
}

fn probe(checker: &Checker, policy: &Policy) -> Result<Arc<dyn HealthCheck>, HttpError> {
    let timeout = checker.pace.timeout;
    Ok(match &checker.kind {
        CheckerKind::Tcp => Arc::new(Tcp),
        CheckerKind::Ping => Arc::new(Ping::default()),
        CheckerKind::Http { urls, version, tls } => {
            let mut probes: Vec<Arc<dyn HealthCheck>> = Vec::new();
            for url in urls {
                probes.push(Arc::new(Http::new(http(url, *version, *tls))?));
            }
            match <[_; 1]>::try_from(probes) {
                Ok([only]) => only,
                Err(several) => Arc::new(Rounds::new(several, timeout)),
            }
        }
        CheckerKind::Udp { payload, reply } => {
            Arc::new(Udp { request: payload.clone(), expect: None, reply: reply.clone(), silence: timeout })
        }
        CheckerKind::Smtp { hello } => {
            let own = || Some(uname().ok()?.nodename().to_str()?.to_owned());
            let hello = hello.clone().or_else(own).unwrap_or_else(|| Smtp::default().hello);
            Arc::new(Smtp { hello, ..Smtp::default() })
        }
        CheckerKind::Dns { record, name } => {
            Arc::new(Dns { name: name.clone(), record: Some(*record), expect: Expect::NoError, tcp: false })
        }
        CheckerKind::Misc { command, dynamic } => {
            let identity = format!("misc {command:?} {policy:?} dynamic: {dynamic}");
            Arc::new(Misc { program: Program::new(command, policy, &[]), dynamic: *dynamic, identity })
        }
        CheckerKind::File { path, weight, .. } => Arc::new(Number { path: path.clone(), factor: *weight }),
    })
}

fn http(url: &Url, version: HttpVersion, tls: Option<Sni>) -> HttpSettings {
    let mut body = BodyRules { digest: url.digest, ..BodyRules::default() };
    if let Some(rule) = &url.pattern {
        let place = if rule.absent { &mut body.excludes } else { &mut body.matches };
        *place = Some(rule.pattern.clone());
    }
    HttpSettings {
        path: url.path.clone(),
        host: url.host.clone(),
        // Servers know the checks of keepalived by that name.
        headers: vec![("User-Agent".to_owned(), "KeepAliveClient".to_owned())],
        http10: version == HttpVersion::V1_0,
        status: url.status.clone(),
        body,
        tls: tls.map(|sni| TlsSettings {
            verify: false,
            // An address is not asked for by name.
            server_name: (sni == Sni::Off || url.host.is_none()).then(|| "127.0.0.1".to_owned()),
            ..TlsSettings::default()
        }),
        ..HttpSettings::default()
    }
}

/// `MISC_CHECK`: up if a program ends with status 0; with `dynamic`, 2 to 255 is up with that weight plus 2.
#[derive(Debug)]
struct Misc {
    program: Program,
    dynamic: bool,
    identity: String,
}

#[async_trait]
impl HealthCheck for Misc {
    fn kind(&self) -> &'static str {
        "misc"
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    async fn check(&self, _target: &Target) -> Outcome {
        let mut running = self.program.start().await.map_err(|error| not_run(&error))?;
        let ended = running.wait().await.map_err(|error| local_failure("waiting for the program", &error))?;
        match ended {
            Ended::Exited(0) => Ok(Passed::with(ended)),
            Ended::Exited(status @ 2..) if self.dynamic => {
                Ok(Passed::with(ended).graded(i64::from(status) - 2))
            }
            _ => Err(Failure::new(FailureKind::WrongAnswer, ended)),
        }
    }
}

/// A program that cannot be started because this host is short of processes or memory says nothing about the server.
fn not_run(error: &NotRun) -> Failure {
    let kind = match error {
        NotRun::Failed { source, .. } if is_shortage(source) => FailureKind::Local,
        _ => FailureKind::Misconfigured,
    };
    Failure::new(kind, error)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_shortage_of_processes_is_not_the_servers_fault() {
        let failed = |errno| {
            let source = io::Error::from_raw_os_error(errno);
            not_run(&NotRun::Failed { program: "check".into(), source }).kind
        };
        for errno in [nix::libc::EAGAIN, nix::libc::ENOMEM, nix::libc::EMFILE, nix::libc::ENFILE] {
            assert_eq!(failed(errno), FailureKind::Local);
        }
        assert_eq!(failed(nix::libc::E2BIG), FailureKind::Misconfigured);
        assert_eq!(not_run(&NotRun::Missing("check".into())).kind, FailureKind::Misconfigured);
    }
}
