//! The relay as a data plane: its table, its errors, its listings and counters, its limits.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

#[path = "relay/world.rs"]
mod world;

use std::{
    io::{Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream},
    num::NonZeroU32,
    time::Duration,
};

use lb_core::{
    Change, DataPlane,
    dataplane::ErrorKind,
    model::{
        Forwarding, Persistence, Protocol, SchedulerKind, ServerKey, ServerSpec, ServiceKey, ServiceSpec,
        ServiceTable, Thresholds, Tunnel, Weight,
    },
};
use lb_nat::relay::{AddressSet, Freebind, Relay, RelayConfig};

use world::{Echo, PATIENCE, World, add, free_address, ping, pinged, refusing, serve, was_reset, weigh};

#[tokio::test]
async fn a_snapshot_is_what_was_applied() {
    let world = World::new();
    let (tcp, udp) = (ServiceKey::tcp(free_address()), ServiceKey::udp(free_address()));
    let persistent = ServiceSpec::new(SchedulerKind::WeightedLeastConnection)
        .persistent(Persistence::seconds(NonZeroU32::new(300).unwrap()));
    let server = |text: &str| text.parse::<ServerKey>().unwrap();
    let odd = ServerSpec {
        weight: Weight::new(7),
        forwarding: Forwarding::Tunnel(Tunnel::IPIP),
        thresholds: Thresholds { upper: 9, lower: 3 },
    };
    let batch = [
        Change::AddService { service: tcp, spec: persistent },
        Change::AddService { service: udp, spec: ServiceSpec::new(SchedulerKind::RoundRobin) },
        Change::AddServer { service: tcp, server: server("192.0.2.1:0"), spec: odd },
        add(tcp, server("192.0.2.2:80")),
        add(udp, server("192.0.2.3:53")),
        weigh(tcp, server("192.0.2.2:80"), 0),
        Change::EditService { service: udp, spec: ServiceSpec::new(SchedulerKind::Maglev) },
        add(udp, server("[2001:db8::1]:53")),
        Change::RemoveServer { service: udp, server: server("192.0.2.3:53") },
    ];
    world.apply(&batch).await;
    let mut expected = ServiceTable::new();
    for change in &batch {
        change.apply(&mut expected).unwrap();
    }
    assert_eq!(world.relay.snapshot().await.unwrap(), expected);
    world.apply(&[Change::RemoveService { service: tcp }, Change::RemoveService { service: udp }]).await;
    assert_eq!(world.relay.snapshot().await.unwrap(), ServiceTable::new());
}

#[tokio::test]
async fn changes_that_do_not_fit_are_refused_one_by_one() {
    let world = World::new();
    let service = ServiceKey::tcp(free_address());
    let server = refusing();
    let spec = ServiceSpec::new(SchedulerKind::RoundRobin);
    let missing = ServiceKey::tcp("192.0.2.1:80".parse().unwrap());
    let batch = [
        Change::AddService { service, spec: spec.clone() },
        Change::AddService { service, spec: spec.clone() },
        add(service, server),
        add(service, server),
        weigh(service, refusing(), 1),
        Change::RemoveServer { service, server: refusing() },
        add(missing, server),
        Change::EditService { service: missing, spec },
        Change::RemoveService { service: missing },
    ];
    let refused = world.relay.apply(&batch).await.unwrap();
    let kinds: Vec<_> = refused.iter().map(|refused| (refused.index, refused.error.kind)).collect();
    use ErrorKind::{Exists, NotFound};
    assert_eq!(
        kinds,
        [(1, Exists), (3, Exists), (4, NotFound), (5, NotFound), (6, NotFound), (7, NotFound), (8, NotFound)]
    );
    assert_eq!(world.relay.snapshot().await.unwrap().server_count(), 1);
}

