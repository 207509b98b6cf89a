//! What a reload would change in instances and groups, and whose addresses would move: pure.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::Arc,
};

use ipnet::IpNet;
use lb_config::keepalived::model::{Authentication, Config, Group, Instance, Preempt, VirtualAddress};
use lb_control::{
    event::Condition,
    protocol::{GroupChange, InstanceChange, InstanceChangeKind as Kind, Outcome, Plan},
};
use lb_vrrp::Priority;

use super::{engine::difference::Difference, view::View};

/// The daemon as it is while a plan is made beside it.
#[derive(Debug)]
pub(super) struct Planning {
    before: Arc<Config>,
    running: HashMap<String, Running>,
}

/// What an instance is.
#[derive(Clone, Copy, Debug)]
struct Running {
    condition: Condition,
    /// The priority that it runs with.
    priority: Priority,
    /// The MASTER that it hears as BACKUP.
    master: Option<(IpAddr, Priority)>,
    /// It was handed over, and has the lowest priority until somebody else gives the addresses up.
    handed_over: bool,
}

impl Planning {
    pub(super) fn new(before: Arc<Config>, view: &View<'_>) -> Self {
        let running = view.instances.iter().map(|one| {
            let running = Running {
                condition: one.condition,
                priority: one.priority,
                master: one.master(),
                handed_over: one.handed_over.is_some(),
            };
            (one.config.name.clone(), running)
        });
        Self { running: running.collect(), before }
    }

    /// The configuration that is in force.
    pub(super) fn before(&self) -> &Config {
        &self.before
    }

    /// What this configuration would change.
    pub(super) fn plan(&self, after: &Config) -> Plan {
        let difference = Difference::between(&self.before, after);
        let old_name: HashMap<&str, &str> =
            difference.renamed.iter().map(|(from, to)| (*to, *from)).collect();
        let old: HashMap<&str, &Instance> =
            self.before.instances.iter().map(|instance| (instance.name.as_str(), instance)).collect();
        let mut instances = Vec::new();
        for new in &after.instances {
            let name = new.name.as_str();
            let from = old_name.get(name).copied().unwrap_or(name);
            let Some(old) = old.get(from) else {
                instances.push(added(new));
                continue;
            };
            if *old != new {
                instances.push(changed(old, new, self.running.get(from).copied()));
            }
        }
        let gone = difference.removed.iter().filter_map(|name| old.get(name));
        instances.extend(gone.map(|old| removed(old, self.running.get(&old.name).copied())));
        Plan { instances, groups: groups(&self.before.groups, &after.groups), ..Plan::default() }
    }
}

fn added(new: &Instance) -> InstanceChange {
    InstanceChange {
        instance: new.name.clone(),
        change: Kind::Added,
        state: None,
        router: router(new),
        differences: Vec::new(),
        addresses: addresses(new).collect(),
        outcome: Outcome::Elected(new.priority),
    }
}

fn removed(old: &Instance, running: Option<Running>) -> InstanceChange {
    let is_master = running.is_some_and(|running| running.condition == Condition::Master);
    InstanceChange {
        instance: old.name.clone(),
        change: Kind::Removed,
        state: running.map(|running| running.condition),
        router: router(old),
        differences: Vec::new(),
        addresses: addresses(old).collect(),
        outcome: if is_master { Outcome::GivenUp } else { Outcome::Stays },
    }
}

fn changed(old: &Instance, new: &Instance, running: Option<Running>) -> InstanceChange {
    let restarts = restarts(old, new);
    let is_master = running.is_some_and(|running| running.condition == Condition::Master);
    let outcome = match running {
        Some(_) if restarts && is_master => Outcome::Interrupted,
        Some(_) if restarts => Outcome::Elected(new.priority),
        Some(running) => outcome(old, new, running),
        None => Outcome::Stays,
    };
    InstanceChange {
        instance: new.name.clone(),
        change: if restarts { Kind::Restarted } else { Kind::Changed },
        state: running.map(|running| running.condition),
        router: router(new),
        differences: differences(old, new),
        addresses: addresses(if is_master { old } else { new }).collect(),
        outcome,
    }
}

/// What follows from other priorities, and from another will to preempt.
fn outcome(old: &Instance, new: &Instance, running: Running) -> Outcome {
    let priority = if running.handed_over { Priority::MIN } else { adjusted(old, new, running.priority) };
    match (running.condition, running.master) {
        (Condition::Master, _) if priority < running.priority => Outcome::KeptUnlessAbove(priority),
        (Condition::Backup, Some((master, theirs))) if priority > theirs => {
            let delay = match new.preempt {
                Preempt::No => return Outcome::Stays,
                Preempt::Yes => 0.0,
                Preempt::After(delay) => delay.as_secs_f64(),
            };
            Outcome::TakenFrom { master, priority: theirs, delay }
        }
        _ => Outcome::Stays,
    }
}

