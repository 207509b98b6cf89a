//! Running out of descriptors. A program of its own, because it lowers the limit of the whole process.

#[path = "relay/world.rs"]
mod world;

use std::{
    fs::File,
    io::{Read, Write},
    time::{Duration, Instant},
};

use lb_core::model::SchedulerKind;
use rustix::process::{Resource, Rlimit, setrlimit};

use world::{Echo, PATIENCE, World, ping};

#[tokio::test]
async fn without_descriptors_clients_wait_and_are_served_later() {
    let limit = Rlimit { current: Some(600), maximum: Some(1000) };
    setrlimit(Resource::Nofile, limit).unwrap();
    let world = World::new();
    let max = world.relay.status().max_connections;
    assert!((100..=372).contains(&max), "two of 1000 descriptors for each, some for the rest: {max}");
    let echo = Echo::start();
    let service = world.serve(SchedulerKind::RoundRobin, &[echo.key()]).await;
    ping(&mut world.connect(&service));

    // The rest of the process takes every descriptor; then all but one, which is enough for the client's side.
    for (round, spare) in [(1, 0), (2, 1)] {
        let mut client = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut hoard = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            hoard.push(file);
        }
        hoard.truncate(hoard.len() - spare);
        client.connect(&service.address().unwrap().into()).unwrap();
        client.write_all(b"ping").unwrap();
        let end = Instant::now() + PATIENCE;
        while world.relay.status().times_full < round {
            assert!(Instant::now() < end, "never out of descriptors");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(echo.accepted(), round as usize, "the client waits");
        drop(hoard);
        client.read_exact(&mut [0; 4]).unwrap();
        assert_eq!(echo.accepted(), round as usize + 1);
        drop(client);
        world.until(&service, &echo.key(), "gone", |counters| counters.active + counters.inactive == 0).await;
    }
    assert_eq!(world.service_counters(&service).await.refused, 0);
}
