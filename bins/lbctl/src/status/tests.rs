use lb_control::protocol::Maintenance;
use lb_failover::view::sample::{NOW, Sample};
use lb_runtime::clock::ctime;

use super::*;

/// Process and version change from run to run.
fn fixed(mut status: Status) -> Status {
    status.pid = 4711;
    status.version = "0.0.0".to_owned();
    status
}

#[test]
fn instances_groups_and_trackers_are_shown() {
    let sample = Sample::new();
    let view = sample.view();
    let mut text = render(&fixed(view.status()));
    for instance in &view.instances {
        // Local time differs from machine to machine.
        text = text.replace(&ctime(instance.since), "TIME");
    }
    assert_eq!(text, include_str!("../golden/status.txt"));
}

#[test]
fn one_instance_is_shown_with_all_that_is_known_of_it() {
    let sample = Sample::new();
    let mut view = sample.view();
    view.instances.retain(|instance| instance.config.name == "VI_3");
    view.groups.clear();
    view.trackers.clear();
    assert_eq!(render(&fixed(view.status())), include_str!("../golden/status-instance.txt"));
}

#[test]
fn maintenance_and_a_refused_configuration_are_seen_first() {
    let sample = Sample::new();
    let mut view = sample.view();
    let maintenance = Maintenance { reason: "new kernel".to_owned(), by: None, since: NOW, until: None };
    view.maintenance = Some(&maintenance);
    view.config_error = Some("line 3: no");
    let text = render(&view.status());
    let line = |number| text.lines().nth(number).unwrap();
    assert_eq!(line(1), "PROBLEM: the newest configuration was refused: line 3: no");
    assert_eq!(line(2), "MAINTENANCE: new kernel");
}

#[test]
fn it_survives_the_way_over_the_socket() {
    let sample = Sample::new();
    let status = sample.view().status();
    let line = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<Status>(&line).unwrap(), status);
}
