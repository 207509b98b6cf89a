//! The codec: what a service with ten servers costs to write, and a table of 1,000 such services to read.
//!
//! The bar: to write a service and its ten servers takes less than 5 µs.

use divan::{Bencher, black_box, counter::ItemsCount};
use lb_ipvs::{
    Answer, Client, Command, Destination, Forwarding, Query, SchedulerKind, ServerKey, Service, ServiceKey,
    transport::{Recorded, Replay},
};

fn main() {
    divan::main();
}

fn service(number: u32) -> ServiceKey {
    ServiceKey::tcp(([10, (number >> 16) as u8, (number >> 8) as u8, number as u8], 80).into())
}

fn servers() -> impl Iterator<Item = Destination> {
    (1..=10).map(|number| {
        Destination::new(ServerKey::new([192, 168, 0, number].into(), 80), Forwarding::Masquerade)
    })
}

#[divan::bench]
fn encode_a_service_and_ten_servers(bencher: Bencher<'_, '_>) {
    let key = service(1);
    let mut commands = vec![Command::AddService(Service::new(key, SchedulerKind::RoundRobin))];
    commands.extend(servers().map(|server| Command::AddDestination(key, server)));
    bencher.bench_local(|| {
        for command in &commands {
            black_box(command.encode().expect("it has no names that are too long"));
        }
    });
}

/// What Linux 6.1 says of a service and of a server, with all statistics.
fn recorded(command: u8) -> Vec<u8> {
    let text = include_str!("../tests/golden/ipvsadm-1.31.txt");
    let start = format!("< {command:02x}01");
    let line = text.lines().find(|line| line.starts_with(&start)).expect("it was recorded");
    let digits = line.trim_start_matches("< ").as_bytes();
    digits.chunks(2).filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[divan::bench]
fn decode_a_server(bencher: Bencher<'_, '_>) {
    let message = recorded(5);
    bencher.bench_local(|| Answer::decode(black_box(&message), lb_ipvs::Family::V4));
}

/// 1,000 services with ten servers each, as from the kernel.
#[divan::bench(sample_count = 20)]
fn read_a_table_of_ten_thousand_servers(bencher: Bencher<'_, '_>) {
    let Ok(Answer::Service(entry)) = Answer::decode(&recorded(1), lb_ipvs::Family::V4) else {
        unreachable!("it was recorded")
    };
    let Ok(Answer::Destination(server)) = Answer::decode(&recorded(5), lb_ipvs::Family::V4) else {
        unreachable!("it was recorded")
    };
    let servers: Vec<Recorded> = servers()
        .map(|destination| {
            let mut server = server.clone();
            server.destination = destination;
            Recorded::Message(Answer::Destination(server).encode())
        })
        .chain([Recorded::Done])
        .collect();
    let listed = (0..1000).map(|number| {
        let mut entry = entry.clone();
        entry.service.key = service(number);
        Recorded::Message(Answer::Service(entry).encode())
    });
    let mut replay = Replay::new().expect(&Query::Services.encode(), listed.chain([Recorded::Done]));
    for number in 0..1000 {
        replay = replay.expect(&Query::Destinations(service(number)).encode(), servers.clone());
    }
    bencher
        .counter(ItemsCount::new(10_000_u32))
        .with_inputs(|| Client::with_transport(replay.clone()).expect("it knows the family"))
        .bench_local_values(|mut client| client.table().expect("it was recorded").len());
}
