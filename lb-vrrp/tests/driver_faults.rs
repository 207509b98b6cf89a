//! The driver's own logic, on a platform in memory that does what no kernel does on demand: it fails, hangs and lies. Time
//! is tokio's, and stands still unless everybody waits.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, reason = "as in any test")]

mod driver_memory;

use std::{net::IpAddr, time::Duration};

use driver_memory::{Done, InMemory, Memory, VIP};
use lb_vrrp::{
    Cause, Config, Event, Farewell, Interval, Preempt, Priority, State, Vrid,
    driver::{
        Announcing, Control, Driver, DriverError, Happening, Instance, LinkState, Notices, Snapshot, Told,
    },
};
use tokio::sync::oneshot;

struct Running {
    control: Control,
    notices: Notices,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<Snapshot, DriverError>>,
}

fn test_instance(priority: u8) -> Instance {
    let config = Config::v3(Vrid::new(51).unwrap(), [VIP.parse().unwrap()]);
    let config = config.priority(Priority::new(priority).unwrap()).preempt(Preempt::Yes);
    Instance::new("test", "eth0", config.build().unwrap())
}

fn start(memory: &Memory, instance: Instance) -> Running {
    start_with(memory, instance, |_| {})
}

fn start_with(memory: &Memory, instance: Instance, prepare: impl FnOnce(&mut Driver<InMemory>)) -> Running {
    let mut driver = Driver::new(InMemory::new(memory));
    driver.add(instance).unwrap();
    prepare(&mut driver);
    let (control, notices) = driver.handles();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(driver.run(async { drop(stopped.await) }));
    Running { control, notices, stop, task }
}

impl Running {
    /// Waits until something is told. Time that stands still makes this a matter of order alone.
    async fn until(&mut self, mut is_it: impl FnMut(&Happening) -> bool) -> Vec<Happening> {
        let mut seen = Vec::new();
        let wait = async {
            while let Some(told) = self.notices.next().await {
                let Told::Notice(notice) = told else { panic!("{told:?}") };
                let found = is_it(&notice.what);
                seen.push(notice.what);
                if found {
                    return;
                }
            }
            panic!("the driver ended");
        };
        tokio::time::timeout(Duration::from_secs(600), wait).await.expect("it is never told");
        seen
    }

    async fn until_state(&mut self, wanted: State) {
        self.until(|what| matches!(what, Happening::Router(Event::State { to, .. }) if *to == wanted)).await;
    }

    async fn stop(self) -> Result<Snapshot, DriverError> {
        drop(self.stop);
        self.task.await.unwrap()
    }
}

fn adverts(done: &[Done]) -> usize {
    done.iter().filter(|done| matches!(done, Done::Sent(_))).count()
}

