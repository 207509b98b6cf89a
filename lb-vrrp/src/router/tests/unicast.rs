//! Peers instead of a multicast group.

use std::net::IpAddr;

use super::rig::*;
use crate::{DropReason, Event, Family, Farewell, Input, Profile};

fn peers(family: Family) -> [IpAddr; 3] {
    [host(family, 9), host(family, 2), host(family, 3)]
}

/// The checksum covers the destination, so that it is another one in each copy.
#[test]
fn each_peer_gets_a_copy_with_its_checksum() {
    for family in FAMILIES {
        let mut rig = Rig::active(v3(family).unicast(peers(family)));
        for _ in 0..2 {
            assert_eq!(rig.timeout(), [Did::Send(3, 100); 3]);
            let expected =
                peers(family).map(|destination| Packet { destination, ..Packet::v3(family, OURS) });
            for (sent, expected) in rig.sent.iter().zip(expected) {
                assert_eq!(sent.destination, expected.destination);
                assert_eq!(sent.payload, expected.bytes());
            }
        }
        let done = rig.input(Input::Shutdown(Farewell::Resign));
        assert_eq!(done[..4], [Did::Send(3, 0), Did::Send(3, 0), Did::Send(3, 0), Did::Remove]);
        assert_eq!((rig.router.stats().sent, rig.router.stats().priority_zero_sent), (12, 3));
    }
}

#[test]
fn both_versions_go_to_each_peer() {
    let mut rig = Rig::active(dual().unicast(peers(Family::V4)));
    let _ = rig.timeout();
    let sent: Vec<_> = rig.sent.iter().map(|sent| (sent.payload[0] >> 4, sent.destination)).collect();
    let [a, b, c] = peers(Family::V4);
    assert_eq!(sent, [(3, a), (3, b), (3, c), (2, a), (2, b), (2, c)]);
}

#[test]
fn others_are_heard_when_so_configured() {
    let family = Family::V4;
    let mut rig = Rig::backup(v3(family).unicast(peers(family)).any_unicast_source(true));
    let stranger = Packet { destination: host(family, OURS), priority: 200, ..Packet::v3(family, 8) };
    let _ = rig.hear(&stranger);
    assert_eq!(rig.router.active().map(|(source, _)| source), Some(stranger.source));
    let group = Packet { destination: family.multicast_group(), ..Packet::v3(family, 3) };
    let done = rig.hear(&group);
    assert!(
        matches!(done[..], [Did::Tell(Event::Dropped { reason: DropReason::Destination(_), .. })]),
        "{done:?}"
    );
}

/// A peer in the next room must not be one from far away that took its address.
#[test]
fn a_peer_is_heard_with_the_ttl_that_is_configured_for_it() {
    let family = Family::V4;
    let [near, far, _] = peers(family);
    let mut rig =
        Rig::backup(v3(family).unicast(peers(family)).peer_ttl(near, 254..=255).peer_ttl(far, 0..=9));
    let mut dropped = |source, ttl| {
        let packet = Packet { source, destination: host(family, OURS), ttl, ..Packet::v3(family, 9) };
        rig.hear(&packet).iter().find_map(|did| match did {
            Did::Tell(Event::Dropped { reason, .. }) => Some(*reason),
            _ => None,
        })
    };
    for (source, min, max, good, bad) in [(near, 254, 255, 254, 253), (far, 0, 9, 9, 10)] {
        assert_eq!(dropped(source, Some(good)), None);
        for ttl in [Some(bad), None] {
            assert_eq!(dropped(source, ttl), Some(DropReason::PeerTtl { ttl, min, max }));
        }
    }
    assert_eq!(dropped(host(family, 3), Some(64)), None, "nothing is configured for it");
    assert_eq!(rig.router.stats().ttl_errors, 4);
}

#[test]
fn peers_are_heard_and_nobody_else() {
    for profile in PROFILES {
        let family = Family::V4;
        let mut rig = Rig::backup(v3(family).profile(profile).unicast(peers(family)));
        let ours = host(family, OURS);
        let mut dropped = |source, destination| {
            let packet = Packet { source, destination, priority: 200, ..Packet::v3(family, 9) };
            rig.hear(&packet).iter().find_map(|did| match did {
                Did::Tell(Event::Dropped { reason, .. }) => Some(*reason),
                _ => None,
            })
        };
        let group = family.multicast_group();
        assert_eq!(dropped(host(family, 8), ours), Some(DropReason::NotAPeer));
        assert_eq!(dropped(host(family, 9), group), Some(DropReason::Destination(group)));
        for peer in peers(family) {
            assert_eq!(dropped(peer, ours), None);
        }
    }
}

#[test]
fn what_comes_by_unicast_is_not_for_a_multicast_group() {
    let mut rig = Rig::backup(v3(Family::V4).profile(Profile::Compatible));
    let destination = host(Family::V4, OURS);
    let packet = Packet { destination, priority: 200, ..Packet::v3(Family::V4, 9) };
    let reason = DropReason::Destination(destination);
    assert_eq!(rig.hear(&packet), [Did::Tell(Event::Dropped { source: packet.source, reason })]);
}

/// Peers may be behind routers, with global addresses.
#[test]
fn ipv6_peers_need_no_link_local_address() {
    let source = ip("2001:db8:1::9");
    let mut rig = Rig::backup(v3(Family::V6).unicast([source]));
    let _ = rig.input(Input::Source(ip("2001:db8:2::5")));
    assert_eq!(rig.router.source(), ip("2001:db8:2::5"));
    let destination = ip("2001:db8:2::5");
    let _ =
        rig.hear(&Packet { source, destination, ttl: Some(60), priority: 200, ..Packet::v3(Family::V6, 9) });
    assert_eq!(rig.router.active(), Some((source, priority(200))));
}
