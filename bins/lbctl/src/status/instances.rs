//! Instances, sync groups, and what is watched.

use std::fmt::Write as _;

use lb_control::{
    event::{Condition, TrackerId},
    protocol::{InstanceStatus, MasterStatus, ShareStatus, Status},
};
use lb_core::Time;
use lb_runtime::{
    clock::{ctime, rfc3339},
    span::span,
};
use lb_vrrp::track::{self, Effect};

use super::left;
use crate::text::{columns, seconds};

/// Instances that are named behind a tracker.
const NAMED: usize = 6;

pub(super) fn render(status: &Status) -> String {
    let mut out = String::new();
    if let Some(maintenance) = &status.maintenance {
        let until = maintenance.until.map_or_else(String::new, |until| {
            format!(" until {}, {} left", rfc3339(until), span(left(status, until)))
        });
        let _ = writeln!(out, "MAINTENANCE{until}: {}", maintenance.words());
    }
    if status.instances.is_empty() {
        return out;
    }
    out.push('\n');
    let head = ["INSTANCE", "STATE", "FOR", "PRIORITY", "INTERFACE", "VRID", "ADDRESSES", "MASTER", "WHY"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(status.instances.iter().map(|instance| row(instance, status.now)));
    out += &columns(&rows, "  ");
    for instance in &status.instances {
        for problem in &instance.problems {
            let _ = writeln!(out, "  PROBLEM: ({}) {problem}", instance.name);
        }
    }
    if let [instance] = &status.instances[..] {
        out += &detail(instance);
    }
    out += &groups(status);
    out += &trackers(status);
    out
}

fn row(instance: &InstanceStatus, now: f64) -> Vec<String> {
    let mut why = match instance.state {
        Condition::Master => {
            let since = Time::ZERO + seconds(now - instance.since);
            format!("this node, since {}, because {}", ctime(since), instance.why)
        }
        _ => instance.why.clone(),
    };
    if !instance.link.is_empty() && instance.state != Condition::Fault {
        why += &format!("; {} {}", instance.interface, instance.link);
    }
    vec![
        instance.name.clone(),
        instance.state.to_string(),
        span(seconds(instance.since)),
        priority(instance),
        instance.interface.clone(),
        instance.vrid.to_string(),
        format!("{}/{}", instance.installed, instance.addresses.len()),
        instance.master.as_ref().map_or_else(|| "-".to_owned(), master),
        why,
    ]
}

/// `150`, or `90 of 150` when trackers changed it.
fn priority(instance: &InstanceStatus) -> String {
    match (instance.priority, instance.base_priority) {
        (now, base) if now == base => now.to_string(),
        (now, base) => format!("{now} of {base}"),
    }
}

/// `10.9.0.2 with 100, 0.3s ago`.
fn master(master: &MasterStatus) -> String {
    let heard = master.heard.map_or_else(String::new, |heard| format!(", {} ago", span(seconds(heard))));
    format!("{} with {}{heard}", master.address, master.priority)
}

/// What does not fit into a row.
fn detail(instance: &InstanceStatus) -> String {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    let source = instance.source.map_or_else(|| "-".to_owned(), |source| source.to_string());
    row(
        "protocol",
        format!(
            "VRRPv{} over {}, advert every {} s",
            instance.version, instance.family, instance.advert_interval
        ),
    );
    row("source", source);
    row("group", instance.group.clone().unwrap_or_else(|| "-".to_owned()));
    let addresses: Vec<String> = instance.addresses.iter().map(ToString::to_string).collect();
    row("addresses", addresses.join(", "));
    row("base priority", instance.base_priority.to_string());
    for share in &instance.trackers {
        row("", share_line(share));
    }
    let counters = &instance.counters;
    row(
        "adverts",
        format!("{} sent, {} received, {} dropped", counters.sent, counters.received, counters.dropped)
            + &if counters.unsent > 0 { format!(", {} not sent", counters.unsent) } else { String::new() },
    );
    row("transitions", format!("{} to MASTER, {} from it", counters.became_active, counters.released));
    format!("\n{}", columns(&rows, "  "))
}

/// `-60  script wgt is down (exited with status 1)`.
pub(crate) fn share_line(share: &ShareStatus) -> String {
    let effect = effect(share.contribution.effect);
    format!("{effect:>5}  {}", found(&share.tracker, share.contribution.status, &share.detail))
}

/// `script wgt is down (exited with status 1)`.
pub(crate) fn found(tracker: &TrackerId, status: track::Status, detail: &str) -> String {
    let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    format!("{tracker} {}{detail}", is(status))
}

pub(crate) fn effect(effect: Effect) -> String {
    match effect {
        Effect::Fault => "FAULT".to_owned(),
        Effect::Change(0) => "0".to_owned(),
        Effect::Change(change) => format!("{change:+}"),
    }
}

fn is(status: track::Status) -> String {
    match status {
        track::Status::Unknown => "is not known yet".to_owned(),
        track::Status::Up => "is up".to_owned(),
        track::Status::Down => "is down".to_owned(),
        track::Status::Value(value) => format!("says {value}"),
    }
}

fn groups(status: &Status) -> String {
    if status.groups.is_empty() {
        return String::new();
    }
    let mut rows = vec![["GROUP", "STATE", "FOR", "MEMBERS", "WHY"].map(str::to_owned).to_vec()];
    rows.extend(status.groups.iter().map(|group| {
        vec![
            group.name.clone(),
            group.state.to_string(),
            span(seconds(group.since)),
            group.members.join(" "),
            group.why.clone(),
        ]
    }));
    format!("\n{}", columns(&rows, "  "))
}

fn trackers(status: &Status) -> String {
    if status.trackers.is_empty() {
        return String::new();
    }
    let mut rows = vec![["TRACKER", "IS", "FOR", "EFFECT", "SEEN"].map(str::to_owned).to_vec()];
    rows.extend(status.trackers.iter().map(|tracker| {
        vec![
            tracker.tracker.to_string(),
            is(tracker.status).trim_start_matches("is ").to_owned(),
            span(seconds(tracker.since)),
            effects(status, &tracker.tracker),
            tracker.detail.clone(),
        ]
    }));
    format!("\n{}", columns(&rows, "  "))
}

/// `VI_1 -60, VI_2 FAULT`.
fn effects(status: &Status, of: &TrackerId) -> String {
    let mut moved = status.instances.iter().filter_map(|instance| {
        let share = instance.trackers.iter().find(|share| share.tracker == *of)?;
        let effect = share.contribution.effect;
        (effect != Effect::Change(0)).then(|| format!("{} {}", instance.name, self::effect(effect)))
    });
    let named: Vec<String> = moved.by_ref().take(NAMED).collect();
    match moved.count() {
        0 if named.is_empty() => "-".to_owned(),
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
