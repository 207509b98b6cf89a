//! What of its interface keeps an instance from taking part, and what does not, on a machine in memory.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, reason = "as in any test")]

mod driver_memory;

use std::{net::IpAddr, time::Duration};

use driver_memory::{InMemory, Memory, VIP};
use lb_vrrp::{
    Config, State, Vrid,
    driver::{Control, Driver, Happening, Instance, LinkState, Notice, Notices, Told},
};

const A_WHILE: Duration = Duration::from_secs(30);

fn instance(vrid: u8) -> Instance {
    let config = Config::v3(Vrid::new(vrid).unwrap(), [VIP.parse().unwrap()]);
    Instance::new("test", "eth0", config.build().unwrap())
}

fn with(change: impl FnOnce(&mut Instance)) -> Instance {
    let mut instance = instance(51);
    change(&mut instance);
    instance
}

fn start(memory: &Memory, instance: Instance) -> (Control, Notices) {
    let mut driver = Driver::new(InMemory::new(memory));
    driver.add(instance).unwrap();
    let handles = driver.handles();
    tokio::spawn(driver.run(std::future::pending()));
    handles
}

async fn state_after_a_while(control: &Control) -> (State, LinkState) {
    tokio::time::sleep(A_WHILE).await;
    let status = control.status("test").await.unwrap();
    (status.state, status.link)
}

#[tokio::test(start_paused = true)]
async fn who_does_not_heed_its_link_stays_active_without_it() {
    for heeds in [true, false] {
        let memory = Memory::new();
        let (control, _notices) = start(&memory, with(|it| it.heeds_link = heeds));
        assert_eq!(state_after_a_while(&control).await, (State::Active, LinkState::Ready));
        memory.set_up(false);
        let expected = match heeds {
            true => (State::Initialize, LinkState::Down),
            false => (State::Active, LinkState::Ready),
        };
        assert_eq!(state_after_a_while(&control).await, expected);
        memory.set_up(true);
        assert_eq!(state_after_a_while(&control).await, (State::Active, LinkState::Ready));
    }
}

#[tokio::test(start_paused = true)]
async fn who_heeds_its_source_waits_for_it() {
    const SOURCE: &str = "10.0.0.9";
    for heeds in [true, false] {
        let memory = Memory::new();
        let source = Some(SOURCE.parse().unwrap());
        let (control, _notices) = start(&memory, with(|it| (it.source, it.heeds_source) = (source, heeds)));
        let there = (State::Active, LinkState::Ready);
        let expected = if heeds { (State::Initialize, LinkState::NoSource) } else { there };
        assert_eq!(state_after_a_while(&control).await, expected);
        memory.set_address(SOURCE, true);
        assert_eq!(state_after_a_while(&control).await, there);
        memory.set_address(SOURCE, false);
        assert_eq!(state_after_a_while(&control).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_virtual_router_that_is_not_here_is_told_of_once() {
    let memory = Memory::new();
    let (control, mut notices) = start(&memory, instance(7));
    assert_eq!(state_after_a_while(&control).await.0, State::Active);
    for _ in 0..3 {
        memory.hear("10.0.0.2", 200, 100);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    memory.set_up(false);
    let mut strangers = Vec::new();
    while let Some(Told::Notice(Notice { instance, what, .. })) = notices.next().await {
        match what {
            Happening::Stranger { vrid, source } => strangers.push((instance.to_string(), vrid, source)),
            Happening::Link(LinkState::Down) => break,
            _ => {}
        }
    }
    let source: IpAddr = "10.0.0.2".parse().unwrap();
    assert_eq!(strangers, [("eth0".to_owned(), 51, source)]);
}