#[tokio::test]
async fn what_a_relay_cannot_do_is_said_with_a_remedy() {
    let world = World::new();
    let spec = ServiceSpec::new(SchedulerKind::RoundRobin);
    let other = ServiceSpec::new(SchedulerKind::Other("future".into()));
    let engine = Persistence {
        engine: Some("sip".parse().unwrap()),
        ..Persistence::seconds(NonZeroU32::new(60).unwrap())
    };
    let sctp = ServiceKey::new(Protocol::Sctp, free_address());
    for (service, spec, remedy) in [
        ("fwmark:7".parse().unwrap(), spec.clone(), "name an address and a port"),
        (sctp, spec.clone(), "use the ipvs data plane"),
        ("tcp:127.0.0.1:0".parse().unwrap(), spec.clone(), "one service for each port"),
        (ServiceKey::tcp(free_address()), other, "use one such as rr"),
        (ServiceKey::tcp(free_address()), spec.clone().persistent(engine), "leave it out"),
    ] {
        let error = world.refused(Change::AddService { service, spec }).await;
        assert_eq!(error.kind, ErrorKind::Unsupported, "{error}");
        assert!(error.detail.contains(remedy), "{error}");
    }

    let foreign = ServiceKey::tcp("192.0.2.1:8080".parse().unwrap());
    let error = world.refused(Change::AddService { service: foreign, spec: spec.clone() }).await;
    assert_eq!(error.kind, ErrorKind::Address, "{error}");
    assert!(error.detail.contains("add 192.0.2.1 to an interface first"), "{error}");
}

#[tokio::test]
async fn services_are_added_before_their_addresses_arrive_where_freebind_allows_it() {
    let addresses = AddressSet::default();
    let some =
        World::with(RelayConfig { freebind: Freebind::Only(addresses.clone()), ..RelayConfig::default() });
    let all = World::with(RelayConfig { freebind: Freebind::Always, ..RelayConfig::default() });
    // Held until the end, so that no other copy of this test has the same ports.
    let reserved = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    let [port, other] = reserved.each_ref().map(|listener| listener.local_addr().unwrap().port());
    let add = |service| Change::AddService { service, spec: ServiceSpec::new(SchedulerKind::RoundRobin) };
    for address in ["198.51.100.1", "2001:db8::1"] {
        let address: IpAddr = address.parse().unwrap();
        for service in [ServiceKey::tcp, ServiceKey::udp] {
            all.apply(&[add(service(SocketAddr::new(address, port)))]).await;
            let add = add(service(SocketAddr::new(address, other)));
            addresses.set([IpAddr::from([198, 51, 100, 2])].into());
            let error = some.refused(add.clone()).await;
            assert_eq!(error.kind, ErrorKind::Address, "{error}");
            addresses.set([address].into());
            some.apply(&[add]).await;
        }
    }
}

#[tokio::test]
async fn an_address_in_use_is_named_even_when_its_owner_shares_it() {
    let world = World::new();
    let spec = ServiceSpec::new(SchedulerKind::RoundRobin);
    let taken = TcpListener::bind(free_address()).unwrap();
    let service = ServiceKey::tcp(taken.local_addr().unwrap());
    let error = world.refused(Change::AddService { service, spec: spec.clone() }).await;
    assert_eq!(error.kind, ErrorKind::Address, "{error}");
    assert!(error.detail.contains(&taken.local_addr().unwrap().to_string()), "{error}");
    assert!(error.detail.contains("ss -lnp"), "{error}");

    // Two relays of one user: SO_REUSEPORT alone would let them share the clients unnoticed.
    for service in [ServiceKey::tcp(free_address()), ServiceKey::udp(free_address())] {
        world.apply(&[Change::AddService { service, spec: spec.clone() }]).await;
        let error = World::new().refused(Change::AddService { service, spec: spec.clone() }).await;
        assert_eq!(error.kind, ErrorKind::Address, "{error}");
    }
}