#[tokio::test(start_paused = true)]
async fn advertisements_go_on_while_addresses_hang() {
    let memory = Memory::new();
    memory.with(|machine| machine.hangs = true);
    let mut running = start(&memory, test_instance(100));
    running.until_state(State::Active).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!((100..=102).contains(&adverts(&memory.done())), "{:?}", adverts(&memory.done()));
    memory.with(|machine| machine.hangs = false);
    memory.resume.notify_one();
    running.until(|what| matches!(what, Happening::Installed { addresses: 1 })).await;
    running.stop().await.unwrap();
    assert!(memory.with(|machine| machine.addresses.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn the_order_is_advertisement_address_announcement_and_resignation_removal() {
    let memory = Memory::new();
    let mut running = start(&memory, test_instance(200));
    running.until(|what| matches!(what, Happening::Installed { .. })).await;
    running.stop().await.unwrap();
    let vip = VIP.parse().unwrap();
    let (done, expected) = (
        memory.done(),
        [Done::Sent(200), Done::Added(vip), Done::Announced(vip), Done::Sent(0), Done::Removed(vip)],
    );
    assert_eq!(done, expected);
}

#[tokio::test(start_paused = true)]
async fn the_latest_order_counts() {
    let memory = Memory::new();
    memory.with(|machine| machine.hangs = true);
    let mut running = start(&memory, test_instance(100));
    running.until_state(State::Active).await;
    for _ in 0..10 {
        running.control.step_down("test", Farewell::Resign).await.unwrap();
        running.control.take_over("test").await.unwrap();
    }
    running.control.step_down("test", Farewell::Resign).await.unwrap();
    memory.with(|machine| machine.hangs = false);
    memory.resume.notify_one();
    running.until_state(State::Backup).await;
    running.control.shutdown("test", Farewell::Resign).await.unwrap();
    running.until_state(State::Initialize).await;
    running.stop().await.unwrap();
    assert!(memory.with(|machine| machine.addresses.is_empty()));
    let added = memory.done().iter().filter(|done| matches!(done, Done::Added(_))).count();
    assert!(added <= 1, "orders that are out of date are not carried out: {added}");
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_told_and_tried_again() {
    let memory = Memory::new();
    memory.with(|machine| machine.failures = 3);
    let mut running = start(&memory, test_instance(100));
    running.until(|what| matches!(what, Happening::AddressFailed { .. })).await;
    running.until(|what| matches!(what, Happening::Installed { addresses: 1 })).await;
    assert!(memory.done().contains(&Done::Announced(VIP.parse().unwrap())), "and announced");
}

#[tokio::test(start_paused = true)]
async fn a_message_counts_before_a_deadline_at_the_same_time() {
    let memory = Memory::new();
    let mut running = start(&memory, test_instance(100));
    running.until_state(State::Backup).await;
    // 3 x 1 s and 156/256 s.
    tokio::time::sleep(Duration::from_micros(3_609_000)).await;
    memory.hear("10.0.0.2", 200, 100);
    tokio::time::advance(Duration::from_secs(1)).await;
    running.until(|what| matches!(what, Happening::Router(Event::NewActive { .. }))).await;
    let status = running.control.status("test").await.unwrap();
    assert_eq!((status.state, status.stats.became_active), (State::Backup, 0));
}

/// A Backup that was stalled has heard the Active router all the time, as soon as it has read what waits.
#[tokio::test(start_paused = true)]
async fn a_deadline_waits_for_all_messages_before_it() {
    let memory = Memory::new();
    let mut running = start(&memory, test_instance(100));
    running.until_state(State::Backup).await;
    memory.with(|machine| machine.one_by_one = true);
    memory.stall(true);
    for _ in 0..50 {
        memory.hear("10.0.0.2", 200, 100);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    memory.stall(false);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let status = running.control.status("test").await.unwrap();
    assert_eq!((status.state, status.stats.became_active), (State::Backup, 0));
}

#[tokio::test(start_paused = true)]
async fn failures_to_send_are_told_once_a_second() {
    let memory = Memory::new();
    memory.with(|machine| machine.cannot_send = true);
    let mut instance = test_instance(255);
    instance.config = Config::v3(Vrid::new(51).unwrap(), [VIP.parse().unwrap()])
        .priority(Priority::OWNER)
        .interval(Interval::from_centiseconds(10).unwrap())
        .build()
        .unwrap()
        .into();
    let mut running = start(&memory, instance);
    let mut failures = 0;
    let is_failure = |what: &Happening| matches!(what, Happening::Failed { .. });
    let seen = running
        .until(|what| {
            failures += usize::from(is_failure(what));
            failures == 3
        })
        .await;
    assert!(seen.iter().filter(|what| is_failure(what)).count() == 3);
    let status = running.control.status("test").await.unwrap();
    assert_eq!((status.state, status.stats.sent), (State::Backup, 0), "nothing has left");
    assert!(status.stats.unsent >= 5);
    assert_eq!(status.unsent.as_deref(), Some("the cable is cut"));
}

/// Others take over from who sends nothing: it has the addresses no longer than a down interval, and again when an
/// advertisement has left.
#[tokio::test(start_paused = true)]
async fn a_master_that_can_not_send_gives_the_addresses_up_until_it_can() {
    let memory = Memory::new();
    let mut running = start(&memory, test_instance(100));
    let vip: IpAddr = VIP.parse().unwrap();
    running.until(|what| matches!(what, Happening::Installed { .. })).await;
    let begin = tokio::time::Instant::now();
    memory.with(|machine| machine.cannot_send = true);
    let seen = running.until(|what| matches!(what, Happening::Removed { .. })).await;
    let stepped_down = seen.iter().any(|what| {
        matches!(what, Happening::Router(Event::State { to: State::Backup, cause: Cause::NothingSent, .. }))
    });
    assert!(stepped_down, "{seen:?}");
    // The next advertisement fails up to a second later, and three more after it.
    assert!(begin.elapsed() <= Duration::from_millis(4010), "{:?}", begin.elapsed());

    // It tries, and installs nothing meanwhile.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(memory.done().iter().filter(|done| **done == Done::Added(vip)).count(), 1);
    let status = running.control.status("test").await.unwrap();
    assert_eq!(status.unsent.as_deref(), Some("the cable is cut"));
    memory.with(|machine| machine.cannot_send = false);
    running.until_state(State::Active).await;
    running.until(|what| matches!(what, Happening::Installed { .. })).await;
    assert_eq!(running.control.status("test").await.unwrap().unsent, None);
    running.stop().await.unwrap();
}

/// Who is to stay Active without its link can not be asked to send by it.
#[tokio::test(start_paused = true)]
async fn a_master_that_does_not_heed_its_link_stays_without_it() {
    for (up, stays) in [(false, true), (true, false)] {
        let memory = Memory::new();
        let mut instance = test_instance(100);
        instance.heeds_link = false;
        let mut running = start(&memory, instance);
        running.until(|what| matches!(what, Happening::Installed { .. })).await;
        memory.set_up(up);
        memory.with(|machine| machine.cannot_send = true);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let status = running.control.status("test").await.unwrap();
        assert_eq!(status.state == State::Active, stays, "up: {up}");
        assert!(status.unsent.is_some());
        running.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_misses_and_is_told_how_much() {
    let memory = Memory::new();
    let mut running = start(&memory, test_instance(100));
    for n in 0..3000u32 {
        let priority = Priority::new((n % 100 + 1) as u8).unwrap();
        running.control.set_priority("test", priority).await.unwrap();
    }
    let first = running.notices.next().await;
    assert!(matches!(first, Some(Told::Missed(count)) if count > 1900), "{first:?}");
    assert!(matches!(running.notices.next().await, Some(Told::Notice(_))));
}

#[tokio::test(start_paused = true)]
async fn a_broken_platform_ends_the_driver() {
    let memory = Memory::new();
    let running = start(&memory, test_instance(100));
    memory.with(|machine| machine.broken = true);
    memory.wake.notify_one();
    let error = running.task.await.unwrap().unwrap_err();
    assert!(matches!(error, DriverError::Platform(_)));
    assert!(running.control.status("test").await.is_err(), "it has ended");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_when_the_link_is_down() {
    let memory = Memory::new();
    let mut running = start(&memory, test_instance(100));
    running.until_state(State::Active).await;
    let before = adverts(&memory.done());
    memory.set_up(false);
    running.until(|what| matches!(what, Happening::Link(LinkState::Down))).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(adverts(&memory.done()), before, "and no resignation");
    memory.set_up(true);
    running.until_state(State::Active).await;
}

#[tokio::test(start_paused = true)]
async fn instances_come_and_go_and_change() {
    let memory = Memory::new();
    let mut running = start(&memory, test_instance(100));
    let control = running.control.clone();
    running.until(|what| matches!(what, Happening::Installed { .. })).await;
    let other: IpAddr = "10.0.0.101".parse().unwrap();
    let config = Config::v3(Vrid::new(51).unwrap(), [other]);
    control.reconfigure(Instance::new("test", "eth0", config.build().unwrap())).await.unwrap();
    running.until(|what| matches!(what, Happening::Installed { .. })).await;
    assert_eq!(memory.with(|machine| machine.addresses.clone()), [other].into(), "the old one is gone");
    let changed = Config::v3(Vrid::new(52).unwrap(), [other]).build().unwrap();
    let error = control.reconfigure(Instance::new("test", "eth0", changed.clone())).await.unwrap_err();
    assert!(error.to_string().contains("identifier"), "{error}");
    control.add(Instance::new("second", "eth0", changed.clone())).await.unwrap();
    let taken = control.add(Instance::new("third", "eth0", changed)).await.unwrap_err();
    assert!(taken.to_string().contains("second"), "{taken}");
    assert_eq!(control.status_of_all().await.unwrap().len(), 2);
    control.remove("test").await.unwrap();
    running.until(|what| matches!(what, Happening::Removed { addresses: 1 })).await;
    assert!(control.take_over("test").await.is_err(), "it is unknown");
    assert_eq!(control.snapshot().await.unwrap().instances.len(), 1);
}

#[cfg(feature = "hmac")]
#[tokio::test(start_paused = true)]
async fn messages_tell_the_time_of_day_even_after_it_was_set() {
    use lb_vrrp::wire::hmac::{Keyring, TRAILER_LEN};
    let keyring = Keyring::builder(Interval::DEFAULT).key(1, b"secret").build().unwrap();
    let config = Config::v3(Vrid::new(51).unwrap(), [VIP.parse().unwrap()]).priority(Priority::OWNER);
    let memory = Memory::new();
    let mut driver = start(&memory, Instance::new("test", "eth0", config.hmac(keyring).build().unwrap()));
    driver.until_state(State::Active).await;
    let stamp = || {
        memory.with(|machine| {
            let trailer = &machine.sent[machine.sent.len() - TRAILER_LEN..];
            u32::from_be_bytes(trailer[4..8].try_into().unwrap())
        })
    };
    // The clock of deadlines starts at 1000 s.
    assert!((1_800_001_000..1_800_001_010).contains(&stamp()));
    tokio::time::sleep(Duration::from_secs(5)).await;
    memory.with(|machine| machine.set_forward = Duration::from_secs(5000));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!((1_800_006_005..1_800_006_020).contains(&stamp()), "the next message has it: {}", stamp());
    driver.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_was_active_as_well_is_outdone_by_announcements() {
    let memory = Memory::new();
    let mut instance = test_instance(200);
    instance.announcing =
        Announcing { delayed_repeat: 0, other_repeat: 3, other_delay: None, ..Announcing::default() }.into();
    let mut running = start(&memory, instance);
    running.until(|what| matches!(what, Happening::Installed { .. })).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let announced = || memory.done().iter().filter(|done| matches!(done, Done::Announced(_))).count();
    assert_eq!(announced(), 5, "when it became Active");
    memory.hear("10.0.0.2", 100, 100);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(announced(), 8, "for the other one");
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_removes_an_address_again_and_again_is_not_fought_at_full_speed() {
    let memory = Memory::new();
    let mut running = start(&memory, test_instance(200));
    running.until(|what| matches!(what, Happening::Installed { .. })).await;
    let begin = tokio::time::Instant::now();
    let mut when = Vec::new();
    for n in 1..=13 {
        memory.remove(VIP);
        running.until(|what| matches!(what, Happening::PutBack { times, more: 0, .. } if *times == n)).await;
        when.push(begin.elapsed().as_secs());
    }
    assert_eq!(when, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
    assert!(memory.with(|machine| machine.addresses.contains(&VIP.parse().unwrap())));
    running.stop().await.unwrap();
    assert!(memory.with(|machine| machine.addresses.is_empty()));
}

/// Make before break: the driver resigns, and goes on until another router has the addresses.
#[tokio::test(start_paused = true)]
async fn a_driver_that_stops_keeps_its_addresses_until_another_router_is_heard() {
    let memory = Memory::new();
    let mut running = start(&memory, test_instance(200));
    running.until(|what| matches!(what, Happening::Installed { .. })).await;
    let stopping = tokio::spawn(running.stop());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let vip: IpAddr = VIP.parse().unwrap();
    assert_eq!(memory.done().last(), Some(&Done::Sent(0)), "and it is announced no more");
    assert!(!stopping.is_finished());
    memory.hear("10.0.0.2", 100, 100);
    stopping.await.unwrap().unwrap();
    assert_eq!(memory.done().last(), Some(&Done::Removed(vip)));
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_stops_waits_for_nobody_when_told_so_or_without_a_link() {
    for cut in [false, true] {
        let memory = Memory::new();
        let mut running = start_with(&memory, test_instance(200), |driver| {
            driver.farewell(if cut { Farewell::Linger } else { Farewell::Resign });
        });
        running.until(|what| matches!(what, Happening::Installed { .. })).await;
        if cut {
            memory.set_up(false);
            running.until_state(State::Initialize).await;
        }
        let began = tokio::time::Instant::now();
        running.stop().await.unwrap();
        assert!(began.elapsed() < Duration::from_millis(100));
        assert_eq!(memory.done().last(), Some(&Done::Removed(VIP.parse().unwrap())));
        assert_eq!(memory.done().contains(&Done::Sent(0)), !cut);
    }
}
