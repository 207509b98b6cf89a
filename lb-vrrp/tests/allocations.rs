//! Nothing is allocated in steady state: not when advertisements come, not when they go, not when the state changes.
//!
//! A router that allocates can be held up by the allocator, or killed for want of memory, when it is most needed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::IpAddr;

use allocation_counter::{AllocationInfo, measure};
use lb_vrrp::{
    Addresses, Config, ConfigBuilder, Datagram, Endpoint, Envelope, Family, Farewell, Input, Interval,
    Output, Priority, RouterKey, State, Time, Version, VirtualRouter, Vrid,
    wire::{Advert, Authentication, ChecksumForm, fill_checksum},
};

const ROUNDS: u32 = 10_000;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn vrid() -> Vrid {
    Vrid::new(51).unwrap()
}

/// What a virtual router is tried with.
struct Case {
    name: &'static str,
    config: ConfigBuilder,
    source: IpAddr,
    peer: IpAddr,
    /// In which versions the peer advertises.
    versions: &'static [Version],
}

fn cases() -> Vec<Case> {
    let v4 = || [ip("198.51.100.1")];
    let many = (1..=255).map(|last| IpAddr::from([198, 51, 100, last]));
    let v6 = [ip("fe80::1:1"), ip("2001:db8::1")];
    let peers = [ip("192.0.2.9"), ip("192.0.2.10"), ip("192.0.2.11")];
    let case = |name, config, versions| {
        let (source, peer) = (ip("192.0.2.1"), ip("192.0.2.9"));
        Case { name, config, source, peer, versions }
    };
    vec![
        case("VRRPv3, IPv4", Config::v3(vrid(), v4()), &[Version::V3]),
        case("VRRPv3, IPv4, 255 addresses", Config::v3(vrid(), many), &[Version::V3]),
        case("VRRPv3, three peers", Config::v3(vrid(), v4()).unicast(peers), &[Version::V3]),
        case("VRRPv2", Config::v2(vrid(), v4()), &[Version::V2]),
        case("VRRPv2, text", Config::v2(vrid(), v4()).auth_text("secret"), &[Version::V2]),
        case("both versions", Config::dual(vrid(), v4()), &[Version::V3, Version::V2]),
        Case {
            name: "VRRPv3, IPv6",
            config: Config::v3(vrid(), v6),
            source: ip("fe80::1"),
            peer: ip("fe80::9"),
            versions: &[Version::V3],
        },
    ]
}

/// A router, and what its peer sends.
struct Setup {
    router: VirtualRouter,
    envelope: Envelope,
    adverts: Vec<Vec<u8>>,
    resignations: Vec<Vec<u8>>,
    now: Time,
}

impl Setup {
    fn new(case: &Case, peer_priority: u8) -> Self {
        let config = case.config.clone().build().unwrap();
        let multicast = matches!(config.mode(), lb_vrrp::router::Mode::Multicast { .. });
        let destination = if multicast { config.family().multicast_group() } else { case.source };
        let message = |version: Version, priority: Option<Priority>| {
            let text = config.version() == lb_vrrp::VersionMode::V2 && case.name.contains("text");
            let advert = Advert {
                version,
                vrid: config.vrid(),
                priority,
                interval: config.interval(),
                addresses: config.addresses().as_addresses(),
                authentication: if text {
                    Authentication::Text(*b"secret\0\0")
                } else {
                    Authentication::None
                },
            };
            let mut bytes = vec![0; advert.encoded_len()];
            advert.encode(&mut bytes);
            let form =
                if version == Version::V2 { ChecksumForm::MessageOnly } else { ChecksumForm::PseudoHeader };
            fill_checksum(&mut bytes, case.peer, destination, form);
            bytes
        };
        let priority = Priority::new(peer_priority).ok();
        let adverts = case.versions.iter().map(|version| message(*version, priority)).collect();
        let resignations = case.versions.iter().map(|version| message(*version, None)).collect();
        let envelope = Envelope { source: case.peer, destination, ttl: Some(255), authenticated: false };
        let router = VirtualRouter::new(config, case.source).unwrap();
        let mut setup = Self { router, envelope, adverts, resignations, now: Time::from_secs(1) };
        setup.input(Input::Startup);
        setup
    }

    /// Gives an input and drains what comes of it; returns how many messages were sent.
    fn input(&mut self, input: Input<'_>) -> u32 {
        self.router.handle_input(self.now, input);
        drain(&mut self.router)
    }