/// The new priority with what trackers do to the old one.
fn adjusted(old: &Instance, new: &Instance, runs_with: Priority) -> Priority {
    let change = i16::from(runs_with.get()) - i16::from(old.priority.get());
    let sum = i16::from(new.priority.get()) + change;
    // The owner's priority is not changed by anything.
    let highest = if new.priority.get() == 255 { 255 } else { 254 };
    u8::try_from(sum.clamp(1, highest))
        .ok()
        .and_then(|number| Priority::new(number).ok())
        .unwrap_or(new.priority)
}

/// Whether the driver cannot change what differs while the instance runs.
fn restarts(old: &Instance, new: &Instance) -> bool {
    let has_header = |one: &Instance| matches!(one.authentication, Authentication::Ah(_));
    old.interface != new.interface
        || (old.vrid, old.family, old.version) != (new.vrid, new.family, new.version)
        || has_header(old) != has_header(new)
        || old.vmac != new.vmac
}

/// What differs, a line each; what has no words here is `other settings`.
fn differences(old: &Instance, new: &Instance) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |what: &str, old: String, new: String| {
        if old != new {
            lines.push(format!("{what} {old} -> {new}"));
        }
    };
    line("name", old.name.clone(), new.name.clone());
    line("priority", old.priority.to_string(), new.priority.to_string());
    line("interface", old.interface.clone(), new.interface.clone());
    line("virtual_router_id", old.vrid.to_string(), new.vrid.to_string());
    line("version", format!("{:?}", old.version), format!("{:?}", new.version));
    line("advert_int", seconds(old), seconds(new));
    line("preemption", preemption(old.preempt), preemption(new.preempt));
    let (before, after) = (installed(old), installed(new));
    for (net, address) in &after {
        match before.get(net) {
            None => lines.push(format!("add address {net}")),
            Some(known) if known != address => {
                lines.push(format!("address {net} is installed in another way"))
            }
            Some(_) => {}
        }
    }
    lines.extend(
        before.keys().filter(|net| !after.contains_key(*net)).map(|net| format!("remove address {net}")),
    );
    let rest = Instance {
        name: new.name.clone(),
        priority: new.priority,
        interface: new.interface.clone(),
        vrid: new.vrid,
        version: new.version,
        advert_int: new.advert_int,
        preempt: new.preempt,
        addresses: new.addresses.clone(),
        excluded: new.excluded.clone(),
        ..old.clone()
    };
    if rest.authentication != new.authentication {
        lines.push("authentication".to_owned());
    }
    if rest.sending != new.sending {
        lines.push("peers".to_owned());
    }
    if rest.tracks != new.tracks {
        lines.push("what it tracks".to_owned());
    }
    let rest = Instance {
        authentication: new.authentication.clone(),
        sending: new.sending.clone(),
        tracks: new.tracks.clone(),
        ..rest
    };
    if rest != *new || lines.is_empty() {
        lines.push("other settings".to_owned());
    }
    lines
}

fn installed(instance: &Instance) -> BTreeMap<IpNet, &VirtualAddress> {
    instance.addresses.iter().chain(&instance.excluded).map(|address| (address.net, address)).collect()
}

fn addresses(instance: &Instance) -> impl Iterator<Item = IpNet> {
    instance.addresses.iter().chain(&instance.excluded).map(|address| address.net)
}

fn router(instance: &Instance) -> String {
    format!("{}, VRID {}", instance.interface, instance.vrid)
}

fn seconds(instance: &Instance) -> String {
    format!("{} s", instance.advert_int.duration().as_secs_f64())
}

fn preemption(preempt: Preempt) -> String {
    match preempt {
        Preempt::Yes => "at once".to_owned(),
        Preempt::No => "never".to_owned(),
        Preempt::After(delay) => format!("after {} s", delay.as_secs_f64()),
    }
}

fn groups(before: &[Group], after: &[Group]) -> Vec<GroupChange> {
    let members = |groups: &[Group]| -> BTreeMap<String, Vec<String>> {
        groups.iter().map(|group| (group.name.clone(), group.members.clone())).collect()
    };
    let (mut before, after) = (members(before), members(after));
    let mut changes = Vec::new();
    for (group, after) in after {
        let before = before.remove(&group).unwrap_or_default();
        if before != after {
            changes.push(GroupChange { group, before, after });
        }
    }
    changes.extend(before.into_iter().map(|(group, before)| GroupChange {
        group,
        before,
        after: Vec::new(),
    }));
    changes
}

#[cfg(test)]
mod tests;
