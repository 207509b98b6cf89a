use std::num::NonZeroU32;

use lb_core::{
    desired::{RealServer, VirtualService},
    model::{Persistence, SchedulerKind, ServerSpec, ServiceSpec, Weight},
};

use super::*;

const QUIET: [(Sysctl, i64); 4] = [
    (Sysctl::ExpireNodestConn, 0),
    (Sysctl::ExpireQuiescentTemplate, 0),
    (Sysctl::ConnReuseMode, 1),
    (Sysctl::Conntrack, 0),
];

fn settings(values: [(Sysctl, i64); 4]) -> Vec<Setting> {
    values.into_iter().map(|(sysctl, value)| Setting { sysctl, value: Some(value) }).collect()
}

/// Services of one server each.
fn policy(services: &[(&str, OnFailure, bool)]) -> Policy {
    let service = |(key, on_failure, persistent): &(&str, OnFailure, bool)| {
        let mut entry = VirtualService::new(ServiceSpec::new(SchedulerKind::RoundRobin));
        entry.spec.persistence = persistent.then(|| Persistence::seconds(NonZeroU32::MIN));
        let server = RealServer { spec: ServerSpec::masq(Weight::ONE), on_failure: *on_failure };
        entry.servers.insert("192.168.0.1:80".parse().unwrap(), server);
        (key.parse().unwrap(), entry)
    };
    services.iter().map(service).collect()
}

fn advised(policy: &Policy, values: [(Sysctl, i64); 4]) -> Vec<String> {
    advice(&Situation::of(policy), &settings(values)).into_values().collect()
}

#[test]
fn what_matters_is_what_becomes_of_servers_that_are_down() {
    assert_eq!(advised(&Policy::new(), QUIET), [""; 0]);
    let leaving = policy(&[("tcp:10.0.0.1:80", OnFailure::Remove, true)]);
    assert_eq!(
        advised(&leaving, QUIET),
        [
            "expire_nodest_conn is 0: packets of a connection whose server was deleted are dropped in silence, and the \
          connection goes on if the server is added again in time; tcp:10.0.0.1:80 takes out servers that are down: \
          consider `lbctl ipvs sysctl expire_nodest_conn=1`"
        ]
    );
    assert_eq!(advised(&policy(&[("tcp:10.0.0.1:80", OnFailure::Quiesce, false)]), QUIET), [""; 0]);
    let binding = policy(&[
        ("tcp:10.0.0.1:80", OnFailure::Quiesce, false),
        ("tcp:10.0.0.1:81", OnFailure::Quiesce, true),
        ("tcp:10.0.0.1:82", OnFailure::Quiesce, true),
    ]);
    assert_eq!(
        advised(&binding, QUIET),
        [
            "expire_quiescent_template is 0: a client that persistence has bound to a server of weight 0 keeps coming back \
          to it; tcp:10.0.0.1:81 is persistent, and gives servers that are down weight 0: consider `lbctl ipvs sysctl \
          expire_quiescent_template=1`"
        ]
    );
}

#[test]
fn what_is_as_recommended_or_chosen_or_missing_is_passed_over() {
    let all = policy(&[
        ("tcp:10.0.0.1:80", OnFailure::Remove, true),
        ("tcp:10.0.0.1:81", OnFailure::Quiesce, true),
    ]);
    let good = QUIET.map(|(sysctl, _)| (sysctl, sysctl.recommended()));
    assert_eq!(advised(&all, good), [""; 0]);
    let mut other = good;
    (other[2].1, other[3].1) = (0, 1);
    let found = advised(&all, other);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("conn_reuse_mode is 0: a client that uses a port again"), "{found:?}");
    other[2].1 = 2;
    assert_eq!(advised(&all, other), [""; 0]);
    let none: Vec<Setting> = Sysctl::ALL.map(|sysctl| Setting { sysctl, value: None }).into();
    assert!(advice(&Situation::of(&all), &none).is_empty());
}

#[test]
fn without_ipvs_nothing_is_set_or_judged() {
    let mut tuning = Tuning::new("relay");
    let lines = tuning.set(&["expire_nodest_conn=1".parse().unwrap()]);
    assert_eq!(lines, ["sysctl expire_nodest_conn=1 is not set: the data plane is not ipvs"]);
    assert_eq!(tuning.refused(), lines);
    assert_eq!(tuning.judge(&policy(&[("tcp:10.0.0.1:80", OnFailure::Remove, true)])), [""; 0]);
    assert_eq!(tuning.advice().count(), 0);
}
