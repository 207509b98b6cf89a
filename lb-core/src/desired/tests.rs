use proptest::prelude::*;

use super::*;
use crate::{
    model::{SchedulerKind, Thresholds},
    overrides::Override,
    testing,
};

const LIMITS: Thresholds = Thresholds { upper: 10, lower: 5 };

fn key() -> ServiceKey {
    "tcp:10.0.0.1:80".parse().unwrap()
}

fn server(host: u8) -> ServerKey {
    format!("192.168.0.{host}:80").parse().unwrap()
}

/// Three servers of weight 1, 2 and 3, and 127.0.0.1:80 as fallback.
fn service(on_failure: OnFailure, quorum: Quorum) -> Policy {
    let mut service = VirtualService::new(ServiceSpec::new(SchedulerKind::WeightedLeastConnection));
    for host in 1..=3u8 {
        let spec = ServerSpec { thresholds: LIMITS, ..ServerSpec::masq(Weight::new(host.into())) };
        service.servers.insert(server(host), RealServer { spec, on_failure });
    }
    service.fallback = Some(Fallback::new("127.0.0.1:80".parse().unwrap(), ServerSpec::masq(Weight::ONE)));
    service.quorum = quorum;
    Policy::from([(key(), service)])
}

fn health(states: [Health; 3]) -> HealthView {
    let mut view = HealthView::new();
    for (host, health) in (1..).zip(states) {
        view.set(key(), server(host), health);
    }
    view
}

/// The service's servers with their weights, in short.
fn weights(desired: &Desired) -> String {
    let servers = desired.table.services[&key()].servers.iter();
    servers
        .map(|(server, spec)| format!("{server}={} ", spec.weight))
        .collect::<String>()
        .trim_end()
        .to_owned()
}

use Health::{Down, Unknown, Up};

#[test]
fn healthy_servers_have_their_weight_and_failed_ones_leave() {
    let policy = service(OnFailure::Remove, Quorum::AnyServer);
    let desired = desired(&policy, &health([Up, Down, Up]), &Overrides::new(), None);
    assert_eq!(weights(&desired), "192.168.0.1:80=1 192.168.0.3:80=3");
    assert_eq!(desired.decisions[&key()].servers[&server(2)], ServerState::Down);
}

#[test]
fn quiesced_servers_keep_their_thresholds() {
    let policy = service(OnFailure::Quiesce, Quorum::AnyServer);
    let desired = desired(&policy, &health([Up, Down, Up]), &Overrides::new(), None);
    assert_eq!(weights(&desired), "192.168.0.1:80=1 192.168.0.2:80=0 192.168.0.3:80=3");
    assert_eq!(desired.table.server(&key(), &server(2)).unwrap().thresholds, LIMITS);
}

#[test]
fn the_fallback_answers_when_all_are_known_to_be_down_and_not_before() {
    let policy = service(OnFailure::Remove, Quorum::AnyServer);
    let none = Overrides::new();
    let early = desired(&policy, &health([Unknown, Down, Down]), &none, None);
    assert_eq!((weights(&early).as_str(), early.decisions[&key()].quorum), ("", None));
    let late = desired(&policy, &health([Down, Down, Down]), &none, Some(&early));
    assert_eq!(weights(&late), "127.0.0.1:80=1");
    // A server that is added while the fallback answers does not take it out before it is checked.
    let recovering = desired(&policy, &health([Unknown, Down, Down]), &none, Some(&late));
    assert_eq!(weights(&recovering), "127.0.0.1:80=1");
    let back = desired(&policy, &health([Up, Down, Down]), &none, Some(&recovering));
    assert_eq!(weights(&back), "192.168.0.1:80=1");
}

#[test]
fn an_unchecked_server_that_is_in_the_table_stays_there_without_weight() {
    let policy = service(OnFailure::Remove, Quorum::AnyServer);
    let none = Overrides::new();
    let before = desired(&policy, &health([Up, Up, Down]), &none, None);
    let after = desired(&policy, &health([Up, Unknown, Unknown]), &none, Some(&before));
    assert_eq!(weights(&after), "192.168.0.1:80=1 192.168.0.2:80=0");
    let down = desired(&policy, &health([Up, Down, Down]), &none, Some(&after));
    assert_eq!(weights(&down), "192.168.0.1:80=1");
}

#[test]
fn a_fallback_that_is_one_of_the_servers_is_put_in_though_it_is_down() {
    let mut policy = service(OnFailure::Quiesce, Quorum::AnyServer);
    policy.get_mut(&key()).unwrap().fallback =
        Some(Fallback::new(server(1), ServerSpec::masq(Weight::new(7))));
    let desired = desired(&policy, &health([Down, Down, Down]), &Overrides::new(), None);
    assert_eq!(weights(&desired), "192.168.0.1:80=7 192.168.0.2:80=0 192.168.0.3:80=0");
}

#[test]
fn the_operator_goes_before_the_checks() {
    let policy = service(OnFailure::Remove, Quorum::AnyServer);
    let mut overrides = Overrides::new();
    let entry = |action| Override { action, reason: "test".into(), by: None, until: None };
    overrides.set(server(1), None, entry(Action::Drain));
    overrides.set(server(2), Some(key()), entry(Action::Maintenance));
    let now = desired(&policy, &health([Up, Up, Up]), &overrides, None);
    assert_eq!(weights(&now), "192.168.0.1:80=0 192.168.0.3:80=3");
    // A drained server that fails as well is treated as failed.
    let now = desired(&policy, &health([Down, Up, Up]), &overrides, None);
    assert_eq!(weights(&now), "192.168.0.3:80=3");
    overrides.clear(&server(2), Some(&key()));
    assert_eq!(
        weights(&desired(&policy, &health([Down, Up, Up]), &overrides, None)),
        "192.168.0.2:80=2 192.168.0.3:80=3"
    );
}

