use std::{net::IpAddr, vec::Vec};

use super::*;
use crate::{
    Envelope, Event, Farewell, Interval, Priority, State, Version,
    accept::DropReason,
    wire::{Advert, Authentication, ChecksumForm, fill_checksum},
};

const PEER: &str = "192.0.2.9";
const SOURCE: &str = "192.0.2.1";

fn config(vrid: u8) -> Config {
    Config::v3(Vrid::new(vrid).unwrap(), [ip(&format!("198.51.100.{vrid}"))]).build().unwrap()
}

fn config_v6(vrid: u8) -> Config {
    Config::v3(Vrid::new(vrid).unwrap(), [ip("fe80::5:1"), ip("2001:db8::1")]).build().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn endpoint(interfaces: impl IntoIterator<Item = u32>, vrids: &[u8]) -> Endpoint {
    let mut endpoint = Endpoint::new();
    for interface in interfaces {
        for vrid in vrids {
            let config = config(*vrid);
            let key = RouterKey::new(interface, &config);
            endpoint.insert(key, VirtualRouter::new(config, ip(SOURCE)).unwrap()).unwrap();
        }
    }
    endpoint
}

fn key(interface: u32, vrid: u8) -> RouterKey {
    RouterKey { interface, family: Family::V4, vrid: Vrid::new(vrid).unwrap() }
}

fn advert(vrid: u8, priority: u8) -> Vec<u8> {
    let config = config(vrid);
    let advert = Advert {
        version: Version::V3,
        vrid: config.vrid(),
        priority: Priority::new(priority).ok(),
        interval: Interval::DEFAULT,
        addresses: config.addresses().as_addresses(),
        authentication: Authentication::None,
    };
    let mut bytes = vec![0; advert.encoded_len()];
    advert.encode(&mut bytes);
    fill_checksum(&mut bytes, ip(PEER), ip("224.0.0.18"), ChecksumForm::PseudoHeader);
    bytes
}

fn datagram(received: Time, payload: &[u8]) -> Datagram<'_> {
    let envelope =
        Envelope { source: ip(PEER), destination: ip("224.0.0.18"), ttl: Some(255), authenticated: false };
    Datagram { received, envelope, payload }
}

/// Drains all outputs, as text where a message is sent.
fn drain(endpoint: &mut Endpoint) -> Vec<(RouterKey, String)> {
    let mut outputs = Vec::new();
    while let Some((key, output)) = endpoint.poll_output() {
        let text = match output {
            Output::Send(_) => "send".into(),
            Output::Event(Event::State { to, .. }) => format!("{to}"),
            other => format!("{other:?}"),
        };
        outputs.push((key, text));
    }
    assert!(!endpoint.has_output());
    outputs
}

fn startup(endpoint: &mut Endpoint, now: Time) {
    let keys: Vec<_> = endpoint.iter().map(|(key, _)| key).collect();
    for key in keys {
        assert!(endpoint.handle_input(now, key, Input::Startup));
    }
    drain(endpoint);
}

#[test]
fn a_message_reaches_the_router_of_its_interface_family_and_identifier_alone() {
    let now = Time::from_secs(1);
    let mut endpoint = endpoint([1, 2], &[50, 51]);
    let v6 = config_v6(51);
    let v6_key = RouterKey::new(1, &v6);
    endpoint.insert(v6_key, VirtualRouter::new(v6, ip("fe80::1")).unwrap()).unwrap();
    startup(&mut endpoint, now);

    endpoint.handle_datagram(now, 1, datagram(now, &advert(51, 200)));

    let heard: Vec<_> = endpoint.iter().filter(|(_, router)| router.active().is_some()).collect();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].0, key(1, 51));
    assert_eq!(heard[0].1.active(), Some((ip(PEER), Priority::new(200).unwrap())));
    assert_eq!(endpoint.stats(), EndpointStats::default());
}

#[test]
fn outputs_bear_the_key_of_their_router_and_keep_their_order() {
    let mut endpoint = endpoint([1, 2], &[51]);
    let now = Time::from_secs(1);
    startup(&mut endpoint, now);
    let due = endpoint.poll_timeout().unwrap();
    endpoint.handle_timeout(due);
    assert!(endpoint.poll_timeout().unwrap() > due);
    let outputs = drain(&mut endpoint);
    for interface in [1, 2] {
        let of_one: Vec<_> = outputs
            .iter()
            .filter(|(of, _)| *of == key(interface, 51))
            .map(|(_, output)| output.as_str())
            .collect();
        assert_eq!(of_one, ["send", "Install", "Announce(BecameActive)", "Active"]);
    }
    assert_eq!(outputs.len(), 8);
}

