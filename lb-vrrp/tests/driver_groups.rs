//! Sync groups, faults and many orders at once, on a machine in memory.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, reason = "as in any test")]

mod driver_memory;

use std::time::Duration;

use driver_memory::{Done, InMemory, Memory};
use lb_vrrp::{
    Cause, Config, Event, Farewell, Priority, State, Vrid,
    driver::{
        Control, ControlError, Driver, DriverError, Happening, Instance, LinkState, Notice, Notices, Order,
        Resignation, Snapshot, Told,
    },
};
use tokio::sync::oneshot;

const NAMES: [&str; 2] = ["inside", "outside"];

struct Running {
    control: Control,
    notices: Notices,
    _stop: oneshot::Sender<()>,
    _task: tokio::task::JoinHandle<Result<Snapshot, DriverError>>,
}

fn instance(name: &str, interface: &str, vrid: u8) -> Instance {
    let address = std::net::IpAddr::from([10, 0, 0, 100 + vrid]);
    let config = Config::v3(Vrid::new(vrid).unwrap(), [address]);
    Instance::new(name, interface, config.priority(Priority::new(200).unwrap()).build().unwrap())
}

/// Two instances, in a group if so wanted.
fn start(memory: &Memory, grouped: bool) -> Running {
    let mut driver = Driver::new(InMemory::new(memory));
    driver.keep_notices(10_000);
    for (name, vrid) in NAMES.into_iter().zip([51, 52]) {
        driver.add(instance(name, "eth0", vrid)).unwrap();
    }
    if grouped {
        driver.add_group("both", NAMES).unwrap();
        assert!(matches!(driver.add_group("both", []), Err(ControlError::Group(_))));
        assert!(matches!(driver.add_group("more", ["inside"]), Err(ControlError::Group(_))));
        assert!(matches!(driver.add_group("more", ["nobody"]), Err(ControlError::Unknown(_))));
    }
    run(driver)
}

fn run(driver: Driver<InMemory>) -> Running {
    let (control, notices) = driver.handles();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(driver.run(async { drop(stopped.await) }));
    Running { control, notices, _stop: stop, _task: task }
}

impl Running {
    async fn until(&mut self, mut is_it: impl FnMut(&Notice) -> bool) -> Notice {
        let wait = async {
            while let Some(told) = self.notices.next().await {
                let Told::Notice(notice) = told else { panic!("{told:?}") };
                if is_it(&notice) {
                    return notice;
                }
            }
            panic!("the driver ended");
        };
        tokio::time::timeout(Duration::from_secs(600), wait).await.expect("it is never told")
    }

    async fn until_group(&mut self, wanted: State) {
        let is_it = |notice: &Notice| {
            *notice.instance == *"both" && matches!(notice.what, Happening::Group { to, .. } if to == wanted)
        };
        self.until(is_it).await;
    }

