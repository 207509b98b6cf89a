//! What is told once, and when it is told again.

use super::rig::*;
use crate::{Event, Family, Input, Priority};

fn from(peer: u8, priority: u8) -> Packet {
    Packet { priority, ..Packet::v3(Family::V6, peer) }
}

fn tells(rig: &mut Rig, packet: &Packet, event: Event) -> bool {
    rig.hear(packet).contains(&Did::Tell(event))
}

#[test]
fn a_new_active_router() {
    let mut rig = Rig::backup(v3(Family::V6));
    let mut told = |peer, value| {
        let event = Event::NewActive { source: host(Family::V6, peer), priority: priority(value) };
        tells(&mut rig, &from(peer, value), event)
    };
    assert!(told(9, 200));
    assert!(!told(9, 200) && !told(9, 201), "the same one");
    assert!(told(8, 200));
    assert!(told(9, 200));
}

#[test]
fn another_priority_of_the_active_router() {
    let mut rig = Rig::backup(v3(Family::V6));
    let mut told = |value, before| {
        let (source, from_it) = (host(Family::V6, 9), from(9, value));
        let event = Event::ActivePriority { source, from: priority(before), to: priority(value) };
        tells(&mut rig, &from_it, event)
    };
    assert!(!told(200, 200), "it is new");
    assert!(told(190, 200));
    assert!(!told(190, 200) && !told(190, 190), "the same one");
    assert!(told(201, 190));
}

#[test]
fn other_addresses_until_they_agree_again() {
    let mut rig = Rig::backup(v3(Family::V6));
    let event = Event::AddressMismatch { source: host(Family::V6, 9), count: 1 };
    let good = from(9, 200);
    let other = Packet { addresses: vec![ip("fe80::100")], ..good.clone() };
    let told = [&other, &other, &good, &other].map(|packet| tells(&mut rig, packet, event));
    assert_eq!(told, [true, false, false, true]);
    assert_eq!(rig.router.stats().address_list_errors, 3);
}

#[test]
fn a_first_address_that_is_not_link_local_until_it_is() {
    let mut rig = Rig::backup(v3(Family::V6));
    let event = Event::FirstAddressNotLinkLocal { source: host(Family::V6, 9) };
    let good = from(9, 200);
    let mut other = good.clone();
    other.addresses.reverse();
    let told = [&other, &other, &good, &other].map(|packet| tells(&mut rig, packet, event));
    assert_eq!(told, [true, false, false, true]);
}

#[test]
fn our_own_address() {
    let mut rig = Rig::backup(v3(Family::V6));
    let event = |number| Event::OwnAddress { source: host(Family::V6, number) };
    assert!(tells(&mut rig, &from(OURS, 200), event(OURS)));
    assert!(!tells(&mut rig, &from(OURS, 200), event(OURS)));
    let _ = rig.input(Input::Source(host(Family::V6, 6)));
    assert!(tells(&mut rig, &from(6, 200), event(6)), "another address of ours");
}

/// A partition that heals is told each time.
#[test]
fn another_active_router_until_it_is_silent_for_a_while() {
    let mut rig = Rig::active(v3(Family::V6));
    let event = Event::OtherActive { source: host(Family::V6, 9), priority: priority(50) };
    assert!(tells(&mut rig, &from(9, 50), event));
    for _ in 0..10 {
        rig.wait(SECOND);
        assert!(!tells(&mut rig, &from(9, 50), event));
    }
    rig.wait(SECOND * 4);
    assert!(tells(&mut rig, &from(9, 50), event));
}

#[test]
fn another_owner() {
    let mut rig = Rig::active(v3(Family::V6).priority(Priority::OWNER));
    let event = |peer| Event::DuplicateOwner { source: host(Family::V6, peer) };
    assert!(tells(&mut rig, &from(2, 255), event(2)));
    assert!(!tells(&mut rig, &from(2, 255), event(2)));
    assert!(tells(&mut rig, &from(3, 255), event(3)));
}

/// After Startup everything that differs is told afresh with another configuration.
#[test]
fn all_of_it_again_with_another_configuration() {
    let mut rig = Rig::backup(v3(Family::V6));
    let event = Event::AddressMismatch { source: host(Family::V6, 9), count: 1 };
    let other = Packet { addresses: vec![ip("fe80::100")], ..from(9, 200) };
    assert!(tells(&mut rig, &other, event));
    let config = v3(Family::V6).priority(priority(101)).build().unwrap();
    rig.router.reconfigure(rig.now, config).unwrap();
    let _ = rig.drain();
    assert!(tells(&mut rig, &other, event));
}

/// Two strangers behind our identifier take turns: each is told of once.
#[test]
fn of_several_routers_each_for_itself() {
    let mut rig = Rig::active(v3(Family::V6));
    let mut events = 0;
    for _ in 0..20 {
        for peer in [8, 9] {
            let other = Packet { addresses: vec![ip("fe80::100")], interval: 50, ..from(peer, 50) };
            events += rig.hear(&other).iter().filter(|did| matches!(did, Did::Tell(_))).count();
        }
    }
    assert_eq!(events, 2 * 3, "another Active, another interval, other addresses");
}
