//! The relay's TCP side over real sockets on loopback: what clients and servers see.

#[path = "relay/world.rs"]
mod world;

use std::io::{Read, Write};

use lb_core::model::SchedulerKind;

use world::{Echo, World};

#[tokio::test]
async fn bytes_go_both_ways_and_servers_take_turns() {
    let world = World::new();
    let servers = [Echo::start(), Echo::start()];
    let service = world.serve(SchedulerKind::RoundRobin, &servers.each_ref().map(Echo::key)).await;
    for _ in 0..10 {
        let mut client = world.connect(&service);
        client.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello");
    }
    assert_eq!(servers.each_ref().map(Echo::accepted), [5, 5]);
}
