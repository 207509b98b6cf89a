//! How the relay's UDP sessions end: by time, for want of room, with their service.

#[path = "relay/datagrams.rs"]
mod datagrams;
#[path = "relay/world.rs"]
mod world;

use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

use lb_core::{Change, DataPlane, model::Protocol};
use lb_nat::relay::{RelayConfig, Timeouts};

use datagrams::{
    UdpEcho, ask, client, datagram, holding, insist, nudge, receive, round_robin, serve, serve_at,
};
use world::{PATIENCE, World};

#[tokio::test]
async fn idle_sessions_end_and_clients_begin_new_ones() {
    let timeouts = Timeouts { udp: Duration::from_millis(200), ..Timeouts::default() };
    let world = World::with(RelayConfig { timeouts, ..RelayConfig::default() });
    let server = UdpEcho::start();
    let (service, address) = serve(&world, round_robin(), &[server.key()]).await;
    let client = client(address);
    ask(&client, address, b"first");
    world.until(&service, &server.key(), "idle", |counters| counters.inactive == 0).await;
    assert_eq!(world.connections().await, []);
    ask(&client, address, b"second");
    assert_eq!(world.counters(&service, &server.key()).await.traffic.connections, 2);
}

#[tokio::test]
async fn a_thousand_clients_are_told_apart() {
    let world = World::new();
    let servers = [UdpEcho::start(), UdpEcho::start(), UdpEcho::start()];
    let keys = servers.each_ref().map(UdpEcho::key);
    let (service, address) = serve(&world, round_robin(), &keys).await;
    let clients: Vec<_> = (0..1000).map(|_| client(address)).collect();
    for (crowd, number) in clients.chunks(50).zip(0..) {
        for (client, at) in crowd.iter().zip(0..) {
            client.send_to(&datagram(number * 50 + at, 200), address).unwrap();
        }
        for (client, at) in crowd.iter().zip(0..) {
            assert_eq!(receive(client, address), datagram(number * 50 + at, 200));
        }
    }
    let mut total = 0;
    for key in keys {
        total += world.counters(&service, &key).await.inactive;
    }
    assert_eq!(total, 1000);
    let list = world.connections().await;
    assert_eq!(list.len(), 1000);
    for connection in list {
        assert_eq!((connection.protocol, connection.state.as_str()), (Protocol::Udp, "UDP"));
        assert_eq!(connection.virtual_address, address);
        assert!(
            connection.expires > Duration::from_secs(200) && connection.expires <= Duration::from_secs(300)
        );
        assert!(keys.contains(&connection.destination.into()));
    }
    assert_eq!(world.relay.connections(7).await.unwrap().len(), 7);
}

#[tokio::test]
async fn a_new_client_takes_the_place_of_the_one_that_was_idle_longest() {
    let world = holding(5);
    let server = UdpEcho::start();
    let (service, address) = serve(&world, round_robin(), &[server.key()]).await;
    for _ in 0..5 {
        ask(&client(address), address, b"early");
    }
    for _ in 0..3 {
        insist(&client(address), address, b"late");
        assert!(world.connections().await.len() <= 5);
    }
    assert_eq!(world.counters(&service, &server.key()).await.traffic.connections, 8);
}

#[tokio::test]
async fn a_new_client_is_refused_while_all_places_are_in_use() {
    let world = holding(1);
    let server = UdpEcho::start();
    let (service, address) = serve(&world, round_robin(), &[server.key()]).await;
    let (busy, late) = (client(address), client(address));
    let end = Instant::now() + PATIENCE;
    while world.service_counters(&service).await.refused == 0 {
        nudge(&busy, address);
        late.send_to(b"let me in", address).unwrap();
        assert!(world.connections().await.len() <= 1);
        assert!(Instant::now() < end, "nobody was refused");
    }
}

#[tokio::test]
async fn removing_a_service_ends_its_sessions_and_frees_the_address() {
    let world = World::new();
    let server = UdpEcho::start();
    let (service, address) = serve(&world, round_robin(), &[server.key()]).await;
    ask(&client(address), address, b"before");
    world.apply(&[Change::RemoveService { service }]).await;
    assert_eq!(world.connections().await, []);
    drop(UdpSocket::bind(address).unwrap());
    serve_at(&world, address, round_robin(), &[server.key()]).await;
    assert_eq!(ask(&client(address), address, b"after"), b"after");
}
