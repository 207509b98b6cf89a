//! `lbctl metrics`: what can be counted, in the text format of Prometheus (version 0.0.4), for its node exporter's
//! textfile collector or a scrape by command.

use std::fmt::Write as _;

use lb_control::{
    event::Condition,
    protocol::{InstanceStatus, Status},
};
use lb_vrrp::track;

/// All metrics of a daemon.
pub fn render(status: &Status) -> String {
    let mut page = Page(String::new());
    page.family("lb_up_seconds", "gauge", "Seconds since the daemon started.");
    page.sample("lb_up_seconds", &[("program", &status.program)], status.uptime);
    page.family("lb_config_refused", "gauge", "1 when the newest configuration was not taken.");
    page.sample("lb_config_refused", &[], f64::from(u8::from(status.config_error.is_some())));
    let help = "Blocks of the newest configuration that were left out or kept, since they have errors.";
    page.family("lb_config_blocks_with_errors", "gauge", help);
    page.sample("lb_config_blocks_with_errors", &[], status.faults.len() as f64);
    page.family("lb_maintenance", "gauge", "1 while the whole node is in maintenance.");
    page.sample("lb_maintenance", &[], f64::from(u8::from(status.maintenance.is_some())));
    instances(&mut page, &status.instances);
    if !status.trackers.is_empty() {
        page.family("lb_tracker_up", "gauge", "1 up, 0 down or not known; the number of a tracked file.");
        for tracker in &status.trackers {
            let value = match tracker.status {
                track::Status::Up => 1.0,
                track::Status::Down | track::Status::Unknown => 0.0,
                track::Status::Value(value) => f64::from(value),
            };
            page.sample("lb_tracker_up", &[("tracker", &tracker.tracker.to_string())], value);
        }
    }
    services(&mut page, status);
    page.0
}

type Gauge = (&'static str, &'static str, &'static str, fn(&InstanceStatus) -> f64);

fn instances(page: &mut Page, instances: &[InstanceStatus]) {
    if instances.is_empty() {
        return;
    }
    page.family("lb_instance_state", "gauge", "1 for the state that the instance is in.");
    for instance in instances {
        for state in [Condition::Init, Condition::Backup, Condition::Master, Condition::Fault] {
            let labels = [("instance", instance.name.as_str()), ("state", &state.to_string())];
            page.sample("lb_instance_state", &labels, f64::from(u8::from(state == instance.state)));
        }
    }
    #[rustfmt::skip]
    let gauges: [Gauge; 12] = [
        ("lb_instance_state_seconds", "gauge", "Seconds for which it has been in its state.", |i| i.since),
        ("lb_instance_priority", "gauge", "The priority that it runs with.", |i| f64::from(i.priority.get())),
        ("lb_instance_base_priority", "gauge", "The configured priority.", |i| f64::from(i.base_priority.get())),
        ("lb_instance_addresses", "gauge", "Addresses that are configured.", |i| i.addresses.len() as f64),
        ("lb_instance_addresses_installed", "gauge", "Addresses that are installed.", |i| i.installed as f64),
        ("lb_instance_became_master_total", "counter", "How often it became MASTER.", |i| i.counters.became_active as f64),
        ("lb_instance_adverts_sent_total", "counter", "Adverts sent.", |i| i.counters.sent as f64),
        ("lb_instance_adverts_unsent_total", "counter", "Adverts that could not be sent.", |i| i.counters.unsent as f64),
        ("lb_instance_adverts_received_total", "counter", "Adverts accepted.", |i| i.counters.received as f64),
        ("lb_instance_adverts_dropped_total", "counter", "Messages dropped, for whatever reason.", |i| i.counters.dropped as f64),
        ("lb_instance_late_total", "counter", "Timeouts that came later than others wait.", |i| i.counters.late as f64),
        ("lb_instance_auth_failures_total", "counter", "Messages whose authentication failed.", |i| i.counters.auth_failures as f64),
    ];
    for (name, kind, help, value) in gauges {
        page.family(name, kind, help);
        for instance in instances {
            page.sample(name, &[("instance", &instance.name)], value(instance));
        }
    }
    if instances.iter().all(|instance| instance.dropped.is_empty()) {
        return;
    }
    let name = "lb_instance_adverts_dropped_lately";
    page.family(
        name,
        "gauge",
        "Adverts that were dropped lately, by sender and reason; four pairs at the most.",
    );
    for instance in instances {
        for dropped in &instance.dropped {
            let labels = [
                ("instance", instance.name.as_str()),
                ("source", &dropped.source.to_string()),
                ("reason", &dropped.reason),
            ];
            page.sample(name, &labels, dropped.count as f64);
        }
    }
}

fn services(page: &mut Page, status: &Status) {
    if status.services.is_empty() {
        return;
    }
    page.family("lb_server_up", "gauge", "1 when the checks of the real server are passed.");
    for service in &status.services {
        for server in &service.servers {
            let labels = [("service", &*service.service.to_string()), ("server", &server.server.to_string())];
            let up = server.check.health == lb_core::Health::Up;
            page.sample("lb_server_up", &labels, f64::from(u8::from(up)));
        }
    }
    page.family("lb_server_connections_total", "counter", "Connections to the real server.");
    for service in &status.services {
        for server in &service.servers {
            let labels = [("service", &*service.service.to_string()), ("server", &server.server.to_string())];
            page.sample("lb_server_connections_total", &labels, server.counters.traffic.connections as f64);
        }
    }
}

/// A page of metrics.
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0 += name;
        for (place, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{text}\"", if place == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

#[cfg(test)]
mod tests;
