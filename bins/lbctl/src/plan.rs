//! `lbctl plan`: what a reload would change, for people.

use std::{
    fmt::Write as _,
    path::{self, Path},
};

use lb_config::{
    document::Source,
    keepalived::{self, language},
};
use lb_control::protocol::{
    Connected, GroupChange, InstanceChange, InstanceChangeKind, Outcome, Plan, ProposedConfig, Status, Step,
};

use super::Failure;

/// Reads a file and what it includes, with the rights of whoever calls lbctl, for this daemon.
pub(super) fn read(file: &Path, daemon: &Status) -> Result<ProposedConfig, Failure> {
    let path = path::absolute(file)?;
    let source =
        Source::read(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let mut recorder = language::Recorder::<language::Machine>::default();
    if let Some(config_id) = &daemon.config_id {
        let settings = language::Settings { config_id: config_id.clone(), ..Default::default() };
        // What is wrong with it is said by the daemon.
        let _ = keepalived::load_source(source.clone(), &path, &settings, &mut recorder);
    }
    Ok(ProposedConfig { path, source, included: recorder.finish() })
}

/// The plan as text, without its warnings.
pub fn render(plan: &Plan) -> String {
    let (path, plane) = (plan.config.display(), plan.data_plane.as_str());
    let mut out = String::new();
    if !plan.faults.is_empty() {
        let _ = writeln!(out, "{path} has errors, and would not be taken as a whole:");
        for fault in &plan.faults {
            let _ = writeln!(out, "  {}", fault.summary());
        }
    }
    if !plan.instances.is_empty() || !plan.groups.is_empty() {
        let _ = writeln!(out, "{path} changes in the virtual routers:");
        for change in &plan.instances {
            let _ = writeln!(out, "  {}", instance(change));
        }
        for change in &plan.groups {
            let _ = writeln!(out, "  {}", group(change));
        }
    }
    if plan.steps.is_empty() && plan.later.is_empty() {
        if plane != NO_PLANE {
            let _ = writeln!(out, "{path} changes nothing in the data plane {plane}");
        } else if out.is_empty() {
            let _ = writeln!(out, "{path} changes nothing");
        }
        return out;
    }
    let _ = writeln!(out, "{path} changes in the data plane {plane}:");
    for step in &plan.steps {
        let _ = writeln!(out, "  {}", line(step));
    }
    if !plan.later.is_empty() {
        out += "and when the first checks of servers have passed:\n";
    }
    for step in &plan.later {
        let _ = writeln!(out, "  {}", line(step));
    }
    let steps = plan.steps.iter().chain(&plan.later);
    let connected = steps.filter_map(|step| step.connected).filter(|connected| connected.ends);
    let (active, inactive) = connected.fold((0_u64, 0_u64), |(active, inactive), connected| {
        (active + u64::from(connected.active), inactive + u64::from(connected.inactive))
    });
    let _ = writeln!(out, "{}", ended(active, inactive));
    out
}

/// The data plane where none is needed.
const NO_PLANE: &str = "none";

fn instance(change: &InstanceChange) -> String {
    let verb = match change.change {
        InstanceChangeKind::Added => "add",
        InstanceChangeKind::Removed => "remove",
        InstanceChangeKind::Changed => "change",
        InstanceChangeKind::Restarted => "restart",
    };
    let mut line = format!("{verb} instance {} ({}", change.instance, change.router);
    if let Some(state) = change.state {
        let _ = write!(line, ", {state}");
    }
    line.push(')');
    if !change.differences.is_empty() {
        let _ = write!(line, ": {}", change.differences.join(", "));
    }
    line + &outcome(change)
}

fn outcome(change: &InstanceChange) -> String {
    let addresses: Vec<String> = change.addresses.iter().map(ToString::to_string).collect();
    let them = match &addresses[..] {
        [] => return "; it has no addresses".to_owned(),
        [one] => one.clone(),
        [first, ..] if addresses.len() > 4 => format!("{first} and {} more", addresses.len() - 1),
        all => all.join(", "),
    };
    match change.outcome {
        Outcome::Stays => "; no address moves".to_owned(),
        Outcome::KeptUnlessAbove(priority) => {
            format!("; {them} stay here, unless a router has a priority above {priority}")
        }
        Outcome::TakenFrom { master, priority, delay } => {
            let after = if delay > 0.0 { format!(" after {delay} s") } else { String::new() };
            format!("; {them} move here from {master} (priority {priority}){after}")
        }
        Outcome::GivenUp => format!("; {them} leave this node, and a peer takes over if there is one"),
        Outcome::Interrupted => {
            format!(
                "; {them} leave this node until it is MASTER again, and a peer takes over if there is one"
            )
        }
        Outcome::Elected(priority) => {
            format!("; {them} come here, unless a router with a priority above {priority} has them")
        }
    }
}

fn group(GroupChange { group, before, after }: &GroupChange) -> String {
    match (&before[..], &after[..]) {
        ([], after) => format!("add sync group {group}: {}", after.join(" ")),
        (_, []) => format!("remove sync group {group}"),
        (before, after) => {
            format!("change sync group {group}: {} -> {}", before.join(" "), after.join(" "))
        }
    }
}

fn line(Step { change, connected }: &Step) -> String {
    match connected {
        None => change.to_string(),
        Some(Connected { active: 0, inactive: 0, .. }) => format!("{change}, which has no connections"),
        Some(Connected { active, inactive, ends: true }) => {
            format!("{change}, which ends {active} active and {inactive} inactive connections")
        }
        Some(Connected { active, inactive, ends: false }) => {
            format!("{change}, whose {active} active and {inactive} inactive connections go on")
        }
    }
}

fn ended(active: u64, inactive: u64) -> String {
    match (active, inactive) {
        (0, 0) => "No connection ends.".to_owned(),
        (active, inactive) => format!("{active} active and {inactive} inactive connections end."),
    }
}

#[cfg(test)]
mod tests {
    use lb_core::change::Change;
    use lb_vrrp::Priority;

    use super::*;
    use lb_control::event::Condition;

    fn remove(server: &str, connected: Connected) -> Step {
        let (service, server) = ("tcp:10.0.0.1:80".parse().unwrap(), server.parse().unwrap());
        Step { change: Change::RemoveServer { service, server }, connected: Some(connected) }
    }

    #[test]
    fn what_ends_is_told_by_server_and_in_sum() {
        let mut plan = Plan {
            config: "/etc/ha.d/ldirectord.cf".into(),
            data_plane: "ipvs".to_owned(),
            steps: vec![
                remove("192.168.0.1:80", Connected { active: 12, inactive: 3, ends: true }),
                remove("192.168.0.2:80", Connected { active: 0, inactive: 0, ends: true }),
                remove("192.168.0.3:80", Connected { active: 7, inactive: 0, ends: false }),
                remove("192.168.0.4:80", Connected { active: 1, inactive: 0, ends: true }),
            ],
            later: vec![remove("192.168.0.5:80", Connected { active: 1, inactive: 1, ends: true })],
            ..Plan::default()
        };
        assert_eq!(
            render(&plan),
            "/etc/ha.d/ldirectord.cf changes in the data plane ipvs:\n  \
             remove server 192.168.0.1:80 from tcp:10.0.0.1:80, which ends 12 active and 3 inactive connections\n  \
             remove server 192.168.0.2:80 from tcp:10.0.0.1:80, which has no connections\n  \
             remove server 192.168.0.3:80 from tcp:10.0.0.1:80, whose 7 active and 0 inactive connections go on\n  \
             remove server 192.168.0.4:80 from tcp:10.0.0.1:80, which ends 1 active and 0 inactive connections\n\
             and when the first checks of servers have passed:\n  \
             remove server 192.168.0.5:80 from tcp:10.0.0.1:80, which ends 1 active and 1 inactive connections\n\
             14 active and 4 inactive connections end.\n"
        );
        plan.later.clear();
        plan.steps.retain(|step| step.connected.is_some_and(|connected| !connected.ends));
        assert!(render(&plan).ends_with(" go on\nNo connection ends.\n"));
        plan.steps.clear();
        assert_eq!(render(&plan), "/etc/ha.d/ldirectord.cf changes nothing in the data plane ipvs\n");
    }

    #[test]
    fn what_moves_is_told_with_from_whom() {
        let change = |kind, state, outcome| InstanceChange {
            instance: "web".to_owned(),
            change: kind,
            state,
            router: "eth0, VRID 51".to_owned(),
            differences: vec!["priority 100 -> 200".to_owned()],
            addresses: vec!["10.0.0.100/24".parse().unwrap()],
            outcome,
        };
        let (backup, master) = (Some(Condition::Backup), Some(Condition::Master));
        let [low, high] = [100, 150].map(|priority| Priority::new(priority).unwrap());
        let taken = Outcome::TakenFrom { master: [10, 0, 0, 2].into(), priority: high, delay: 0.0 };
        let plan = Plan {
            config: "k.conf".into(),
            data_plane: "none".to_owned(),
            instances: vec![
                change(InstanceChangeKind::Changed, backup, taken),
                change(InstanceChangeKind::Changed, master, Outcome::KeptUnlessAbove(low)),
                change(InstanceChangeKind::Removed, master, Outcome::GivenUp),
                InstanceChange {
                    differences: Vec::new(),
                    ..change(InstanceChangeKind::Added, None, Outcome::Elected(low))
                },
            ],
            groups: vec![GroupChange {
                group: "G".to_owned(),
                before: vec!["a".to_owned()],
                after: Vec::new(),
            }],
            ..Plan::default()
        };
        assert_eq!(
            render(&plan),
            "k.conf changes in the virtual routers:\n  \
             change instance web (eth0, VRID 51, BACKUP): priority 100 -> 200; 10.0.0.100/24 move here from 10.0.0.2 (priority 150)\n  \
             change instance web (eth0, VRID 51, MASTER): priority 100 -> 200; 10.0.0.100/24 stay here, unless a router has a priority above 100\n  \
             remove instance web (eth0, VRID 51, MASTER): priority 100 -> 200; 10.0.0.100/24 leave this node, and a peer takes over if there is one\n  \
             add instance web (eth0, VRID 51); 10.0.0.100/24 come here, unless a router with a priority above 100 has them\n  \
             remove sync group G\n"
        );
        let nothing = Plan { instances: Vec::new(), groups: Vec::new(), ..plan };
        assert_eq!(render(&nothing), "k.conf changes nothing\n");
    }
}