    fn hear(&mut self, resigns: bool) -> u32 {
        let messages = core::mem::take(if resigns { &mut self.resignations } else { &mut self.adverts });
        let mut sent = 0;
        for payload in &messages {
            let datagram = Datagram { received: self.now, envelope: self.envelope, payload };
            sent += self.input(Input::Datagram(datagram));
        }
        *(if resigns { &mut self.resignations } else { &mut self.adverts }) = messages;
        sent
    }

    fn time_out(&mut self) -> u32 {
        self.now = self.router.poll_timeout().unwrap();
        self.router.handle_timeout(self.now);
        drain(&mut self.router)
    }

    fn wait(&mut self) {
        self.now = self.now + Interval::DEFAULT.duration();
    }
}

fn drain(router: &mut VirtualRouter) -> u32 {
    let mut sent = 0;
    while let Some(output) = router.poll_output() {
        sent += u32::from(matches!(output, Output::Send(_)));
    }
    sent
}

#[track_caller]
fn assert_none(name: &str, allocations: AllocationInfo) {
    assert_eq!(allocations.count_total, 0, "{name}: {allocations:?}");
}

#[test]
fn what_is_allocated_is_counted() {
    let allocations = measure(|| drop(std::hint::black_box(vec![0u8; 100])));
    assert_eq!((allocations.count_total, allocations.bytes_total), (1, 100));
}

#[test]
fn a_backup_hears_advertisements() {
    for case in cases() {
        let mut setup = Setup::new(&case, 200);
        let allocations = measure(|| {
            for _ in 0..ROUNDS {
                setup.wait();
                setup.hear(false);
            }
        });
        assert_eq!(setup.router.state(), State::Backup, "{}", case.name);
        assert_eq!(setup.router.stats().received, ROUNDS.into(), "{}", case.name);
        assert_none(case.name, allocations);
    }
}

#[test]
fn an_active_router_sends_advertisements() {
    for case in cases() {
        let mut setup = Setup::new(&case, 200);
        setup.input(Input::TakeOver);
        let mut sent = 0;
        let allocations = measure(|| {
            for _ in 0..ROUNDS {
                sent += setup.time_out();
            }
        });
        let copies = if case.name.contains("three peers") { 3 } else { case.versions.len() as u32 };
        assert_eq!(sent, ROUNDS * copies, "{}", case.name);
        assert_none(case.name, allocations);
    }
}

#[test]
fn an_active_router_answers_lower_priorities() {
    for case in cases() {
        let mut setup = Setup::new(&case, 50);
        setup.input(Input::TakeOver);
        // The record of who else is Active is made once.
        let first = measure(|| {
            setup.hear(false);
        });
        assert!(first.count_total <= 1, "{}: {first:?}", case.name);
        let mut sent = 0;
        let allocations = measure(|| {
            for _ in 0..ROUNDS {
                setup.wait();
                sent += setup.hear(false);
            }
        });
        assert_eq!(setup.router.state(), State::Active, "{}", case.name);
        assert!(sent >= ROUNDS, "{}", case.name);
        assert_none(case.name, allocations);
    }
}

#[test]
fn the_state_goes_to_and_fro() {
    for case in cases() {
        let mut setup = Setup::new(&case, 200);
        let allocations = measure(|| {
            for _ in 0..ROUNDS / 10 {
                setup.wait();
                setup.hear(false);
                setup.hear(true);
                setup.time_out();
                assert_eq!(setup.router.state(), State::Active);
                setup.wait();
                setup.hear(false);
                assert_eq!(setup.router.state(), State::Backup);
                setup.time_out();
                setup.input(Input::Priority(Priority::new(150).unwrap()));
                setup.input(Input::Announce);
                setup.input(Input::StepDown(Farewell::Resign));
                setup.input(Input::Priority(Priority::DEFAULT));
                setup.input(Input::Shutdown(Farewell::Resign));
                setup.input(Input::Startup);
            }
        });
        assert_eq!(setup.router.stats().became_active, u64::from(ROUNDS / 10 * 2), "{}", case.name);
        assert_none(case.name, allocations);
    }
}