#[tokio::test]
async fn a_removed_service_stops_listening_at_once_and_its_connections_go_on() {
    let world = World::new();
    let echo = Echo::start();
    let service = world.serve(SchedulerKind::RoundRobin, &[echo.key()]).await;
    let mut client = world.connect(&service);
    ping(&mut client);
    let spec = ServiceSpec::new(SchedulerKind::RoundRobin);
    for _ in 0..20 {
        world.apply(&[Change::RemoveService { service }]).await;
        assert!(TcpStream::connect(service.address().unwrap()).is_err());
        ping(&mut client);
        // The address is free again, with no pause in between.
        world.apply(&[Change::AddService { service, spec: spec.clone() }]).await;
    }
    world.apply(&[add(service, echo.key())]).await;
    ping(&mut world.connect(&service));
    ping(&mut client);
}

#[tokio::test]
async fn a_removed_server_keeps_its_connections_and_finds_them_again() {
    let world = World::new();
    let echo = Echo::start();
    let service = world.serve(SchedulerKind::RoundRobin, &[echo.key()]).await;
    let mut client = world.connect(&service);
    ping(&mut client);
    world.apply(&[Change::RemoveServer { service, server: echo.key() }]).await;
    ping(&mut client);
    assert!(was_reset(&mut world.connect(&service)), "nobody is left for new ones");
    world.apply(&[add(service, echo.key())]).await;
    let counters = world.counters(&service, &echo.key()).await;
    assert_eq!(
        (counters.active, counters.traffic.connections),
        (1, 0),
        "the load counts, the traffic is new"
    );
    drop(client);
    world.until(&service, &echo.key(), "ended", |counters| counters.active == 0).await;
    let whole = world.service_counters(&service).await.traffic;
    assert_eq!(
        (whole.connections, whole.in_bytes, whole.out_bytes),
        (1, 8, 8),
        "the service forgets nothing"
    );
}

#[tokio::test]
async fn connections_of_a_dead_server_can_be_reset() {
    let world = World::with(RelayConfig { reset_removed: true, ..RelayConfig::default() });
    let servers = [Echo::start(), Echo::start()];
    let keys = servers.each_ref().map(Echo::key);
    let service = world.serve(SchedulerKind::RoundRobin, &keys).await;
    let mut clients = pinged(&world, &service, 4);
    world.apply(&[Change::RemoveServer { service, server: keys[0] }]).await;
    assert!(was_reset(&mut clients[0]) && was_reset(&mut clients[2]));
    ping(&mut clients[1]);
    assert_eq!(world.relay.reset(&service, &keys[1]).await.unwrap(), 2);
    assert!(was_reset(&mut clients[1]) && was_reset(&mut clients[3]));
    assert_eq!(world.relay.status().open, 0);
}

#[tokio::test]
async fn connections_are_listed_with_their_states() {
    let world = World::new();
    let echo = Echo::start();
    let service = world.serve(SchedulerKind::RoundRobin, &[echo.key()]).await;
    let mut open = world.connect(&service);
    ping(&mut open);
    let half = serve(|mut stream| {
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = stream.read(&mut [0]);
    });
    let other = world.serve(SchedulerKind::RoundRobin, &[half.into()]).await;
    let closing = world.connect(&other);
    world.until(&other, &half.into(), "half closed", |counters| counters.inactive == 1).await;

    let list = world.connections().await;
    assert_eq!(list.len(), 2, "{list:?}");
    let find = |client: &TcpStream| {
        list.iter().find(|connection| connection.source == client.local_addr().unwrap()).unwrap()
    };
    let found = find(&open);
    assert_eq!((found.state.as_str(), found.protocol), ("ESTABLISHED", Protocol::Tcp));
    assert_eq!(found.virtual_address, service.address().unwrap());
    assert_eq!(found.destination, echo.key().socket());
    assert!(
        found.expires > Duration::from_secs(600) && found.expires <= Duration::from_secs(900),
        "{found:?}"
    );
    assert_eq!(find(&closing).state, "FIN_WAIT");
    assert_eq!(world.relay.connections(1).await.unwrap().len(), 1);
    assert_eq!(world.relay.connections(0).await.unwrap().len(), 0);
}

