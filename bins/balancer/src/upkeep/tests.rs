use std::sync::Arc;

use lb_core::{
    MemoryDataPlane,
    model::{SchedulerKind, Service, ServiceSpec},
};

use super::*;

#[tokio::test]
async fn what_is_not_ours_is_listed_as_long_as_it_is_there_and_said_when_it_comes() {
    let plane = Arc::new(MemoryDataPlane::new());
    let opened = Opened { plane: plane.clone(), why: "for a test".to_owned() };
    let mut upkeep = Upkeep::new(opened, Duration::ZERO, Clock::start());
    let nothing = ServiceTable::new();
    let other: ServiceKey = "tcp:10.0.0.9:80".parse().unwrap();
    let theirs =
        || ServiceTable::new().with_service(other, Service::new(ServiceSpec::new(SchedulerKind::RoundRobin)));
    for _ in 0..2 {
        plane.interfere(|held| *held = theirs());
        let found = upkeep.beat(&nothing).await;
        assert!(matches!(&found[..], [Finding::Event(Event { what: What::Foreign, .. })]), "{found:?}");
        assert_eq!(upkeep.beat(&nothing).await, []);
        assert_eq!(upkeep.foreign(), &BTreeSet::from([other]));
        plane.interfere(|held| *held = ServiceTable::new());
        assert_eq!(upkeep.beat(&nothing).await, []);
        assert_eq!(upkeep.foreign(), &BTreeSet::new());
    }
}
