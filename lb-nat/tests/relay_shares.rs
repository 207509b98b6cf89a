//! What services of a relay leave each other: places, and time limits of their own.

#[path = "relay/datagrams.rs"]
mod datagrams;
#[path = "relay/world.rs"]
mod world;

use std::{
    io::Read as _,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use lb_core::{
    DataPlane as _,
    model::{SchedulerKind, ServiceKey},
};
use lb_nat::relay::{RelayConfig, ServiceLimits};

use datagrams::{UdpEcho, ask, client, free_udp, insist, round_robin, serve, serve_at};
use world::{Echo, World, ping, pinged};

/// Datagrams from ever new clients, until this is dropped.
struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    fn start(target: SocketAddr) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for number in 0_u32.. {
                if stopped.load(SeqCst) {
                    return;
                }
                let [_, _, high, low] = number.to_be_bytes();
                let source = Ipv4Addr::new(127, 254, high, low);
                let Ok(socket) = UdpSocket::bind((source, 0)) else { continue };
                let _ = socket.send_to(b"flood", target);
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn capped(max: u32) -> RelayConfig {
    RelayConfig { max_connections: Some(max), ..RelayConfig::default() }
}

async fn until_full(world: &World) {
    while world.relay.status().times_full == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_datagrams_keeps_no_connection_out() {
    let world = World::with(capped(64));
    let (silent, echo) = (UdpEcho::start(), Echo::start());
    let (flooded, address) = serve(&world, round_robin(), &[silent.key()]).await;
    let service = world.serve(SchedulerKind::RoundRobin, &[echo.key()]).await;
    let _flood = Flood::start(address);
    until_full(&world).await;
    // More at a time than the share of the service: some take the places of sessions.
    let mut clients = pinged(&world, &service, 20);
    clients.iter_mut().for_each(ping);
    for _ in 0..100 {
        ping(&mut world.connect(&service));
    }
    assert!(world.service_counters(&flooded).await.refused > 0, "the flood was larger than what there was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_at_one_service_ends_no_session_of_another() {
    let config = RelayConfig { threads: Some(NonZeroUsize::MIN), ..capped(64) };
    let world = World::with(config);
    let (silent, echo) = (UdpEcho::start(), UdpEcho::start());
    let (_, address) = serve(&world, round_robin(), &[silent.key()]).await;
    let (quiet, quiet_address) = serve(&world, round_robin(), &[echo.key()]).await;
    let known = client(quiet_address);
    ask(&known, quiet_address, b"before");
    let _flood = Flood::start(address);
    until_full(&world).await;
    // Long enough for the first session to be the oldest of all that may be ended.
    thread::sleep(Duration::from_millis(1500));
    insist(&known, quiet_address, b"during");
    insist(&client(quiet_address), quiet_address, b"somebody else");
    assert_eq!(world.counters(&quiet, &echo.key()).await.traffic.connections, 2, "the first session went on");
}

#[tokio::test]
async fn connections_of_one_service_leave_room_for_another() {
    let world = World::with(capped(16));
    let (one, two) = (Echo::start(), Echo::start());
    let greedy = world.serve(SchedulerKind::RoundRobin, &[one.key()]).await;
    let other = world.serve(SchedulerKind::RoundRobin, &[two.key()]).await;
    // A quarter is kept for others.
    let _held = pinged(&world, &greedy, 12);
    let _waiting: Vec<_> = (0..8).map(|_| world.connect(&greedy)).collect();
    until_full(&world).await;
    let _clients = pinged(&world, &other, 2);
    assert_eq!(one.accepted(), 12);
}

#[tokio::test]
async fn a_single_service_may_have_all_places() {
    let world = World::with(capped(16));
    let echo = Echo::start();
    let service = world.serve(SchedulerKind::RoundRobin, &[echo.key()]).await;
    let _clients = pinged(&world, &service, 16);
}

/// A relay where one address, not served yet, has limits of its own.
fn limited(key: fn(SocketAddr) -> ServiceKey, limits: ServiceLimits) -> (World, SocketAddr) {
    let address = free_udp();
    let services = [(key(address), limits)].into();
    let threads = Some(NonZeroUsize::MIN);
    (World::with(RelayConfig { services, threads, ..RelayConfig::default() }), address)
}

#[tokio::test]
async fn a_limited_service_has_so_many_sessions_at_most_and_others_have_more() {
    let limits = ServiceLimits { max_connections: Some(3), ..ServiceLimits::default() };
    let (world, address) = limited(ServiceKey::udp, limits);
    let server = UdpEcho::start();
    let (limited, _) = serve_at(&world, address, round_robin(), &[server.key()]).await;
    let (free, free_address) = serve(&world, round_robin(), &[server.key()]).await;
    for _ in 0..3 {
        ask(&client(address), address, b"early");
    }
    for _ in 0..8 {
        ask(&client(free_address), free_address, b"free");
    }
    insist(&client(address), address, b"late");
    assert!(world.counters(&limited, &server.key()).await.inactive <= 3);
    assert_eq!(world.counters(&free, &server.key()).await.inactive, 8);
    assert_eq!(world.relay.status().times_full, 0, "the relay itself has room");
}

#[tokio::test]
async fn clients_of_a_limited_service_wait_in_its_queue() {
    let limits = ServiceLimits { max_connections: Some(2), ..ServiceLimits::default() };
    let (world, address) = limited(ServiceKey::tcp, limits);
    let (echo, other) = (Echo::start(), Echo::start());
    let service = ServiceKey::tcp(address);
    let spec = round_robin();
    let add = lb_core::Change::AddService { service, spec };
    world.apply(&[add, world::add(service, echo.key())]).await;
    let free = world.serve(SchedulerKind::RoundRobin, &[other.key()]).await;
    let mut held = pinged(&world, &service, 2);
    let mut waiting = world.connect(&service);
    let _clients = pinged(&world, &free, 20);
    assert_eq!(echo.accepted(), 2);
    held.pop();
    ping(&mut waiting);
    assert_eq!(echo.accepted(), 3);
}

#[tokio::test]
async fn a_service_has_time_limits_of_its_own() {
    let short = Some(Duration::from_millis(200));
    let limits = ServiceLimits { tcp: short, udp: short, ..ServiceLimits::default() };
    let (world, address) = limited(ServiceKey::tcp, limits);
    let (echo, other) = (Echo::start(), Echo::start());
    let service = ServiceKey::tcp(address);
    let add = lb_core::Change::AddService { service, spec: round_robin() };
    world.apply(&[add, world::add(service, echo.key())]).await;
    let lasting = world.serve(SchedulerKind::RoundRobin, &[other.key()]).await;
    let mut long = pinged(&world, &lasting, 1);
    let mut idle = pinged(&world, &service, 1);
    assert_eq!(idle[0].read(&mut [0; 1]).unwrap_or(0), 0, "the relay has ended it");
    ping(&mut long[0]);

    let (world, address) = limited(ServiceKey::udp, limits);
    let server = UdpEcho::start();
    let (service, _) = serve_at(&world, address, round_robin(), &[server.key()]).await;
    let (free, free_address) = serve(&world, round_robin(), &[server.key()]).await;
    ask(&client(free_address), free_address, b"lasting");
    ask(&client(address), address, b"short");
    world.until(&service, &server.key(), "idle", |counters| counters.inactive == 0).await;
    assert_eq!(world.counters(&free, &server.key()).await.inactive, 1);
    assert_eq!(world.relay.connections(9).await.unwrap().len(), 1);
}
