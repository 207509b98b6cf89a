//! What goes wrong on real networks, one scenario a test, with the outcome that operators may rely on.
#![allow(missing_docs, clippy::unwrap_used)]

mod election;
mod graceful;
mod machines;
mod strangers;

use std::{net::IpAddr, ops::RangeInclusive, time::Duration};

use lb_vrrp::{
    Config, ConfigBuilder, Event, Farewell, Interval, Priority, State, Time, Vrid,
    sim::{Fault, Lan, Message, Node, NodeId, Schedule, World},
};

/// The address of the router that most scenarios call left.
const LEFT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// The one that they call right; it is greater.
const RIGHT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
const VIRTUAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 100));
/// More than a message takes on a quiet network.
const TRANSIT: Duration = Duration::from_millis(1);

fn vrid() -> Vrid {
    Vrid::new(51).unwrap()
}

fn priority(value: u8) -> Priority {
    Priority::new(value).unwrap()
}

fn centiseconds(value: u16) -> Interval {
    Interval::from_centiseconds(value).unwrap()
}

fn v3(value: u8) -> ConfigBuilder {
    Config::v3(vrid(), [VIRTUAL]).priority(priority(value))
}

fn v2(value: u8) -> ConfigBuilder {
    Config::v2(vrid(), [VIRTUAL]).priority(priority(value))
}

/// Two routers on a quiet network, from the beginning.
fn pair(left: ConfigBuilder, right: ConfigBuilder) -> (World, NodeId, NodeId) {
    let mut world = World::new(1, Lan::default());
    let left = world.add(Node::new(left.build().unwrap(), LEFT)).unwrap();
    let right = world.add(Node::new(right.build().unwrap(), RIGHT)).unwrap();
    (world, left, right)
}

fn secs(value: f64) -> Time {
    Time::ZERO + Duration::from_secs_f64(value)
}

fn at(world: &mut World, time: f64, fault: Fault) {
    world.schedule(Schedule::new().at(secs(time), fault));
}

fn actives(world: &World) -> Vec<NodeId> {
    world.actives().collect()
}

fn events(world: &World, node: NodeId) -> Vec<Event> {
    world.trace().events(node).map(|(_, event)| event).collect()
}

fn count(world: &World, node: NodeId, wanted: impl Fn(&Event) -> bool) -> usize {
    events(world, node).iter().filter(|event| wanted(event)).count()
}

/// What a node sent in these seconds.
fn sent(world: &World, node: NodeId, during: RangeInclusive<f64>) -> Vec<Message> {
    let during = secs(*during.start())..=secs(*during.end());
    world.trace().sent(node).filter(|(at, _)| during.contains(at)).map(|(_, message)| message).collect()
}

/// When a node became Active the last time.
fn became_active(world: &World, node: NodeId) -> Time {
    world.active_since(node).unwrap_or_else(|| panic!("{node} is {}", world.state(node)))
}

/// Whether a time is this many seconds, or later by what a message takes.
#[track_caller]
fn assert_at(time: Time, wanted: f64) {
    let wanted = secs(wanted);
    assert!(time >= wanted.earlier(TRANSIT) && time <= wanted + TRANSIT, "{time} instead of {wanted}");
}

#[track_caller]
fn assert_backup(world: &World, node: NodeId) {
    assert_eq!(world.state(node), State::Backup);
    assert!(!world.holds_addresses(node), "{node} holds its addresses");
}