#[tokio::test]
async fn traffic_is_counted_to_the_byte() {
    let world = World::new();
    let echo = Echo::start();
    let service = world.serve(SchedulerKind::RoundRobin, &[echo.key()]).await;
    let mut client = world.connect(&service);
    client.write_all(&[1; 1_000_000]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(std::io::copy(&mut client, &mut std::io::sink()).unwrap(), 1_000_000);
    world.until(&service, &echo.key(), "ended", |counters| counters.active + counters.inactive == 0).await;
    let traffic = world.counters(&service, &echo.key()).await.traffic;
    assert_eq!((traffic.connections, traffic.in_bytes, traffic.out_bytes), (1, 1_000_000, 1_000_000));
    assert!(traffic.in_packets > 0 && traffic.out_packets > 0, "{traffic:?}");
    assert_eq!(world.service_counters(&service).await.traffic, traffic);
}

#[tokio::test]
async fn at_the_cap_clients_wait_in_the_queue_and_are_served_when_others_leave() {
    let world = World::with(RelayConfig { max_connections: Some(3), ..RelayConfig::default() });
    let echo = Echo::start();
    let service = world.serve(SchedulerKind::RoundRobin, &[echo.key()]).await;
    let mut clients = pinged(&world, &service, 3);
    let mut waiting = world.connect(&service);
    waiting.write_all(b"ping").unwrap();
    waiting.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(waiting.read(&mut [0; 4]).is_err(), "nobody may answer yet");
    assert_eq!(echo.accepted(), 3);
    let status = world.relay.status();
    assert_eq!((status.open, status.max_connections, status.times_full), (3, 3, 1));
    clients.pop();
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    waiting.read_exact(&mut [0; 4]).unwrap();
    assert_eq!(echo.accepted(), 4);
}

#[tokio::test]
async fn privileged_ports_name_the_capability() {
    use nix::unistd::{Uid, geteuid};
    let world = World::new();
    let service = ServiceKey::tcp("127.0.0.1:1".parse().unwrap());
    let add = Change::AddService { service, spec: ServiceSpec::new(SchedulerKind::RoundRobin) };
    if geteuid() != Uid::from_raw(0) {
        let error = world.refused(add).await;
        assert_eq!(error.kind, ErrorKind::Denied, "{error}");
        assert!(error.detail.contains("CAP_NET_BIND_SERVICE"), "{error}");
        return;
    }
    // As root: on a thread that has given the capability up.
    let relay = world.relay.clone();
    let refused = std::thread::spawn(move || {
        drop_bind_capability();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(relay.apply(&[add])).unwrap()
    })
    .join()
    .unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].error.kind, ErrorKind::Denied, "{}", refused[0].error);
    assert!(refused[0].error.detail.contains("CAP_NET_BIND_SERVICE"), "{}", refused[0].error);
}

/// Changing the effective user of this thread alone empties its effective capabilities.
fn drop_bind_capability() {
    rustix::thread::set_thread_res_uid(
        rustix::process::Uid::from_raw(65_534),
        rustix::process::Uid::from_raw(65_534),
        rustix::process::Uid::from_raw(0),
    )
    .unwrap();
}

#[tokio::test]
async fn dropping_a_relay_ends_everything() {
    let world = World::new();
    let echo = Echo::start();
    let service = world.serve(SchedulerKind::RoundRobin, &[echo.key()]).await;
    let mut client = world.connect(&service);
    ping(&mut client);
    let World { relay } = world;
    let relay: Relay = std::sync::Arc::into_inner(relay).unwrap();
    drop(relay);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    assert!(TcpStream::connect(service.address().unwrap()).is_err());
}
