//! What an advertisement costs: received by a Backup (checks, decoding, state machine, new deadline), and sent by an
//! Active router.
//!
//! `cargo bench -p lb-vrrp --bench advert`

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

mod measure;

use std::{hint::black_box, net::IpAddr};

use lb_vrrp::{
    Config, ConfigBuilder, Datagram, Envelope, Input, Interval, Output, Priority, State, Time, Version,
    VirtualRouter, Vrid,
    router::Mode,
    wire::{Advert, Authentication, ChecksumForm, fill_checksum},
};
use measure::{Clock, median};

/// For one address; more addresses are more bytes to sum and to compare.
const BAR: u32 = 200;

fn main() {
    let vrid = Vrid::new(51).unwrap();
    let v4 = |count: u8| (1..=count).map(|last| IpAddr::from([198, 51, 100, last]));
    let v6 = |count: u16| (1..=count).map(|last| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]));
    let peers: Vec<IpAddr> = (9..12).map(|last| IpAddr::from([192, 0, 2, last])).collect();
    let cases: [(&str, ConfigBuilder, Option<u32>); 7] = [
        ("VRRPv3, 1 IPv4 address", Config::v3(vrid, v4(1)), Some(BAR)),
        ("VRRPv3, 255 IPv4 addresses", Config::v3(vrid, v4(255)), None),
        ("VRRPv3, 1 IPv6 address", Config::v3(vrid, v6(1)), Some(BAR)),
        ("VRRPv3, 90 IPv6 addresses", Config::v3(vrid, v6(90)), None),
        ("VRRPv2, 1 address", Config::v2(vrid, v4(1)), Some(BAR)),
        ("VRRPv3, 1 address, 3 peers", Config::v3(vrid, v4(1)).unicast(peers), Some(BAR)),
        ("both versions, 1 address", Config::dual(vrid, v4(1)), Some(BAR)),
    ];
    for (name, config, bar) in cases {
        receive(name, config.clone(), bar);
        send(name, config, bar);
    }
}

fn receive(name: &str, config: ConfigBuilder, bar: Option<u32>) {
    let config = config.build().unwrap();
    let (source, peer) = addresses(&config);
    let destination = match config.mode() {
        Mode::Unicast(_) => source,
        Mode::Multicast { .. } => config.family().multicast_group(),
    };
    let version = if config.version().speaks(Version::V3) { Version::V3 } else { Version::V2 };
    let advert = Advert {
        version,
        vrid: config.vrid(),
        priority: Priority::new(200).ok(),
        interval: config.interval(),
        addresses: config.addresses().as_addresses(),
        authentication: Authentication::None,
    };
    let mut payload = vec![0; advert.encoded_len()];
    advert.encode(&mut payload);
    let form = if version == Version::V2 { ChecksumForm::MessageOnly } else { ChecksumForm::PseudoHeader };
    fill_checksum(&mut payload, peer, destination, form);
    let envelope = Envelope { source: peer, destination, ttl: Some(255), authenticated: false };
    median(&format!("decode: {name}"), 2_000, None, || {
        black_box(Advert::decode(black_box(&payload), black_box(&envelope))).unwrap();
    });

    let mut router = VirtualRouter::new(config, source).unwrap();
    let mut clock = Clock(Time::from_secs(1));
    router.handle_input(clock.0, Input::Startup);
    drain(&mut router);
    median(&format!("receive: {name}"), 2_000, bar, || {
        let received = clock.tick(Interval::DEFAULT.duration());
        let datagram = Datagram { received, envelope, payload: black_box(&payload) };
        router.handle_input(received, Input::Datagram(datagram));
        drain(&mut router);
    });
    assert_eq!(router.state(), State::Backup);
    assert_eq!(router.stats().dropped, 0);
}

fn send(name: &str, config: ConfigBuilder, bar: Option<u32>) {
    let config = config.build().unwrap();
    let (source, _) = addresses(&config);
    let mut router = VirtualRouter::new(config, source).unwrap();
    router.handle_input(Time::from_secs(1), Input::Startup);
    router.handle_input(Time::from_secs(1), Input::TakeOver);
    drain(&mut router);
    median(&format!("send: {name}"), 2_000, bar, || {
        let due = router.poll_timeout().unwrap();
        router.handle_timeout(due);
        drain(&mut router);
    });
    assert_eq!(router.state(), State::Active);
}

/// Our address and the peer's.
fn addresses(config: &Config) -> (IpAddr, IpAddr) {
    match config.family() {
        lb_vrrp::Family::V4 => ([192, 0, 2, 1].into(), [192, 0, 2, 9].into()),
        lb_vrrp::Family::V6 => ("fe80::1".parse().unwrap(), "fe80::9".parse().unwrap()),
    }
}

fn drain(router: &mut VirtualRouter) {
    while let Some(output) = router.poll_output() {
        if let Output::Send(message) = black_box(output) {
            black_box(message.payload);
        }
    }
}
