//! The relay as a data plane: the table, who is chosen, what is counted, what happens at the limits.

#[path = "relay/world.rs"]
mod world;

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    num::{NonZeroU32, NonZeroUsize},
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
use lb_nat::relay::{Relay, RelayConfig, Timeouts};

use world::{Echo, PATIENCE, World, add, free_address, impatient, refusing, serve, was_reset, weigh};

/// One exchange on an open connection.
fn ping(stream: &mut TcpStream) {
    stream.write_all(b"ping").unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
}

/// So many clients that have been served, one after the other.
fn pinged(world: &World, service: &ServiceKey, count: usize) -> Vec<TcpStream> {
    (0..count)
        .map(|_| {
            let mut client = world.connect(service);
            ping(&mut client);
            client
        })
        .collect()
}

/// A client from an address of its own.
fn connect_from(source: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream: TcpStream = socket.into();
    impatient(&stream);
    stream
}

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
    assert!(error.detail.contains("192.0.2.1") && error.detail.contains("freebind"), "{error}");
    let free = World::with(RelayConfig { freebind: true, ..RelayConfig::default() });
    free.apply(&[Change::AddService { service: foreign, spec }]).await;
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
async fn a_refused_connection_is_tried_on_the_next_server() {
    let world = World::new();
    let (dead, echo) = (refusing(), Echo::start());
    for scheduler in
        [SchedulerKind::RoundRobin, SchedulerKind::SourceHash, SchedulerKind::WeightedLeastConnection]
    {
        let service = world.serve(scheduler.clone(), &[dead, echo.key()]).await;
        for _ in 0..8 {
            ping(&mut world.connect(&service));
        }
        let counters = world.service_counters(&service).await;
        assert_eq!(counters.refused, 0, "{scheduler}");
        assert_eq!(counters.servers[&echo.key()].traffic.connections, 8, "{scheduler}");
        let failed = counters.servers[&dead];
        assert_eq!((failed.traffic.connections, failed.active), (0, 0), "{scheduler}");
        if scheduler == SchedulerKind::RoundRobin {
            assert_eq!(failed.failed, 8, "its turn comes again with every client");
        }
    }
}

