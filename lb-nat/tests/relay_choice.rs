//! Who serves a client: schedulers, retries, draining, thresholds, persistence.

#[path = "relay/world.rs"]
mod world;

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use lb_core::{
    Change,
    model::{Persistence, SchedulerKind, ServerSpec, ServiceSpec, Thresholds, Weight},
};
use lb_nat::relay::{RelayConfig, Timeouts};

use world::{Echo, World, add, connect_from, ping, pinged, refusing, was_reset, weigh};

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
