//! The relay's UDP side over real sockets on loopback: what clients and servers see of their datagrams.

#[path = "relay/datagrams.rs"]
mod datagrams;
#[path = "support/requirements.rs"]
mod requirements;
#[path = "relay/world.rs"]
mod world;

use std::{
    net::UdpSocket,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use lb_core::{
    Change,
    model::{Persistence, SchedulerKind, ServerKey, ServiceSpec},
};
use nix::sched::{CloneFlags, unshare};

use datagrams::{
    UdpEcho, ask, client, datagram, free_udp, free_udp_at, insist, receive, receive_train, round_robin,
    send_burst, send_train, serve, serve_at, take_trains,
};
use requirements::{require_program, skip};
use world::{PATIENCE, World, add, weigh};

#[tokio::test]
async fn a_client_keeps_its_server_and_clients_take_turns() {
    let world = World::new();
    let servers = [UdpEcho::start(), UdpEcho::start()];
    let keys = servers.each_ref().map(UdpEcho::key);
    let (service, address) = serve(&world, round_robin(), &keys).await;
    for _ in 0..10 {
        let client = client(address);
        for question in 0..3 {
            let payload = datagram(question, 100);
            assert_eq!(ask(&client, address, &payload), payload);
        }
    }
    assert_eq!(servers.each_ref().map(UdpEcho::count), [15, 15]);
    for key in keys {
        let counters = world.counters(&service, &key).await;
        assert_eq!((counters.active, counters.inactive, counters.failed), (0, 5, 0));
        let traffic = counters.traffic;
        assert_eq!((traffic.connections, traffic.in_packets, traffic.out_packets), (5, 15, 15));
        assert_eq!((traffic.in_bytes, traffic.out_bytes), (1500, 1500));
    }
}

#[tokio::test]
async fn every_scheduler_that_is_known_serves() {
    let world = World::new();
    let servers = [UdpEcho::start(), UdpEcho::start(), UdpEcho::start()];
    for scheduler in SchedulerKind::KNOWN {
        let spec = ServiceSpec::new(scheduler);
        let (_, address) = serve(&world, spec, &servers.each_ref().map(UdpEcho::key)).await;
        for _ in 0..4 {
            assert_eq!(ask(&client(address), address, b"who is there"), b"who is there");
        }
    }
}

#[tokio::test]
async fn datagrams_of_every_size_arrive_whole() {
    let world = World::new();
    let server = UdpEcho::start();
    let (_, address) = serve(&world, round_robin(), &[server.key()]).await;
    let client = client(address);
    for length in [0, 1, 2, 63, 64, 1399, 1400, 1472, 1473, 9000, 32_768, 65_506, 65_507] {
        let payload = datagram(length, length);
        assert!(ask(&client, address, &payload) == payload, "{length} bytes");
    }
}

#[tokio::test]
async fn both_families_are_served_and_translated() {
    let Ok(probe) = UdpSocket::bind("[::1]:0") else {
        return skip("both_families_are_served_and_translated", "IPv6 on loopback");
    };
    drop(probe);
    let world = World::new();
    let four = UdpEcho::start();
    let six = UdpEcho::at("[::1]:0".parse().unwrap());
    let addresses = [free_udp(), free_udp_at("::1".parse().unwrap())];
    for address in addresses {
        for server in [&four, &six] {
            let (service, address) = serve_at(&world, address, round_robin(), &[server.key()]).await;
            let client = client(address);
            for length in [0, 100, 20_000] {
                let payload = datagram(length, length);
                assert!(ask(&client, address, &payload) == payload, "{address} to {}", server.address());
            }
            world.apply(&[Change::RemoveService { service }]).await;
        }
    }
}

#[tokio::test]
async fn bursts_keep_their_order_and_borders() {
    let world = World::new();
    let server = UdpEcho::start();
    let (_, address) = serve(&world, round_robin(), &[server.key()]).await;
    let client = client(address);
    let sizes = [100, 100, 100, 40, 100, 0, 0, 100, 100, 300, 300, 299, 300, 1, 1, 1, 1, 0, 5, 5, 6, 5];
    for round in 0..20 {
        let burst: Vec<_> =
            sizes.iter().enumerate().map(|(at, &size)| datagram(round * 50 + at, size)).collect();
        send_burst(&client, address, &burst);
        let answers: Vec<_> = burst.iter().map(|_| receive(&client, address)).collect();
        assert!(answers == burst, "answers differ in round {round}");
        assert!(
            server.received()[round * sizes.len()..] == burst,
            "the server got other datagrams in round {round}"
        );
    }
}

#[tokio::test]
async fn trains_come_apart_for_a_server_that_takes_none() {
    let world = World::new();
    let server = UdpEcho::start();
    let (service, address) = serve(&world, round_robin(), &[server.key()]).await;
    let client = client(address);
    let payload = datagram(1, 20 * 1400 + 17);
    send_train(&client, address, &payload, 1400);
    let expected: Vec<_> = payload.chunks(1400).map(<[u8]>::to_vec).collect();
    let answers: Vec<_> = expected.iter().map(|_| receive(&client, address)).collect();
    assert!(answers == expected, "other answers");
    assert!(server.received() == expected, "the server got other datagrams");
    let traffic = world.counters(&service, &server.key()).await.traffic;
    assert_eq!((traffic.in_packets, traffic.in_bytes), (21, payload.len() as u64));
    assert_eq!((traffic.out_packets, traffic.out_bytes), (21, payload.len() as u64));
}

#[tokio::test]
async fn trains_stay_trains_where_both_ends_take_them() {
    let world = World::new();
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    take_trains(&server);
    let (_, address) = serve(&world, round_robin(), &[server.local_addr().unwrap().into()]).await;
    let client = client(address);
    take_trains(&client);
    // The first datagram makes sure that the relay is ready to take trains.
    assert_eq!(client.send_to(b"first", address).unwrap(), 5);
    let (_, relay) = server.recv_from(&mut [0; 16]).unwrap();
    for (number, (count, size, rest)) in
        [(2, 1, 0), (40, 1400, 0), (46, 1400, 3), (3, 20_000, 5000), (64, 1000, 0)].into_iter().enumerate()
    {
        let payload = datagram(number, count * size + rest);
        let expected: Vec<_> = payload.chunks(size).map(<[u8]>::to_vec).collect();
        send_train(&client, address, &payload, size as u16);
        is_train(receive_train(&server), &expected, "to the server");
        send_train(&server, relay, &payload, size as u16);
        is_train(receive_train(&client), &expected, "to the client");
    }
}

fn is_train((datagrams, together): (Vec<Vec<u8>>, bool), expected: &[Vec<u8>], way: &str) {
    let lengths = |datagrams: &[Vec<u8>]| datagrams.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!((lengths(&datagrams), together), (lengths(expected), true), "{way}");
    assert!(datagrams == expected, "other bytes {way}");
}

#[tokio::test]
async fn one_packet_scheduling_schedules_every_datagram() {
    let world = World::new();
    let servers = [UdpEcho::start(), UdpEcho::start()];
    let keys = servers.each_ref().map(UdpEcho::key);
    let spec = ServiceSpec { one_packet: true, ..round_robin() };
    let (service, address) = serve(&world, spec, &keys).await;
    let client = client(address);
    for question in 0..10 {
        let payload = datagram(question, 50);
        assert_eq!(ask(&client, address, &payload), payload);
    }
    // A train is taken apart before it is scheduled.
    let payload = datagram(99, 600);
    send_train(&client, address, &payload, 100);
    let mut answers: Vec<_> = (0..6).map(|_| receive(&client, address)).collect();
    answers.sort();
    let mut expected: Vec<_> = payload.chunks(100).map(<[u8]>::to_vec).collect();
    expected.sort();
    assert!(answers == expected, "other answers");
    assert_eq!(servers.each_ref().map(UdpEcho::count), [8, 8]);
    for key in keys {
        let counters = world.counters(&service, &key).await;
        assert_eq!((counters.traffic.connections, counters.inactive), (8, 1));
    }
}

#[tokio::test]
async fn persistent_clients_keep_their_server_whatever_their_port() {
    let world = World::new();
    let servers = [UdpEcho::start(), UdpEcho::start()];
    let spec = round_robin().persistent(Persistence::seconds(300.try_into().unwrap()));
    let (_, address) = serve(&world, spec, &servers.each_ref().map(UdpEcho::key)).await;
    for _ in 0..6 {
        ask(&client(address), address, b"again");
    }
    let mut counts = servers.each_ref().map(UdpEcho::count);
    counts.sort_unstable();
    assert_eq!(counts, [0, 6]);
}

#[tokio::test]
async fn weight_zero_keeps_sessions_and_takes_no_new_ones() {
    let world = World::new();
    let servers = [UdpEcho::start(), UdpEcho::start()];
    let keys = servers.each_ref().map(UdpEcho::key);
    let (service, address) = serve(&world, round_robin(), &keys).await;
    let old = [client(address), client(address)];
    for client in &old {
        ask(client, address, b"before");
    }
    world.apply(&[weigh(service, keys[0], 0)]).await;
    for client in &old {
        ask(client, address, b"after");
    }
    for _ in 0..4 {
        ask(&client(address), address, b"new");
    }
    assert_eq!(servers.each_ref().map(UdpEcho::count), [2, 6]);
}

#[tokio::test]
async fn sessions_of_a_removed_server_are_scheduled_anew() {
    let world = World::new();
    let servers = [UdpEcho::start(), UdpEcho::start()];
    let keys = servers.each_ref().map(UdpEcho::key);
    let (service, address) = serve(&world, round_robin(), &keys[..1]).await;
    let clients: Vec<_> = (0..20).map(|_| client(address)).collect();
    for client in &clients {
        ask(client, address, b"first");
    }
    for turn in 0..4 {
        let (gone, other) = (keys[turn % 2], keys[1 - turn % 2]);
        world.apply(&[add(service, other), Change::RemoveServer { service, server: gone }]).await;
        let before = servers.each_ref().map(UdpEcho::count);
        for client in &clients {
            ask(client, address, b"more");
        }
        let after = servers.each_ref().map(UdpEcho::count);
        assert_eq!(after[turn % 2], before[turn % 2], "turn {turn}");
        assert_eq!(world.counters(&service, &other).await.inactive, 20, "turn {turn}");
    }
}

#[tokio::test]
async fn a_session_leaves_a_server_that_refuses() {
    let world = World::new();
    let live = UdpEcho::start();
    let dead: ServerKey = free_udp().into();
    let (service, address) = serve(&world, round_robin(), &[dead, live.key()]).await;
    for _ in 0..6 {
        insist(&client(address), address, b"anybody there");
    }
    let counters = world.counters(&service, &dead).await;
    assert!(counters.failed >= 3, "{counters:?}");
    assert_eq!(counters.inactive, 0);
    assert_eq!(world.counters(&service, &live.key()).await.inactive, 6);
}

#[tokio::test]
async fn a_service_recovers_when_its_only_server_comes_back() {
    let world = World::new();
    let home = free_udp();
    let (service, address) = serve(&world, round_robin(), &[home.into()]).await;
    let client = client(address);
    let end = Instant::now() + PATIENCE;
    while world.counters(&service, &home.into()).await.failed < 3 {
        client.send_to(b"nobody there", address).unwrap();
        assert!(Instant::now() < end, "refusals are not counted");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let _server = UdpEcho::at(home);
    insist(&client, address, b"and now");
}

#[test]
fn datagrams_larger_than_the_path_takes_go_on_in_fragments() {
    // A thread that moves into a network of its own, and the relay's threads with it.
    thread::spawn(|| {
        const NAME: &str = "datagrams_larger_than_the_path_takes_go_on_in_fragments";
        if unshare(CloneFlags::CLONE_NEWNET).is_err() {
            return skip(NAME, "the right to make a network namespace (root)");
        }
        let Some(ip) = require_program(NAME, "ip") else { return };
        let up = Command::new(ip).args(["link", "set", "lo", "up", "mtu", "1500"]).status().unwrap();
        assert!(up.success(), "{up}");
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(exchange_fragments());
    })
    .join()
    .unwrap();
}

async fn exchange_fragments() {
    let world = World::new();
    let server = UdpEcho::start();
    let (_, address) = serve(&world, round_robin(), &[server.key()]).await;
    let client = client(address);
    for round in 0..10 {
        // Three of a size that the kernel refuses to make of a train, then some that it takes.
        let sizes = [3000, 3000, 3000, 2999, 2999, 800, 800, 800, 200];
        let burst: Vec<_> =
            sizes.iter().enumerate().map(|(at, &size)| datagram(round * 10 + at, size)).collect();
        send_burst(&client, address, &burst);
        let answers: Vec<_> = burst.iter().map(|_| receive(&client, address)).collect();
        assert!(answers == burst, "answers differ in round {round}");
    }
}
