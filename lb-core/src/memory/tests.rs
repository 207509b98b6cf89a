use super::*;
use crate::model::{SchedulerKind, ServiceSpec};

fn add(port: u16) -> Change {
    Change::AddService {
        service: ServiceKey::tcp(([10, 0, 0, 1], port).into()),
        spec: ServiceSpec::new(SchedulerKind::RoundRobin),
    }
}

fn lost() -> DataPlaneError {
    DataPlaneError::new(ErrorKind::Unavailable, "the kernel does not answer")
}

#[tokio::test]
async fn a_refused_change_is_named_and_the_rest_is_made() {
    let plane = MemoryDataPlane::new();
    let refused = plane.apply(&[add(80), add(80), add(81)]).await.unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!((refused[0].index, refused[0].error.kind), (1, ErrorKind::Exists));
    assert_eq!(plane.table().services.len(), 2);
    assert_eq!(plane.history(), [add(80), add(81)]);

    let gone = Change::RemoveServer { service: *add(80).service(), server: "10.0.0.9:80".parse().unwrap() };
    assert_eq!(plane.apply(&[gone]).await.unwrap()[0].error.kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn planned_faults_come_once_and_in_order() {
    let plane = MemoryDataPlane::new();
    plane.inject(Fault::FailAfter(1, lost()));
    plane.inject(Fault::Fail(lost()));
    assert_eq!(plane.apply(&[add(80), add(81)]).await, Err(lost()));
    assert_eq!(plane.snapshot().await, Err(lost()));
    assert_eq!(plane.snapshot().await.unwrap().services.len(), 1);
    assert_eq!(plane.calls(), 3);
}
