use std::{net::IpAddr, vec::Vec};

use crate::{
    Cause, Config, Datagram, Envelope, Event, Input, Interval, Output, Priority, State, Time, Version,
    VirtualRouter, Vrid,
    wire::{Advert, Authentication, ChecksumForm, fill_checksum},
};

fn config(priority: u8) -> Config {
    let vrid = Vrid::new(51).unwrap();
    let addresses = ["198.51.100.1".parse().unwrap()];
    Config::v3(vrid, addresses).priority(Priority::new(priority).unwrap()).build().unwrap()
}

fn held(priority: u8) -> VirtualRouter {
    let mut router = VirtualRouter::new(config(priority), "192.0.2.1".parse().unwrap()).unwrap();
    router.handle_input(Time::ZERO, Input::Hold(true));
    router.handle_input(Time::ZERO, Input::Startup);
    router
}

fn events(router: &mut VirtualRouter) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(output) = router.poll_output() {
        assert!(!matches!(output, Output::Send(_) | Output::Install), "{output:?}");
        events.extend(match output {
            Output::Event(event) => Some(event),
            _ => None,
        });
    }
    events
}

fn hear(router: &mut VirtualRouter, now: Time, priority: u8) {
    let (source, destination): (IpAddr, IpAddr) =
        ("192.0.2.9".parse().unwrap(), "224.0.0.18".parse().unwrap());
    let config = config(100);
    let advert = Advert {
        version: Version::V3,
        vrid: config.vrid(),
        priority: Priority::new(priority).ok(),
        interval: Interval::DEFAULT,
        addresses: config.addresses().as_addresses(),
        authentication: Authentication::None,
    };
    let mut payload = vec![0; advert.encoded_len()];
    advert.encode(&mut payload);
    fill_checksum(&mut payload, source, destination, ChecksumForm::PseudoHeader);
    let envelope = Envelope { source, destination, ttl: Some(255), authenticated: false };
    router.handle_input(now, Input::Datagram(Datagram { received: now, envelope, payload: &payload }));
}

#[test]
fn a_held_router_says_once_that_it_could_and_waits() {
    let mut router = held(100);
    events(&mut router);
    for _ in 0..3 {
        let due = router.poll_timeout().unwrap();
        router.handle_timeout(due);
        assert_eq!(router.state(), State::Backup);
        assert!(router.is_ready());
        assert!(router.poll_timeout().unwrap() > due);
    }
    assert_eq!(events(&mut router), [Event::Ready(Some(Cause::Silence))]);
    let now = router.poll_timeout().unwrap();
    router.handle_input(now, Input::TakeOver);
    assert_eq!(router.state(), State::Active);
    assert!(!router.is_ready());
    let mut last = None;
    while let Some(output) = router.poll_output() {
        if let Output::Event(event) = output {
            last = Some(event);
        }
    }
    assert_eq!(last, Some(Event::State { from: State::Backup, to: State::Active, cause: Cause::Silence }));
}

#[test]
fn it_takes_its_word_back_when_another_is_heard_that_it_does_not_preempt() {
    let mut router = held(100);
    let due = router.poll_timeout().unwrap();
    router.handle_timeout(due);
    events(&mut router);
    hear(&mut router, due, 50);
    assert!(router.is_ready());
    assert_eq!(events(&mut router), []);
    hear(&mut router, due, 150);
    assert!(!router.is_ready());
    assert!(events(&mut router).contains(&Event::Ready(None)));
}

#[test]
fn it_says_so_again_when_it_has_another_reason() {
    let mut router = held(100);
    let due = router.poll_timeout().unwrap();
    router.handle_timeout(due);
    events(&mut router);
    hear(&mut router, due, 0);
    hear(&mut router, due, 0);
    router.handle_timeout(router.poll_timeout().unwrap());
    let resigned = Cause::Resigned("192.0.2.9".parse().unwrap());
    assert_eq!(events(&mut router), [Event::Ready(Some(resigned))]);
}

#[test]
fn a_held_owner_waits_too() {
    let mut router = held(255);
    assert_eq!(router.state(), State::Backup);
    assert!(router.is_ready());
    assert!(events(&mut router).ends_with(&[Event::Ready(Some(Cause::Owner))]));
}

#[test]
fn a_machine_that_slept_listens_first() {
    let mut router = held(100);
    let due = router.poll_timeout().unwrap();
    router.handle_timeout(due);
    events(&mut router);
    router.handle_timeout(due + core::time::Duration::from_secs(60));
    assert!(!router.is_ready());
    assert!(events(&mut router).contains(&Event::Ready(None)));
}

#[test]
fn let_go_it_becomes_active_when_it_asks_itself_again() {
    let mut router = held(100);
    router.handle_timeout(router.poll_timeout().unwrap());
    router.handle_input(Time::from_secs(4), Input::Hold(false));
    assert_eq!(router.state(), State::Backup);
    router.handle_timeout(router.poll_timeout().unwrap());
    assert_eq!(router.state(), State::Active);
}
