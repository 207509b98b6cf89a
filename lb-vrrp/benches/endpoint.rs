//! Ten thousand virtual routers in one process: what an advertisement costs, and what memory a router takes.
//!
//! `cargo bench -p lb-vrrp --bench endpoint`

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(clippy::print_stdout, reason = "that is what it is for")]

mod measure;

use std::{hint::black_box, net::IpAddr, time::Duration};

use lb_vrrp::{
    Addresses, Config, Datagram, Endpoint, Envelope, Family, Input, Interval, Output, Priority, RouterKey,
    State, Time, Version, VirtualRouter, Vrid,
    wire::{Advert, Authentication, ChecksumForm, fill_checksum},
};
use measure::{Clock, median};

const ROUTERS: u32 = 10_000;
const PER_INTERFACE: u32 = 250;
const ROUTER_BAR: u64 = 2_000;
const PROCESS_BAR_MB: f64 = 20.0;
/// For one router alone it is 200 ns; to find it among ten thousand, and its place in the order of deadlines, may cost
/// as much again.
const ADVERT_BAR: u32 = 400;

fn main() {
    let mut endpoint = Endpoint::new();
    let memory = allocation_counter::measure(|| endpoint = filled());
    let per_router = memory.bytes_current as u64 / u64::from(ROUTERS);
    println!("memory of a router in its endpoint: {per_router} bytes   bar {ROUTER_BAR} bytes");
    println!("  of which VirtualRouter itself: {} bytes", size_of::<VirtualRouter>());
    println!("  of which Config: {} bytes", size_of::<Config>());
    if let Some(megabytes) = resident_megabytes() {
        println!(
            "memory of this process with {ROUTERS} routers: {megabytes:.1} MB   bar {PROCESS_BAR_MB} MB"
        );
    }
    as_backups(endpoint.clone());
    as_active(endpoint);
}

fn filled() -> Endpoint {
    let mut endpoint = Endpoint::new();
    for number in 0..ROUTERS {
        let vrid = Vrid::new((number % PER_INTERFACE + 1) as u8).unwrap();
        let config = Config::v3(vrid, [IpAddr::from([198, 51, 100, vrid.get()])]).build().unwrap();
        let key = RouterKey::new(number / PER_INTERFACE, &config);
        let mut router = VirtualRouter::new(config, IpAddr::from([192, 0, 2, 1])).unwrap();
        // All start at other times within an interval.
        router.handle_input(Time::from_nanos(u64::from(number) * 100_000), Input::Startup);
        while router.poll_output().is_some() {}
        endpoint.insert(key, router).unwrap();
    }
    endpoint
}

/// Each advertises once in a second, and no two at once. In no order, each router has to be fetched from memory, since
/// they are more than the caches hold, and that is most of what it costs.
fn as_backups(mut endpoint: Endpoint) {
    let (source, destination) = (IpAddr::from([192, 0, 2, 9]), Family::V4.multicast_group());
    let envelope = Envelope { source, destination, ttl: Some(255), authenticated: false };
    let adverts: Vec<_> = endpoint.iter().map(|(key, _)| (key.interface, advert(key, &envelope))).collect();
    for (name, step) in [("in turn", 1), ("in no order", 7_919)] {
        let mut clock = Clock(Time::from_secs(1));
        let mut next = 0;
        median(
            &format!("{ROUTERS} Backups, an advertisement each, {name}"),
            ROUTERS,
            Some(ADVERT_BAR),
            || {
                next = (next + step) % adverts.len();
                let (interface, payload) = &adverts[next];
                let received = clock.tick(Interval::DEFAULT.duration() / ROUTERS);
                endpoint.handle_datagram(received, *interface, Datagram { received, envelope, payload });
                drain(&mut endpoint);
                black_box(endpoint.poll_timeout());
            },
        );
        assert!(endpoint.iter().all(|(_, router)| router.state() == State::Backup));
    }
}

fn as_active(mut endpoint: Endpoint) {
    let mut clock = Clock(Time::from_secs(4));
    let keys: Vec<_> = endpoint.iter().map(|(key, _)| key).collect();
    for key in keys {
        endpoint.handle_input(clock.tick(Duration::from_micros(100)), key, Input::TakeOver);
        drain(&mut endpoint);
    }
    median(&format!("{ROUTERS} Active routers, an advertisement each"), ROUTERS, Some(ADVERT_BAR), || {
        let due = endpoint.poll_timeout().unwrap();
        endpoint.handle_timeout(due);
        drain(&mut endpoint);
    });
    assert!(endpoint.iter().all(|(_, router)| router.state() == State::Active));
}

fn advert(key: RouterKey, envelope: &Envelope) -> Vec<u8> {
    let address = [198, 51, 100, key.vrid.get()];
    let advert = Advert {
        version: Version::V3,
        vrid: key.vrid,
        priority: Priority::new(200).ok(),
        interval: Interval::DEFAULT,
        addresses: Addresses::from_bytes(Family::V4, &address).unwrap(),
        authentication: Authentication::None,
    };
    let mut bytes = vec![0; advert.encoded_len()];
    advert.encode(&mut bytes);
    fill_checksum(&mut bytes, envelope.source, envelope.destination, ChecksumForm::PseudoHeader);
    bytes
}

fn drain(endpoint: &mut Endpoint) {
    while let Some((key, output)) = endpoint.poll_output() {
        if let Output::Send(message) = output {
            black_box((key, message.payload));
        }
    }
}

/// The memory that this process has now; `None` where there is no `/proc`.
fn resident_megabytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kilobytes| kilobytes / 1024.0)
}
