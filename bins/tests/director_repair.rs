//! A director in this process, and somebody else who changes its data plane.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{fs, sync::Arc, time::Duration};

use lb_balancer::plane::Opened;
use lb_control::{history::History, store::Store};
use lb_core::{
    Change, DataPlane as _, MemoryDataPlane,
    dataplane::{DataPlaneError, ErrorKind},
    model::{SchedulerKind, ServerKey, ServerSpec, ServiceKey, ServiceSpec, ServiceTable, Weight},
};
use lb_director::{
    engine::{Director, Options, Order},
    journal::Journal,
    loading,
};
use lb_runtime::{
    clock::Clock,
    log::{Log, Target},
};
use support::{Lab, PATIENCE};
use tokio::sync::mpsc;

const SERVICE: &str = "tcp:192.0.2.80:80";
const SERVER: &str = "192.0.2.1:80";

/// Runs a director with a server that is always up, and `act` beside it, in this order: what the data plane holds
/// before, the director, the act, the end.
async fn with_director(
    before: &[Change],
    act: impl AsyncFnOnce(&MemoryDataPlane, &dyn Fn(&str) -> usize),
) -> ServiceTable {
    let plane = Arc::new(MemoryDataPlane::new());
    assert!(plane.apply(before).await.unwrap().is_empty());
    with_director_on(plane, act).await
}

/// The same on this data plane.
async fn with_director_on(
    plane: Arc<MemoryDataPlane>,
    act: impl AsyncFnOnce(&MemoryDataPlane, &dyn Fn(&str) -> usize),
) -> ServiceTable {
    let lab = Lab::new("virtual=192.0.2.80:80\n\treal=192.0.2.1:80 masq 3\n\tchecktype=on\n\tcleanstop=no\n");
    let loaded = loading::load(&lab.config(), false).unwrap();
    let clock = Clock::start();
    let path = lab.path("log");
    let log = Log::new(Target::File(path.clone()), clock, "test");
    let options = Options { sync_interval: Duration::from_millis(10), ..Options::new(lab.config()) };
    let opened = Opened { plane: plane.clone(), why: "test".into() };
    let (orders, mut order_queue) = mpsc::channel(1);
    let (_calls, mut call_queue) = mpsc::channel(1);
    let mut director = Director::start(
        options,
        loaded.config,
        opened,
        clock,
        Journal::new(log, History::new(clock, Store::default())),
        Default::default(),
    )
    .await;
    let logged = |text: &str| fs::read_to_string(&path).unwrap().matches(text).count();
    let act = async {
        act(&plane, &logged).await;
        orders.send(Order::Stop).await.unwrap();
    };
    let run = async { tokio::join!(director.run(&mut order_queue, &mut call_queue), act) };
    tokio::time::timeout(PATIENCE, run).await.expect("an end in time");
    plane.snapshot().await.unwrap()
}

async fn until(what: impl AsyncFn() -> bool) {
    while !what().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn keys() -> (ServiceKey, ServerKey) {
    (SERVICE.parse().unwrap(), SERVER.parse().unwrap())
}

async fn weight(plane: &MemoryDataPlane) -> Option<u16> {
    let (service, server) = keys();
    plane.snapshot().await.unwrap().server(&service, &server).map(|spec| spec.weight.get())
}

#[tokio::test]
async fn what_others_change_is_put_right_and_said_once() {
    let (service, server) = keys();
    let after = with_director(&[], async |plane, logged| {
        until(async || weight(plane).await == Some(3)).await;
        assert!(plane.apply(&[Change::RemoveServer { service, server }]).await.unwrap().is_empty());
        until(async || weight(plane).await == Some(3)).await;
        until(async || logged("Put right: ") == 1).await;

        assert!(plane.apply(&[Change::RemoveService { service }]).await.unwrap().is_empty());
        until(async || weight(plane).await == Some(3)).await;
        until(async || logged(&format!("Put right: {SERVICE}")) == 1).await;
        assert_eq!(logged("Added real server"), 1, "a repair is no change of mind");
    })
    .await;
    assert!(after.services.contains_key(&service), "cleanstop=no");
}

#[tokio::test]
async fn a_drain_by_hand_is_undone_and_the_log_names_the_command_that_lasts() {
    let (service, server) = keys();
    let remedy = format!("to drain it use `lbctl drain {SERVER}`");
    with_director(&[], async |plane, logged| {
        until(async || weight(plane).await == Some(3)).await;
        let edit =
            |weight: u16| Change::EditServer { service, server, spec: ServerSpec::masq(Weight::new(weight)) };
        assert!(plane.apply(&[edit(7)]).await.unwrap().is_empty());
        until(async || logged("Put right: ") == 1).await;
        assert_eq!(logged(&remedy), 0, "another weight is no drain");

        assert!(plane.apply(&[edit(0)]).await.unwrap().is_empty());
        until(async || weight(plane).await == Some(3)).await;
        until(async || logged(&format!("although somebody else gave it weight 0: {remedy}")) == 1).await;
        assert!(plane.apply(&[Change::RemoveServer { service, server }]).await.unwrap().is_empty());
        until(async || weight(plane).await == Some(3)).await;
        until(async || logged(&format!("although somebody else removed it: {remedy}")) == 1).await;
        assert_eq!(logged(&remedy), 2);
    })
    .await;
}

#[tokio::test]
async fn what_the_data_plane_refuses_is_said_to_be_added_when_it_is() {
    let (service, _) = keys();
    let plane = Arc::new(MemoryDataPlane::new());
    let error = DataPlaneError::new(ErrorKind::Unsupported, "no such scheduler");
    plane.refuse(service, None, Some(error));
    let added = ["Added virtual server: 192.0.2.80:80", "Added real server: 192.0.2.1:80 (192.0.2.80:80)"];
    with_director_on(plane, async |plane, logged| {
        until(async || logged("The data plane refuses a change") >= 1).await;
        assert_eq!(added.map(logged), [0, 0]);
        plane.refuse(service, None, None);
        until(async || added.map(logged) == [1, 1]).await;
        assert_eq!(weight(plane).await, Some(3));
    })
    .await;
}

#[tokio::test]
async fn a_service_of_somebody_else_is_left_alone() {
    let foreign: ServiceKey = "tcp:192.0.2.99:99".parse().unwrap();
    let add = Change::AddService { service: foreign, spec: ServiceSpec::new(SchedulerKind::RoundRobin) };
    let after = with_director(&[add], async |plane, logged| {
        until(async || weight(plane).await == Some(3)).await;
        until(async || logged(&format!("Left alone, not ours: {foreign}")) == 1).await;
    })
    .await;
    assert!(after.services.contains_key(&foreign));
}

#[tokio::test]
async fn a_server_that_is_in_use_at_the_start_stays_in_use() {
    let (service, server) = keys();
    let spec = ServerSpec::masq(Weight::new(7));
    let before = [
        Change::AddService { service, spec: ServiceSpec::new(SchedulerKind::RoundRobin) },
        Change::AddServer { service, server, spec },
    ];
    with_director(&before, async |plane, logged| {
        until(async || weight(plane).await == Some(3)).await;
        until(async || logged("(found in use)") >= 1).await;
        assert_eq!(logged("Deleted real server"), 0);
    })
    .await;
}