/// All that one message can lead to is in the queue at once: it has another form of checksum, another interval and other
/// addresses than ours, and with it the only other router resigns.
#[test]
fn a_message_that_changes_everything() {
    let config = Config::dual(vrid(), [ip("198.51.100.1")]).only_backup(true).build().unwrap();
    let mut router = VirtualRouter::new(config, ip("192.0.2.1")).unwrap();
    router.handle_input(Time::from_secs(1), Input::Startup);
    drain(&mut router);
    let (source, destination) = (ip("192.0.2.9"), Family::V4.multicast_group());
    let advert = Advert {
        version: Version::V3,
        vrid: vrid(),
        priority: None,
        interval: Interval::from_centiseconds(10).unwrap(),
        addresses: Addresses::from_bytes(Family::V4, &[203, 0, 113, 1]).unwrap(),
        authentication: Authentication::None,
    };
    let mut payload = vec![0; advert.encoded_len()];
    advert.encode(&mut payload);
    fill_checksum(&mut payload, source, destination, ChecksumForm::MessageOnly);
    let envelope = Envelope { source, destination, ttl: Some(255), authenticated: false };
    let now = Time::from_secs(2);
    let mut outputs = 0;
    let allocations = measure(|| {
        router.handle_input(now, Input::Datagram(Datagram { received: now, envelope, payload: &payload }));
        while router.poll_output().is_some() {
            outputs += 1;
        }
    });
    assert_eq!(router.state(), State::Active);
    assert_eq!(outputs, 8);
    assert_none("all at once", allocations);
}

#[test]
fn what_is_dropped_costs_no_memory() {
    for case in cases() {
        let mut setup = Setup::new(&case, 200);
        setup.adverts.iter_mut().for_each(|advert| advert[2] ^= 1);
        // The record of what is dropped is made once.
        let first = measure(|| {
            setup.hear(false);
        });
        assert_eq!(first.count_total, 1, "{}", case.name);
        let allocations = measure(|| {
            for _ in 0..ROUNDS {
                setup.hear(false);
            }
        });
        assert_eq!(setup.router.stats().dropped, u64::from(ROUNDS + 1) * case.versions.len() as u64);
        assert_none(case.name, allocations);
    }
}

/// Routers on four interfaces, half of which become Active and half of which hear an Active router.
#[test]
fn an_endpoint_of_a_thousand_routers() {
    let mut endpoint = Endpoint::new();
    let mut keys = Vec::new();
    let (source, peer) = (ip("192.0.2.1"), ip("192.0.2.9"));
    for number in 0..1000u32 {
        let vrid = Vrid::new((number % 250 + 1) as u8).unwrap();
        let config = Config::v3(vrid, [IpAddr::from([198, 51, 100, vrid.get()])]).build().unwrap();
        let key = RouterKey::new(number / 250, &config);
        endpoint.insert(key, VirtualRouter::new(config, source).unwrap()).unwrap();
        keys.push(key);
    }
    let destination = Family::V4.multicast_group();
    let envelope = Envelope { source: peer, destination, ttl: Some(255), authenticated: false };
    let adverts: Vec<_> = keys
        .iter()
        .filter(|key| key.vrid.get() % 2 == 0)
        .map(|key| (key.interface, advert(key.vrid, peer, destination)))
        .collect();
    let mut now = Time::from_secs(1);
    for key in keys {
        endpoint.handle_input(now, key, Input::Startup);
        while endpoint.poll_output().is_some() {}
    }
    let mut sent = 0;
    let mut round = |endpoint: &mut Endpoint| {
        now = now + Interval::DEFAULT.duration();
        for (interface, payload) in &adverts {
            endpoint.handle_datagram(now, *interface, Datagram { received: now, envelope, payload });
        }
        endpoint.handle_timeout(now);
        while let Some((_, output)) = endpoint.poll_output() {
            sent += u32::from(matches!(output, Output::Send(_)));
        }
        assert!(endpoint.poll_timeout().is_some_and(|due| due > now));
    };
    let allocations = measure(|| (0..50).for_each(|_| round(&mut endpoint)));
    let active = endpoint.iter().filter(|(_, router)| router.state() == State::Active).count();
    assert_eq!(active, 500);
    assert!(sent > 500 * 40);
    assert_none("endpoint", allocations);
}

fn advert(vrid: Vrid, source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let advert = Advert {
        version: Version::V3,
        vrid,
        priority: Priority::new(200).ok(),
        interval: Interval::DEFAULT,
        addresses: Addresses::from_bytes(Family::V4, &[198, 51, 100, 1]).unwrap(),
        authentication: Authentication::None,
    };
    let mut bytes = vec![0; advert.encoded_len()];
    advert.encode(&mut bytes);
    fill_checksum(&mut bytes, source, destination, ChecksumForm::PseudoHeader);
    bytes
}