#[test]
fn the_deadline_is_the_earliest_of_all_routers() {
    let mut endpoint = endpoint([1], &[1, 2, 3]);
    assert_eq!(endpoint.poll_timeout(), None);
    for (second, vrid) in [(5, 1), (3, 2), (4, 3)] {
        endpoint.handle_input(Time::from_secs(second), key(1, vrid), Input::Startup);
    }
    drain(&mut endpoint);
    let least = |endpoint: &Endpoint| endpoint.iter().filter_map(|(_, router)| router.poll_timeout()).min();
    for step in 0..200 {
        assert_eq!(endpoint.poll_timeout(), least(&endpoint));
        let now = endpoint.poll_timeout().unwrap();
        if step % 7 == 0 {
            endpoint.handle_datagram(now, 1, datagram(now, &advert(2, 200)));
        }
        endpoint.handle_timeout(now);
        drain(&mut endpoint);
        assert!(endpoint.poll_timeout().unwrap() > now);
    }
    for vrid in [1, 2, 3] {
        endpoint.handle_input(Time::from_secs(1000), key(1, vrid), Input::Shutdown(Farewell::Resign));
    }
    drain(&mut endpoint);
    assert_eq!(endpoint.poll_timeout(), None);
}

#[test]
fn a_timeout_that_comes_early_does_nothing() {
    let mut endpoint = endpoint([1], &[51]);
    startup(&mut endpoint, Time::from_secs(1));
    let deadline = endpoint.poll_timeout();
    endpoint.handle_timeout(Time::from_secs(2));
    assert_eq!(drain(&mut endpoint), []);
    assert_eq!(endpoint.poll_timeout(), deadline);
}

#[test]
fn the_end_of_time_is_no_endless_loop() {
    let mut endpoint = endpoint([1], &[50, 51]);
    startup(&mut endpoint, Time::from_secs(1));
    endpoint.handle_timeout(Time::MAX);
    endpoint.handle_timeout(Time::MAX);
    drain(&mut endpoint);
    assert!(endpoint.iter().all(|(_, router)| router.state() != State::Initialize));
}

#[test]
fn an_unknown_identifier_is_told_once_on_each_interface_and_counted_always() {
    let now = Time::from_secs(1);
    let mut endpoint = endpoint([1], &[51]);
    startup(&mut endpoint, now);
    let reason = DropReason::Vrid(52);
    let event = format!("{:?}", Output::Event(Event::Dropped { source: ip(PEER), reason }));
    for interface in [1, 1, 2, 2, 1] {
        endpoint.handle_datagram(now, interface, datagram(now, &advert(52, 200)));
    }
    assert!(endpoint.has_output());
    assert_eq!(drain(&mut endpoint), [(key(1, 52), event.clone()), (key(2, 52), event)]);
    assert_eq!(endpoint.stats().vrid_errors, 5);
    assert!(endpoint.router(key(1, 52)).is_none());
}

#[test]
fn what_is_for_no_router_is_counted_by_its_first_fault() {
    let now = Time::from_secs(1);
    let mut endpoint = Endpoint::new();
    let good = advert(52, 200);
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let mut zero = with(1, 0);
    fill_checksum(&mut zero, ip(PEER), ip("224.0.0.18"), ChecksumForm::PseudoHeader);
    for payload in [&[][..], &[0x31], &good[..7], &with(0, 0x41), &zero, &with(2, 1)] {
        endpoint.handle_datagram(now, 1, datagram(now, payload));
    }
    let expected = EndpointStats { checksum_errors: 1, version_errors: 1, vrid_errors: 1, malformed: 3 };
    assert_eq!(endpoint.stats(), expected);
    assert_eq!(drain(&mut endpoint), []);
}

#[test]
fn strangers_take_bounded_memory() {
    let now = Time::from_secs(1);
    let mut endpoint = Endpoint::new();
    let bytes = advert(52, 200);
    for interface in 0..5000 {
        endpoint.handle_datagram(now, interface, datagram(now, &bytes));
    }
    assert!(drain(&mut endpoint).len() <= 256);
    assert_eq!(endpoint.stats().vrid_errors, 5000);
}

