use proptest::prelude::*;

use super::*;
use crate::{
    memory::{Fault, MemoryDataPlane},
    model::{SchedulerKind, ServerKey, ServerSpec, Service, ServiceSpec, Weight},
    testing,
};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn table(ports: impl IntoIterator<Item = u16>) -> ServiceTable {
    ports.into_iter().fold(ServiceTable::new(), |table, port| {
        let service = Service::new(ServiceSpec::new(SchedulerKind::RoundRobin))
            .with_server("192.168.0.1:80".parse::<ServerKey>().unwrap(), ServerSpec::masq(Weight::ONE));
        table.with_service(key(port), service)
    })
}

fn key(port: u16) -> ServiceKey {
    ServiceKey::tcp(([10, 0, 0, 1], port).into())
}

fn start(held: ServiceTable) -> (Arc<MemoryDataPlane>, Reconciler) {
    let plane = Arc::new(MemoryDataPlane::with_table(held));
    (plane.clone(), Reconciler::new(plane))
}

#[tokio::test]
async fn foreign_services_are_reported_and_left_alone() {
    let (plane, mut reconciler) = start(table([22]));
    let report = reconciler.sync(&table([80])).await.unwrap();
    assert_eq!(report.foreign, BTreeSet::from([key(22)]));
    assert_eq!(plane.table(), table([22, 80]));
    reconciler.sync(&table([])).await.unwrap();
    assert_eq!(plane.table(), table([22]));
}

#[tokio::test]
async fn a_table_that_is_right_already_is_not_touched() {
    let (plane, mut reconciler) = start(table([80, 81]));
    assert_eq!(reconciler.sync(&table([80, 81])).await.unwrap(), Report::default());
    assert_eq!(plane.history(), []);
}

#[tokio::test]
async fn adopted_services_go_when_they_are_not_desired() {
    let (plane, mut reconciler) = start(table([80, 81]));
    reconciler.adopt([key(81)]);
    reconciler.sync(&table([80])).await.unwrap();
    assert_eq!(plane.table(), table([80]));
}

#[tokio::test]
async fn a_plan_is_what_a_full_sync_then_does() {
    let (plane, mut reconciler) = start(table([22]));
    assert_eq!(reconciler.plan(&table([80])).await.unwrap().len(), 2, "nothing is owned yet");
    reconciler.sync(&table([80, 81])).await.unwrap();
    plane.interfere(|held| {
        held.services.remove(&key(81));
    });
    let before = plane.table();
    let plan = reconciler.plan(&table([81, 82])).await.unwrap();
    assert_eq!(plane.table(), before);
    assert_eq!(plan.last(), Some(&Change::RemoveService { service: key(80) }));
    assert_eq!(reconciler.full_sync(&table([81, 82])).await.unwrap().applied, plan);
    plane.inject(Fault::Fail(DataPlaneError::new(ErrorKind::Unavailable, "gone")));
    assert_eq!(reconciler.plan(&table([81])).await.unwrap_err().kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn what_others_did_is_found_by_a_full_sync_and_put_right() {
    let (plane, mut reconciler) = start(table([]));
    reconciler.sync(&table([80])).await.unwrap();
    let stranger: ServerKey = "192.168.0.66:80".parse().unwrap();
    plane.interfere(|table| {
        table.services.get_mut(&key(80)).unwrap().servers =
            [(stranger, ServerSpec::masq(Weight::ONE))].into_iter().collect();
    });
    assert_eq!(reconciler.sync(&table([80])).await.unwrap(), Report::default(), "a cheap sync does not look");
    let report = reconciler.full_sync(&table([80])).await.unwrap();
    assert_eq!(report.interference.len(), 2);
    assert_eq!(report.applied.len(), 2);
    assert_eq!(plane.table(), table([80]));
}

#[tokio::test]
async fn a_service_that_was_given_up_is_foreign_when_it_comes_back() {
    let (plane, mut reconciler) = start(table([]));
    reconciler.sync(&table([80])).await.unwrap();
    reconciler.sync(&table([])).await.unwrap();
    plane.interfere(|held| *held = table([80]));
    let report = reconciler.full_sync(&table([])).await.unwrap();
    assert_eq!(report.foreign, BTreeSet::from([key(80)]));
    assert_eq!(plane.table(), table([80]));
}

#[tokio::test]
async fn a_refused_change_is_tried_again() {
    let (plane, mut reconciler) = start(table([]));
    let error = DataPlaneError::new(ErrorKind::Unsupported, "no such scheduler");
    plane.refuse(key(80), None, Some(error.clone()));
    let report = reconciler.sync(&table([80, 81])).await.unwrap();
    // So is its server, which has no service to go to; that goes without saying.
    assert_eq!(report.refused.len(), 1);
    assert_eq!(report.refused[0].1, error);
    assert_eq!(plane.table(), table([81]));
    // Meanwhile what others do is found as ever.
    plane.interfere(|held| *held = table([]));
    let report = reconciler.full_sync(&table([80, 81])).await.unwrap();
    assert_eq!((report.interference.len(), report.refused.len()), (1, 1));
    assert_eq!(plane.table(), table([81]));
    plane.refuse(key(80), None, None);
    let report = reconciler.sync(&table([80, 81])).await.unwrap();
    assert_eq!((report.applied.len(), report.refused.len()), (2, 0));
}

proptest! {
    /// Faults, interference and new wishes in any order: once the faults are over, one sync is enough, and
    /// foreign services are as they were.
    #[test]
    fn one_quiet_sync_is_enough(
        held in testing::table(),
        steps in prop::collection::vec((testing::table(), testing::table(), 0usize..4, any::<bool>()), 1..6),
    ) {
        block_on(async {
            let (plane, mut reconciler) = start(held.clone());
            let mut wanted = ServiceTable::new();
            let mut ever_wanted = BTreeSet::new();
            for (desired, disturbance, fault, full) in steps {
                match fault {
                    0 => plane.inject(Fault::Fail(DataPlaneError::new(ErrorKind::Unavailable, "gone"))),
                    1 => plane.inject(Fault::FailAfter(2, DataPlaneError::new(ErrorKind::Unavailable, "gone"))),
                    2 => plane.interfere(|table| {
                        for (key, service) in disturbance.services {
                            table.services.insert(key, service);
                        }
                    }),
                    _ => {}
                }
                ever_wanted.extend(desired.services.keys().copied());
                wanted = desired;
                let _ = if full { reconciler.full_sync(&wanted).await } else { reconciler.sync(&wanted).await };
            }
            while plane.snapshot().await.is_err() {}
            reconciler.full_sync(&wanted).await.unwrap();
            let reached = plane.table();
            for (key, service) in &wanted.services {
                assert_eq!(reached.services.get(key), Some(service));
            }
            for key in held.services.keys().filter(|key| !ever_wanted.contains(key)) {
                assert!(reached.services.contains_key(key), "foreign {key} was removed");
            }
        });
    }
}