#[tokio::test]
async fn a_client_whom_nobody_can_serve_is_reset_and_counted() {
    let world = World::new();
    let service = world.serve(SchedulerKind::RoundRobin, &[]).await;
    assert!(was_reset(&mut world.connect(&service)));
    assert_eq!(world.service_counters(&service).await.refused, 1);

    let dead = [refusing(), refusing()];
    world.apply(&dead.map(|server| add(service, server))).await;
    assert!(was_reset(&mut world.connect(&service)));
    let counters = world.service_counters(&service).await;
    assert_eq!(counters.refused, 2);
    assert_eq!(dead.map(|server| counters.servers[&server].failed), [1, 1], "each was tried once");

    let stubborn = World::with(RelayConfig { retries: 0, ..RelayConfig::default() });
    let service = stubborn.serve(SchedulerKind::RoundRobin, &[refusing(), Echo::start().key()]).await;
    assert!(was_reset(&mut stubborn.connect(&service)), "without retries the first failure is the last");
    assert_eq!(stubborn.service_counters(&service).await.refused, 1);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_left_after_the_connect_timeout() {
    // A listener whose queue is full drops what comes: the nearest thing to a dead host on loopback.
    let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    silent.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    silent.listen(0).unwrap();
    let address = silent.local_addr().unwrap().as_socket().unwrap();
    let _queued = TcpStream::connect(address).unwrap();

    let timeouts = Timeouts { connect: Duration::from_millis(200), ..Timeouts::default() };
    let world = World::with(RelayConfig { timeouts, ..RelayConfig::default() });
    let echo = Echo::start();
    let service = world.serve(SchedulerKind::RoundRobin, &[address.into(), echo.key()]).await;
    let mut client = world.connect(&service);
    // Spoken before there is a server, and not lost.
    ping(&mut client);
    let failed = world.counters(&service, &address.into()).await;
    assert_eq!((failed.failed, failed.active), (1, 0));
    assert_eq!(world.counters(&service, &echo.key()).await.active, 1);
}

#[tokio::test]
async fn a_long_sleep_does_not_make_new_connections_look_old() {
    let timeouts = Timeouts { connect: Duration::from_millis(100), ..Timeouts::default() };
    let world =
        World::with(RelayConfig { timeouts, threads: NonZeroUsize::new(1), ..RelayConfig::default() });
    let echo = Echo::start();
    let service = world.serve(SchedulerKind::RoundRobin, &[echo.key()]).await;
    for _ in 0..3 {
        // Time has to pass here: the bug was about how much.
        tokio::time::sleep(Duration::from_millis(400)).await;
        ping(&mut world.connect(&service));
    }
    assert_eq!(world.counters(&service, &echo.key()).await.failed, 0);
}

#[tokio::test]
async fn thresholds_hold_and_let_go() {
    let world = World::new();
    let (small, large) = (Echo::start(), Echo::start());
    let service = world.serve(SchedulerKind::Failover, &[large.key()]).await;
    let spec =
        ServerSpec { thresholds: Thresholds { upper: 2, lower: 1 }, ..ServerSpec::masq(Weight::new(10)) };
    world.apply(&[Change::AddServer { service, server: small.key(), spec }]).await;
    let mut clients = pinged(&world, &service, 5);
    assert_eq!((small.accepted(), large.accepted()), (2, 3), "failover prefers the heavier until it is full");
    clients.clear();
    world.until(&service, &small.key(), "empty", |counters| counters.active + counters.inactive == 0).await;
    ping(&mut world.connect(&service));
    assert_eq!((small.accepted(), large.accepted()), (3, 3));
}

#[tokio::test]
async fn weight_zero_drains() {
    let world = World::new();
    let (leaving, staying) = (Echo::start(), Echo::start());
    let service = world.serve(SchedulerKind::RoundRobin, &[leaving.key(), staying.key()]).await;
    let mut clients = pinged(&world, &service, 2);
    world.apply(&[weigh(service, leaving.key(), 0)]).await;
    for _ in 0..6 {
        ping(&mut world.connect(&service));
    }
    assert_eq!((leaving.accepted(), staying.accepted()), (1, 7));
    clients.iter_mut().for_each(ping);
    assert_eq!(world.counters(&service, &leaving.key()).await.active, 1);
    world.apply(&[weigh(service, leaving.key(), 1), weigh(service, staying.key(), 0)]).await;
    ping(&mut world.connect(&service));
    assert_eq!(leaving.accepted(), 2);
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
async fn a_client_group_stays_with_its_server() {
    let world = World::new();
    let servers = [Echo::start(), Echo::start(), Echo::start()];
    let keys = servers.each_ref().map(Echo::key);
    let persistence = Persistence { prefix: Some(24), ..Persistence::seconds(NonZeroU32::new(300).unwrap()) };
    let spec = ServiceSpec::new(SchedulerKind::RoundRobin).persistent(persistence);
    let service = world.serve_spec(spec, &keys).await;
    let to = service.address().unwrap();
    let accepted = || servers.each_ref().map(Echo::accepted);
    for last in 1..=4 {
        ping(&mut connect_from(Ipv4Addr::new(127, 9, 1, last), to));
    }
    assert_eq!(accepted(), [4, 0, 0], "one /24, one server");
    for last in 1..=4 {
        ping(&mut connect_from(Ipv4Addr::new(127, 9, 2, last), to));
    }
    assert_eq!(accepted(), [4, 4, 0], "another /24, another server");
    assert_eq!(world.counters(&service, &keys[0]).await.persistent, 1);
    let templates: BTreeSet<_> = world
        .connections()
        .await
        .into_iter()
        .filter(|connection| connection.state == "NONE")
        .map(|connection| (connection.source.to_string(), connection.destination))
        .collect();
    let expected = [("127.9.1.0:0", keys[0]), ("127.9.2.0:0", keys[1])];
    assert_eq!(templates, expected.map(|(group, key)| (group.to_owned(), key.socket())).into());

    // Draining takes persistent clients too: their template is not waited for.
    world.apply(&[weigh(service, keys[0], 0)]).await;
    for _ in 0..3 {
        ping(&mut connect_from(Ipv4Addr::new(127, 9, 1, 1), to));
    }
    assert_eq!(accepted()[0], 4);
    assert_eq!(accepted().iter().sum::<usize>(), 11);
    assert_eq!(world.counters(&service, &keys[0]).await.persistent, 0);
}

#[tokio::test]
async fn a_persistent_client_of_a_dead_server_gets_another_one() {
    let world = World::new();
    let (dead, echo) = (refusing(), Echo::start());
    let persistence = Persistence::seconds(NonZeroU32::new(300).unwrap());
    let spec = ServiceSpec::new(SchedulerKind::RoundRobin).persistent(persistence);
    let service = world.serve_spec(spec, &[dead, echo.key()]).await;
    for _ in 0..3 {
        ping(&mut world.connect(&service));
    }
    assert_eq!(
        world.counters(&service, &dead).await.failed,
        1,
        "asked once, then the client is bound elsewhere"
    );
    assert_eq!(world.counters(&service, &echo.key()).await.persistent, 1);
}

#[tokio::test]
async fn persistence_ends_with_its_time() {
    let world = World::new();
    let servers = [Echo::start(), Echo::start()];
    let keys = servers.each_ref().map(Echo::key);
    let persistence = Persistence::seconds(NonZeroU32::MIN);
    let spec = ServiceSpec::new(SchedulerKind::RoundRobin).persistent(persistence);
    let service = world.serve_spec(spec, &keys).await;
    let mut held = world.connect(&service);
    ping(&mut held);
    // As long as a connection is open its template stays, however old.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    ping(&mut world.connect(&service));
    assert_eq!(servers.each_ref().map(Echo::accepted), [2, 0]);
    drop(held);
    world.until(&service, &keys[0], "forgotten", |counters| counters.persistent == 0).await;
    ping(&mut world.connect(&service));
    assert_eq!(servers.each_ref().map(Echo::accepted), [2, 1]);
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