#[test]
fn a_router_is_refused_where_its_key_is_taken_or_does_not_fit() {
    let mut endpoint = endpoint([1], &[51]);
    let router = VirtualRouter::new(config(51), ip(SOURCE)).unwrap();
    let taken = endpoint.insert(key(1, 51), router.clone()).unwrap_err();
    assert_eq!(taken.reason, InsertErrorReason::Taken);
    assert_eq!(taken.router.config(), router.config());
    let mismatch = endpoint.insert(key(1, 52), router).unwrap_err();
    assert_eq!(mismatch.reason, InsertErrorReason::Mismatch);
    assert_eq!(endpoint.len(), 1);
}

#[test]
fn a_removed_router_keeps_its_outputs_and_leaves_its_counters() {
    let now = Time::from_secs(1);
    let mut endpoint = endpoint([1], &[50, 51]);
    startup(&mut endpoint, now);
    let mut bytes = advert(51, 200);
    bytes[2] = 1;
    endpoint.handle_datagram(now, 1, datagram(now, &bytes));
    endpoint.handle_input(now, key(1, 51), Input::Shutdown(Farewell::Resign));
    let mut router = endpoint.remove(key(1, 51)).unwrap();
    assert!(router.has_output());
    while router.poll_output().is_some() {}
    assert_eq!(drain(&mut endpoint), []);
    assert_eq!(endpoint.stats().checksum_errors, 1);
    assert!(!endpoint.handle_input(now, key(1, 51), Input::Startup));
    assert!(endpoint.remove(key(1, 51)).is_none());

    // Its place is used again, and nothing of it is left.
    let config = config(53);
    endpoint.insert(key(1, 53), VirtualRouter::new(config, ip(SOURCE)).unwrap()).unwrap();
    let before = endpoint.poll_timeout();
    assert_eq!(before, endpoint.router(key(1, 50)).unwrap().poll_timeout());
    endpoint.handle_input(now, key(1, 53), Input::Startup);
    assert_eq!(drain(&mut endpoint).into_iter().map(|(key, _)| key.vrid.get()).max(), Some(53));
}

#[test]
fn a_router_brings_its_outputs_and_its_deadline_along() {
    let now = Time::from_secs(1);
    let mut router = VirtualRouter::new(config(51), ip(SOURCE)).unwrap();
    router.handle_input(now, Input::Startup);
    let deadline = router.poll_timeout();
    let mut endpoint = Endpoint::new();
    endpoint.insert(key(1, 51), router).unwrap();
    assert_eq!(endpoint.poll_timeout(), deadline);
    assert_eq!(drain(&mut endpoint).len(), 2);
}

#[test]
fn reconfiguration_reaches_the_router_or_comes_back() {
    let now = Time::from_secs(1);
    let mut endpoint = endpoint([1], &[51]);
    startup(&mut endpoint, now);
    let owner = Config::v3(Vrid::new(51).unwrap(), [ip("198.51.100.51")]).priority(Priority::OWNER);
    let owner = owner.build().unwrap();
    assert_eq!(endpoint.reconfigure(now, key(2, 51), owner.clone()), Err(OtherRouter));
    assert_eq!(endpoint.reconfigure(now, key(1, 51), config(52)), Err(OtherRouter));
    assert_eq!(endpoint.reconfigure(now, key(1, 51), owner), Ok(()));
    assert_eq!(endpoint.router(key(1, 51)).unwrap().state(), State::Active);
    assert!(endpoint.has_output());
}

#[test]
fn routers_come_in_the_order_of_their_keys() {
    let mut endpoint = endpoint([7, 1, 3], &[9, 255, 1]);
    let v6 = config_v6(1);
    endpoint.insert(RouterKey::new(3, &v6), VirtualRouter::new(v6, ip("fe80::1")).unwrap()).unwrap();
    let keys: Vec<_> = endpoint.iter().map(|(key, _)| key).collect();
    assert!(keys.is_sorted());
    assert_eq!(keys.len(), 10);
    let on_three: Vec<_> = endpoint.on_interface(3).map(|(key, _)| key).collect();
    assert_eq!(on_three, keys[3..7]);
    assert_eq!(endpoint.on_interface(4).count(), 0);
}

#[test]
fn an_input_for_one_router_leaves_the_others_alone() {
    let now = Time::from_secs(1);
    let mut endpoint = endpoint([1], &[50, 51]);
    startup(&mut endpoint, now);
    endpoint.handle_input(now, key(1, 50), Input::TakeOver);
    assert_eq!(endpoint.router(key(1, 50)).unwrap().state(), State::Active);
    assert_eq!(endpoint.router(key(1, 51)).unwrap().state(), State::Backup);
    let outputs = drain(&mut endpoint);
    assert!(outputs.iter().all(|(of, _)| *of == key(1, 50)), "{outputs:?}");
}
