//! Any bytes: nothing panics, and what is understood is written as it was read.
#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

use lb_ipvs::{
    Answer, Attribute, Client, Command, Destination, Family, Forwarding, Query, SchedulerKind, Service,
    ServiceKey, Tunnel, TunnelFlags, TunnelKind,
    transport::{Recorded, Replay},
};
use proptest::prelude::*;

const RECORDING: &str = include_str!("golden/ipvsadm-1.31.txt");

/// Every message of the recording, of both sides.
fn corpus() -> Vec<Vec<u8>> {
    let hex = RECORDING.lines().filter_map(|line| line.strip_prefix("> ").or(line.strip_prefix("< ")));
    hex.map(|hex| {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    })
    .collect()
}

/// What comes of it is of no matter here.
fn read(bytes: &[u8]) {
    for family in [Family::V4, Family::V6] {
        if let Ok(answer) = Answer::decode(bytes, family) {
            // What was understood is understood again. (IPv4 addresses lose what is behind their four bytes.)
            let again = Answer::decode(&answer.encode(), family);
            assert_eq!(again.as_ref(), Ok(&answer));
        }
    }
    if let Ok(command) = Command::decode(bytes) {
        let _ = command.to_string();
        if let Ok(encoded) = command.encode() {
            let _ = Command::decode(&encoded).unwrap();
        }
    }
    let replay =
        Replay::new().expect(&Query::Services.encode(), [Recorded::Message(bytes.to_vec()), Recorded::Done]);
    let _ = Client::with_transport(replay).unwrap().services();
}

#[test]
fn every_cut_and_every_changed_byte_of_the_recording_is_read_or_refused() {
    for message in corpus() {
        for end in 0..message.len() {
            read(&message[..end]);
        }
        for at in 0..message.len() {
            let mut changed = message.clone();
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                changed[at] = value;
                read(&changed);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..400), command in 0_u8..20) {
        read(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = command;
            read(&bytes);
        }
    }

    #[test]
    fn a_service_and_a_server_are_read_as_they_were_written(
        mark in any::<Option<std::num::NonZeroU32>>(),
        address in any::<std::net::SocketAddr>(),
        server in any::<std::net::SocketAddr>(),
        numbers in any::<[u32; 6]>(),
        tunnel in any::<(u8, u16, u16)>(),
        kind in 13_u16..0x3fff,
        payload in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let key = match mark {
            Some(mark) => ServiceKey::FwMark { mark, family: Family::of(address.ip()) },
            None => ServiceKey::udp(address),
        };
        let other = vec![Attribute::new(kind, payload.clone()).unwrap()];
        let mut service = Service::new(key, SchedulerKind::Other("new".to_owned()));
        service.flags = lb_ipvs::ServiceFlags::from_bits(numbers[0]).without(lb_ipvs::ServiceFlags::HASHED);
        service.timeout = numbers[1];
        service.other = other;
        let command = Command::EditService(service);
        prop_assert_eq!(&Command::decode(&command.encode().unwrap()).unwrap(), &command);

        let mut server = Destination::new(server.into(), Forwarding::from_number(numbers[2])).with_weight(numbers[3]);
        server.thresholds.upper = numbers[4];
        server.thresholds.lower = numbers[5];
        server.tunnel = Tunnel::new(TunnelKind::from_number(tunnel.0), tunnel.1, TunnelFlags::from_bits(tunnel.2));
        server.other = vec![Attribute::new(kind.max(16), payload).unwrap()];
        let command = Command::AddDestination(key, server);
        prop_assert_eq!(&Command::decode(&command.encode().unwrap()).unwrap(), &command);
    }
}

/// The kernel does not mark what holds other attributes, libnl does; both are read.
#[test]
fn a_nest_is_read_with_its_mark_and_without() {
    let mut request = Command::AddService(Service::new(
        ServiceKey::tcp(([10, 0, 0, 1], 80).into()),
        SchedulerKind::RoundRobin,
    ))
    .encode()
    .unwrap();
    let marked = Command::decode(&request).unwrap();
    assert_eq!(request[7], 0x80);
    request[7] = 0;
    assert_eq!(Command::decode(&request).unwrap(), marked);
}

#[test]
fn an_unknown_attribute_shows_what_it_is() {
    let attribute = Attribute::new(0x8063, vec![1, 0xab]).unwrap();
    assert_eq!((attribute.kind(), attribute.payload()), (0x8063, &[1, 0xab][..]));
    assert_eq!(format!("{attribute:?}"), "Attribute(32867: 01 ab)");
}