#[test]
fn a_quorum_by_weight_has_hysteresis_in_both_directions() {
    let policy = service(OnFailure::Remove, Quorum::Weight { up: 4, hysteresis: 1 });
    let none = Overrides::new();
    let full = desired(&policy, &health([Up, Up, Up]), &none, None);
    assert_eq!(full.decisions[&key()].quorum, Some(true));
    // 3 is still 4 - 1.
    let less = desired(&policy, &health([Down, Down, Up]), &none, Some(&full));
    assert_eq!((less.decisions[&key()].quorum, weights(&less).as_str()), (Some(true), "192.168.0.3:80=3"));
    let lost = desired(&policy, &health([Up, Down, Down]), &none, Some(&less));
    assert_eq!((lost.decisions[&key()].quorum, weights(&lost).as_str()), (Some(false), "127.0.0.1:80=1"));
    assert_eq!(lost.decisions[&key()].servers[&server(1)], ServerState::Standby);
    // 4 is not yet 4 + 1.
    let more = desired(&policy, &health([Up, Down, Up]), &none, Some(&lost));
    assert_eq!(more.decisions[&key()].quorum, Some(false));
    let regained = desired(&policy, &health([Down, Up, Up]), &none, Some(&more));
    assert_eq!(regained.decisions[&key()].quorum, Some(true));
}

#[test]
fn no_weight_is_never_a_quorum_however_large_the_hysteresis() {
    let policy = service(OnFailure::Remove, Quorum::Weight { up: 2, hysteresis: 5 });
    let none = Overrides::new();
    let full = desired(&policy, &health([Up, Up, Up]), &none, None);
    let one = desired(&policy, &health([Up, Down, Down]), &none, Some(&full));
    assert_eq!(one.decisions[&key()].quorum, Some(true));
    let gone = desired(&policy, &health([Down, Down, Down]), &none, Some(&one));
    assert_eq!((gone.decisions[&key()].quorum, weights(&gone).as_str()), (Some(false), "127.0.0.1:80=1"));
}

#[test]
fn a_fallback_may_wait_in_the_table_with_weight_0() {
    let mut policy = service(OnFailure::Remove, Quorum::AnyServer);
    let fallback = policy.get_mut(&key()).unwrap().fallback.as_mut().unwrap();
    fallback.unneeded = OnFailure::Quiesce;
    let none = Overrides::new();
    let full = desired(&policy, &health([Up, Down, Down]), &none, None);
    assert_eq!(weights(&full), "127.0.0.1:80=0 192.168.0.1:80=1");
    assert_eq!(full.decisions[&key()].fallback, None);
    let lost = desired(&policy, &health([Down, Down, Down]), &none, Some(&full));
    assert_eq!(weights(&lost), "127.0.0.1:80=1");
}

#[test]
fn without_a_fallback_servers_stay_when_the_quorum_is_lost() {
    let mut policy = service(OnFailure::Remove, Quorum::Weight { up: 5, hysteresis: 0 });
    policy.get_mut(&key()).unwrap().fallback = None;
    let none = Overrides::new();
    let full = desired(&policy, &health([Up, Up, Up]), &none, None);
    let lost = desired(&policy, &health([Up, Up, Down]), &none, Some(&full));
    assert_eq!(lost.decisions[&key()].quorum, Some(false));
    assert_eq!(weights(&lost), "192.168.0.1:80=1 192.168.0.2:80=2");
}

proptest! {
    /// Whatever is known, a failed server never has weight, and a service with a healthy server has one.
    #[test]
    fn failed_servers_get_nothing(
        specs in prop::collection::btree_map(testing::server_key(), (testing::server_spec(), 0..3usize, any::<bool>()), 1..6),
        quiesce in any::<bool>(),
    ) {
        let on_failure = if quiesce { OnFailure::Quiesce } else { OnFailure::Remove };
        let mut service = VirtualService::new(ServiceSpec::new(SchedulerKind::RoundRobin));
        let mut view = HealthView::new();
        let mut overrides = Overrides::new();
        for (server, (spec, health, drained)) in &specs {
            service.servers.insert(*server, RealServer { spec: *spec, on_failure });
            view.set(key(), *server, [Unknown, Up, Down][*health]);
            if *drained {
                overrides.set(*server, None, Override { action: Action::Drain, reason: String::new(), by: None, until: None });
            }
        }
        let desired = desired(&Policy::from([(key(), service)]), &view, &overrides, None);
        for (server, (spec, health, drained)) in &specs {
            let weight = desired.table.server(&key(), server).map(|spec| spec.weight);
            match ([Unknown, Up, Down][*health], drained) {
                (Up, false) => prop_assert_eq!(weight, Some(spec.weight)),
                (Up | Unknown, true) => prop_assert_eq!(weight, Some(Weight::ZERO)),
                _ => prop_assert!(weight.is_none_or(Weight::is_zero)),
            }
        }
    }
}
