//! `lbctl plan`: what a reload would change, for people.

use std::fmt::Write as _;

use crate::control::protocol::{Connected, Plan, Step};

/// The plan as text.
pub fn render(plan: &Plan) -> String {
    let mut out = String::new();
    for warning in &plan.warnings {
        let _ = writeln!(out, "{warning}");
    }
    let (path, plane) = (plan.config.display(), &plan.data_plane);
    if plan.steps.is_empty() && plan.later.is_empty() {
        let _ = writeln!(out, "{path} changes nothing in the data plane {plane}");
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

    use super::*;

    fn remove(server: &str, connected: Connected) -> Step {
        let (service, server) = ("tcp:10.0.0.1:80".parse().unwrap(), server.parse().unwrap());
        Step { change: Change::RemoveServer { service, server }, connected: Some(connected) }
    }

    #[test]
    fn what_ends_is_told_by_server_and_in_sum() {
        let mut plan = Plan {
            config: "/etc/ha.d/ldirectord.cf".into(),
            warnings: Vec::new(),
            data_plane: "ipvs".to_owned(),
            steps: vec![
                remove("192.168.0.1:80", Connected { active: 12, inactive: 3, ends: true }),
                remove("192.168.0.2:80", Connected { active: 0, inactive: 0, ends: true }),
                remove("192.168.0.3:80", Connected { active: 7, inactive: 0, ends: false }),
                remove("192.168.0.4:80", Connected { active: 1, inactive: 0, ends: true }),
            ],
            later: vec![remove("192.168.0.5:80", Connected { active: 1, inactive: 1, ends: true })],
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
        plan.warnings.push("a.cf:1: warning: odd".to_owned());
        assert_eq!(
            render(&plan),
            "a.cf:1: warning: odd\n/etc/ha.d/ldirectord.cf changes nothing in the data plane ipvs\n"
        );
    }
}