    async fn states(&self) -> Vec<State> {
        self.control.status_of_all().await.unwrap().into_iter().map(|status| status.state).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn members_are_active_together_and_yield_together() {
    let memory = Memory::new();
    let mut running = start(&memory, true);
    running.until_group(State::Active).await;
    assert_eq!(running.states().await, [State::Active; 2]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = memory.done().len();
    memory.hear("10.0.0.2", 255, 100);
    running.until_group(State::Backup).await;
    assert_eq!(running.states().await, [State::Backup; 2]);
    assert!(memory.done()[before..].contains(&Done::Sent(0)), "the other one resigns");
    let status = running.control.status("outside").await.unwrap();
    assert!(status.lingers, "with its addresses");
    // The one that hears a greater priority holds the other.
    for _ in 0..20 {
        memory.hear("10.0.0.2", 255, 100);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(running.states().await, [State::Backup; 2]);
}

#[tokio::test(start_paused = true)]
async fn members_hand_over_together_or_not_at_all() {
    let memory = Memory::new();
    let mut running = start(&memory, true);
    running.until_group(State::Active).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let removed = || memory.done().iter().filter(|done| matches!(done, Done::Removed(_))).count();
    let (before, removed_before) = (memory.done().len(), removed());
    // Nobody comes.
    running.control.hand_over("inside").await.unwrap();
    let mut alone = std::collections::BTreeSet::new();
    let both = |notice: &Notice| {
        if matches!(notice.what, Happening::Router(Event::NoSuccessor)) {
            alone.insert(notice.instance.clone());
        }
        alone.len() == NAMES.len()
    };
    running.until(both).await;
    assert_eq!(running.states().await, [State::Active; 2]);
    let resigned = memory.done()[before..].iter().filter(|done| **done == Done::Sent(0)).count();
    assert_eq!((resigned, removed()), (2, removed_before));
    // One of them is taken over: the other one follows.
    running.control.hand_over("outside").await.unwrap();
    memory.hear("10.0.0.2", 50, 100);
    running.until_group(State::Backup).await;
    assert_eq!(running.states().await, [State::Backup; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_one_is_a_fault_of_all() {
    let memory = Memory::new();
    let mut running = start(&memory, true);
    running.until_group(State::Active).await;
    running.control.fault("outside", Farewell::Linger).await.unwrap();
    running.until_group(State::Initialize).await;
    assert_eq!(running.states().await, [State::Initialize; 2]);
    let all = running.control.status_of_all().await.unwrap();
    assert_eq!(all.iter().map(|status| status.fault).collect::<Vec<_>>(), [false, true]);
    assert!(all.iter().all(|status| status.lingers));
    assert!(running.control.groups().await.unwrap()[0].fault);
    running.control.recovered("outside").await.unwrap();
    running.until_group(State::Active).await;

    memory.set_up(false);
    running.until_group(State::Initialize).await;
    assert_eq!(running.states().await, [State::Initialize; 2]);
    // What comes back is not what was asked for as long as there is a fault.
    running.control.fault("inside", Farewell::Silent).await.unwrap();
    memory.set_up(true);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(running.states().await, [State::Initialize; 2]);
    running.control.recovered("inside").await.unwrap();
    running.until_group(State::Active).await;
}

#[tokio::test(start_paused = true)]
async fn members_come_and_go() {
    let memory = Memory::new();
    let mut running = start(&memory, false);
    running.control.fault("outside", Farewell::Silent).await.unwrap();
    let both: Vec<String> = NAMES.map(str::to_owned).into();
    running.control.add_group("both", both.clone()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(running.states().await, [State::Initialize; 2]);
    running.control.change_group("both", vec!["inside".to_owned()]).await.unwrap();
    running.until_group(State::Active).await;
    assert_eq!(running.states().await, [State::Active, State::Initialize]);
    let groups = running.control.groups().await.unwrap();
    assert_eq!(groups[0].members.iter().map(|name| &**name).collect::<Vec<_>>(), ["inside"]);

    running.control.recovered("outside").await.unwrap();
    running.control.change_group("both", both).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(running.states().await, [State::Active; 2]);
    assert_eq!(running.control.groups().await.unwrap()[0].members.len(), 2);
    running.control.remove("inside").await.unwrap();
    assert_eq!(running.control.groups().await.unwrap()[0].members.len(), 1);
    running.control.remove_group("both").await.unwrap();
    assert_eq!(running.control.groups().await.unwrap(), []);
    // By itself it follows nobody.
    running.control.step_down("outside", Farewell::Linger).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(running.states().await, [State::Active]);
    assert!(running.control.remove_group("both").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_instance_with_a_fault_takes_no_part() {
    let memory = Memory::new();
    let running = start(&memory, false);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let fault = |name: &str| (name.to_owned(), Order::Fault(Farewell::Resign));
    let priority = Order::Priority(Priority::new(7).unwrap());
    let orders = vec![fault("inside"), fault("nobody"), ("outside".to_owned(), priority)];
    let failed = running.control.orders(orders).await.unwrap();
    assert_eq!(failed, [ControlError::Unknown("nobody".to_owned())]);
    assert_eq!(running.states().await, [State::Initialize, State::Active]);
    assert_eq!(running.control.status("outside").await.unwrap().priority.get(), 7);
    // Neither an order to start nor the link makes it take part.
    running.control.startup("inside").await.unwrap();
    memory.set_up(false);
    memory.set_up(true);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(running.states().await, [State::Initialize, State::Active]);
    running.control.recovered("inside").await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(running.states().await, [State::Active; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_state_comes_with_what_it_was_based_on() {
    let memory = Memory::new();
    let mut running = start(&memory, false);
    let is_active = |notice: &Notice| {
        matches!(
            notice.what,
            Happening::Router(Event::State { to: State::Active, cause: Cause::Silence, .. })
        )
    };
    let notice = running.until(is_active).await;
    let basis = notice.basis.unwrap();
    assert_eq!((basis.heard, basis.adverts), (None, 3));
    assert!(basis.late().is_some());
    let status = running.control.status(&notice.instance).await.unwrap();
    assert_eq!(status.basis, Some(*basis));
    memory.hear("10.0.0.2", 255, 100);
    let is_backup = |notice: &Notice| {
        matches!(notice.what, Happening::Router(Event::State { from: State::Active, to: State::Backup, .. }))
    };
    let basis = running.until(is_backup).await.basis.unwrap();
    assert_eq!(basis.heard.unwrap().source, "10.0.0.2".parse::<std::net::IpAddr>().unwrap());
    let snapshot = running.control.snapshot_of(vec!["inside".to_owned(), "nobody".to_owned()]).await.unwrap();
    assert_eq!(snapshot.instances.keys().collect::<Vec<_>>(), ["inside"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_predecessor_left_stays_while_it_waits_to_be_started() {
    let second = Duration::from_secs(1);
    for grouped in [false, true] {
        let waiting = || {
            let memory = Memory::new();
            ["10.0.0.151", "10.0.0.152"].iter().for_each(|address| memory.leave_behind(address));
            let mut driver = Driver::new(InMemory::new(&memory));
            for (name, vrid) in NAMES.into_iter().zip([51, 52]) {
                let mut instance = instance(name, "eth0", vrid);
                instance.starts = false;
                driver.add(instance).unwrap();
            }
            if grouped {
                driver.add_group("both", NAMES).unwrap();
            }
            (run(driver), memory)
        };
        let removed = |memory: &Memory| {
            memory.done().into_iter().filter(|done| matches!(done, Done::Removed(_))).count()
        };
        let order_all = async |running: &Running, order| {
            let orders = NAMES.map(|name| (name.to_owned(), order)).into();
            assert_eq!(running.control.orders(orders).await.unwrap(), []);
        };
        // Started in time, it has them all along.
        let (running, memory) = waiting();
        tokio::time::sleep(3 * second).await;
        assert_eq!(running.states().await, [State::Initialize; 2]);
        order_all(&running, Order::Startup).await;
        tokio::time::sleep(10 * second).await;
        assert_eq!(running.states().await, [State::Active; 2]);
        assert_eq!(removed(&memory), 0);
        // Told not to take part, it lets them go; and it does after a while.
        for order in [Some(Order::Shutdown(Farewell::Silent)), Some(Order::Fault(Farewell::Silent)), None] {
            let (running, memory) = waiting();
            tokio::time::sleep(second).await;
            assert_eq!(removed(&memory), 0);
            match order {
                Some(order) => order_all(&running, order).await,
                None => tokio::time::sleep(10 * second).await,
            }
            tokio::time::sleep(second).await;
            assert_eq!(removed(&memory), 2, "{order:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_interface_that_does_not_exist_yet_is_waited_for() {
    let memory = Memory::new();
    let mut driver = Driver::new(InMemory::new(&memory));
    driver.add(instance("inside", "later0", 51)).unwrap();
    let mut running = run(driver);
    running.until(|notice| matches!(notice.what, Happening::Link(LinkState::Gone))).await;
    memory.rename("eth0", "later0");
    running.until(|notice| matches!(notice.what, Happening::Link(LinkState::Ready))).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(running.states().await, [State::Active]);
    memory.rename("later0", "eth0");
    running.until(|notice| matches!(notice.what, Happening::Link(LinkState::Gone))).await;
    assert_eq!(running.states().await, [State::Initialize]);
    memory.rename("eth0", "later0");
    running.until(|notice| matches!(notice.what, Happening::Link(LinkState::Ready))).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(running.states().await, [State::Active]);
}

#[tokio::test(start_paused = true)]
async fn resignations_are_made_ahead_for_who_is_active() {
    let memory = Memory::new();
    let running = start(&memory, false);
    assert_eq!(running.control.resignations().await.unwrap(), []);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let made = running.control.resignations().await.unwrap();
    let text = serde_json::to_string(&made).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Resignation>>(&text).unwrap(), made);
    assert_eq!(made.iter().map(|one| one.instance.as_str()).collect::<Vec<_>>(), NAMES);
    for one in &made {
        assert_eq!((one.interface, one.mac, one.ttl), (2, None, 255));
        assert_eq!(
            (one.source.to_string(), one.destination.to_string()),
            ("10.0.0.1".into(), "224.0.0.18".into())
        );
        assert_eq!(one.payload[2], 0);
    }
    let inside = vec!["inside".to_owned(), "nobody".to_owned()];
    let of_one = running.control.resignations_of(inside).await.unwrap();
    assert_eq!(of_one, made.iter().filter(|one| one.instance == "inside").cloned().collect::<Vec<_>>());
    assert!(!memory.done().contains(&Done::Sent(0)), "it is not sent");
}
