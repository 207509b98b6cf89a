//! `lbctl status`: a daemon as a whole, for people.

mod instances;

use std::{fmt::Write as _, time::Duration};

use lb_control::protocol::{CheckStatus, ServerStatus, ServiceStatus, Status};
use lb_core::Time;
use lb_runtime::span::span;

pub(super) use instances::{effect, found};

use super::text::{columns, seconds};

/// The status as text.
pub fn render(status: &Status) -> String {
    let mut out = format!(
        "{} {}  pid {}  up {}  {}\n",
        status.program,
        status.version,
        status.pid,
        span(seconds(status.uptime)),
        status.config.display()
    );
    if let Some(plane) = &status.data_plane {
        let _ = writeln!(out, "data plane {} ({})", plane.name, plane.why);
        for error in &plane.errors {
            let _ = writeln!(out, "  PROBLEM: {error}");
        }
        for advice in &plane.advice {
            let _ = writeln!(out, "  advice: {advice}");
        }
    }
    if let Some(error) = &status.config_error {
        let _ = writeln!(out, "PROBLEM: the newest configuration was refused: {error}");
    }
    for fault in &status.faults {
        let _ = writeln!(out, "PROBLEM: {fault}");
    }
    for problem in &status.problems {
        let _ = writeln!(out, "PROBLEM: {problem}");
    }
    out += &instances::render(status);
    for service in &status.services {
        out += &render_service(service);
    }
    out += &orders(status);
    if !status.foreign.is_empty() {
        let names: Vec<String> = status.foreign.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "\nnot ours, left alone: {}", names.join(", "));
    }
    out
}

fn render_service(service: &ServiceStatus) -> String {
    let mut out = format!("\n{} {}", service.service, service.scheduler);
    match (service.quorum, service.fallback, service.fallback_active) {
        (_, Some(fallback), true) => {
            let _ = write!(out, "  FALLBACK {fallback} answers");
        }
        (Some(false), ..) => out += "  NO SERVER LEFT",
        _ => {}
    }
    out.push('\n');
    let head = ["SERVER", "STATE", "FOR", "WEIGHT", "ACTIVE", "INACT", "CONNS", "FAILED", "CHECK", "CAUSE"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(service.servers.iter().map(row));
    out + &columns(&rows, "  ")
}

fn row(server: &ServerStatus) -> Vec<String> {
    vec![
        server.server.to_string(),
        server.state.to_string(),
        span(seconds(server.since)),
        server.weight.map_or_else(|| "-".to_owned(), |weight| weight.to_string()),
        server.counters.active.to_string(),
        server.counters.inactive.to_string(),
        server.counters.traffic.connections.to_string(),
        server.counters.failed.to_string(),
        check(&server.check),
        server.cause.clone(),
    ]
}

/// Orders about real servers, with the time that is left.
fn orders(status: &Status) -> String {
    if status.orders.is_empty() {
        return String::new();
    }
    let mut rows = vec![["ORDER", "SERVER", "SERVICE", "LEFT", "BY", "REASON"].map(str::to_owned).to_vec()];
    rows.extend(status.orders.iter().map(|order| {
        vec![
            order.action.to_string(),
            order.server.to_string(),
            order.service.map_or_else(|| "all".to_owned(), |service| service.to_string()),
            order.until.map_or_else(|| "until resume".to_owned(), |until| span(left(status, until))),
            order.by.clone().unwrap_or_else(|| "-".to_owned()),
            order.reason.clone(),
        ]
    }));
    format!("\n{}", columns(&rows, "  "))
}

/// How long it is until then.
fn left(status: &Status, until: Time) -> Duration {
    until.since(Time::ZERO + seconds(status.now))
}

/// `http up 1.2ms: 200 OK, 0.4s ago`.
fn check(check: &CheckStatus) -> String {
    let mut out = format!("{} {}", check.kind, check.health);
    if let Some(latency) = check.latency_ms {
        let _ = write!(out, " {latency:.1}ms");
    }
    if !check.seen.is_empty() {
        let _ = write!(out, ": {}", check.seen);
    }
    if check.failures > 0 {
        let _ = write!(out, ", {} failed in a row", check.failures);
    }
    if let Some(age) = check.age {
        let _ = write!(out, ", {} ago", span(seconds(age)));
    }
    out
}

#[cfg(test)]
mod tests;
