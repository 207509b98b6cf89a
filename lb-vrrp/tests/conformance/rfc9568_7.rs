//! RFC 9568 §7: receiving and sending.

use super::{
    rig::*,
    vrrp::{
        Cause, Datagram, DropReason, Endpoint, Event, Family, Input, Priority, Profile, RouterKey, State,
        Time, VirtualRouter,
        wire::{DecodeError, virtual_mac},
    },
};

#[test]
fn rfc9568_7_1_a55_an_incomplete_message_is_dropped() {
    for family in FAMILIES {
        let mut rig = Rig::backup(v3(family));
        let packet = Packet { priority: 200, ..Packet::v3(family, 9) };
        let whole = packet.bytes();
        let mut expect = |bytes: &[u8], error: DecodeError| {
            let reason = DropReason::Malformed(error);
            let done = rig.hear_bytes(&packet, rig.now, bytes);
            assert_eq!(done, [Did::Tell(Event::Dropped { source: packet.source, reason })]);
        };
        for len in 8..whole.len() {
            expect(&whole[..len], DecodeError::Truncated { len, needed: whole.len() });
        }
        for len in 0..8 {
            expect(&whole[..len], DecodeError::Truncated { len, needed: 8 });
        }
        // One byte too many is no message of this length either.
        expect(&[&whole[..], &[0]].concat(), DecodeError::TrailingBytes(1));
        assert_eq!(rig.router.stats().length_errors, whole.len() as u64 + 1);
        let _ = rig.hear(&packet);
        assert!(rig.router.active().is_some(), "the whole message is taken");
    }
}

#[test]
fn rfc9568_7_1_a56_a_virtual_router_hears_its_own_id_only() {
    for family in FAMILIES {
        let mut rig = Rig::backup(v3(family));
        for id in (1..=255).filter(|id| *id != VRID) {
            let packet = Packet { vrid: id, priority: 255, ..Packet::v3(family, 9) };
            let dropped = Event::Dropped { source: packet.source, reason: DropReason::Vrid(id) };
            assert_eq!(rig.hear(&packet), [Did::Tell(dropped)]);
        }
        assert_eq!(rig.router.stats().vrid_errors, 254);
        assert_eq!(rig.router.active(), None);
    }
}

/// Nor does it matter what is heard on another interface, or of the other family.
#[test]
fn rfc9568_7_1_a56_the_same_id_elsewhere_is_another_virtual_router() {
    let mut endpoint = Endpoint::new();
    let keys = [(2, Family::V4), (3, Family::V4), (2, Family::V6)].map(|(interface, family)| {
        let config = v3(family).build().unwrap();
        let key = RouterKey::new(interface, &config);
        endpoint.insert(key, VirtualRouter::new(config, host(family, OURS)).unwrap()).unwrap();
        endpoint.handle_input(Time::ZERO, key, Input::Startup);
        key
    });
    let packet = Packet { priority: 200, ..Packet::v3(Family::V4, 9) };
    let payload = packet.bytes();
    let datagram = Datagram { received: Time::ZERO, envelope: packet.envelope(), payload: &payload };
    endpoint.handle_datagram(Time::ZERO, 2, datagram);
    let heard = keys.map(|key| endpoint.router(key).is_some_and(|router| router.active().is_some()));
    assert_eq!(heard, [true, false, false]);
}

/// With erratum 8298: it is no reason to drop. So two owners come to an end by their addresses.
#[test]
fn rfc9568_7_1_a57_an_owner_takes_what_it_hears_and_says_so() {
    for family in FAMILIES {
        for profile in PROFILES {
            let mut rig = Rig::active(v3(family).profile(profile).priority(Priority::OWNER));
            rig.wait(SECOND / 2);
            let lower = rig.hear(&Packet { priority: 255, ..Packet::v3(family, 2) });
            assert!(lower.contains(&Did::Tell(Event::DuplicateOwner { source: host(family, 2) })));
            assert!(lower.contains(&Did::Send(3, 255)), "{lower:?}");
            assert_eq!(rig.router.state(), State::Active);
            let greater = rig.hear(&Packet { priority: 255, ..Packet::v3(family, 9) });
            assert!(greater.contains(&Did::Tell(Event::DuplicateOwner { source: host(family, 9) })));
            let cause = Cause::GreaterAddress(host(family, 9));
            let yields = Event::State { from: State::Active, to: State::Backup, cause };
            assert_eq!(greater.last(), Some(&Did::Tell(yields)));
        }
    }
}

/// Each is told and counted once, and changes nothing, in Backup and in Active.
#[test]
fn rfc9568_7_1_a58_a_failed_check_drops_the_message() {
    for family in FAMILIES {
        let good = Packet { priority: 254, interval: 5, ..Packet::v3(family, 9) };
        let bad = [
            Packet { ttl: Some(254), ..good.clone() },
            Packet { version: 1, ..good.clone() },
            Packet { kind: 3, ..good.clone() },
            Packet { count: Some(200), ..good.clone() },
            Packet { damage: 1, ..good.clone() },
            Packet { vrid: 9, ..good.clone() },
            Packet { interval: 0, ..good.clone() },
            Packet { addresses: Vec::new(), ..good.clone() },
            Packet { trailer: vec![0; 28], ..good.clone() },
        ];
        for mut rig in [Rig::backup(v3(family)), Rig::active(v3(family))] {
            rig.wait(SECOND / 2);
            let before = (rig.router.state(), rig.router.poll_timeout(), rig.router.active_interval());
            for packet in &bad {
                let done = rig.hear(packet);
                assert!(matches!(done[..], [Did::Tell(Event::Dropped { .. })]), "{packet:?}: {done:?}");
                let after = (rig.router.state(), rig.router.poll_timeout(), rig.router.active_interval());
                assert_eq!(before, after, "{packet:?}");
            }
            assert_eq!(rig.router.stats().dropped, bad.len() as u64);
            assert_eq!(rig.router.stats().received, 0);
            let _ = rig.hear(&good);
            assert_eq!(rig.router.stats().received, 1);
            assert_eq!(rig.router.state(), State::Backup);
        }
    }
}

/// RFC 5798 has it dropped. It is told when it begins, and when it changes.
#[test]
fn rfc9568_7_1_a59_another_interval_is_told_and_taken() {
    for family in FAMILIES {
        for profile in PROFILES {
            let mut rig = Rig::backup(v3(family).profile(profile));
            let mut hear = |interval: u16| {
                let packet = Packet { interval, priority: 200, ..Packet::v3(family, 9) };
                let done = rig.hear(&packet);
                assert_eq!(rig.router.active_interval(), centiseconds(interval));
                let (theirs, ours) = (centiseconds(interval), centiseconds(100));
                done.contains(&Did::Tell(Event::IntervalMismatch { source: packet.source, theirs, ours }))
            };
            assert_eq!([100, 50, 50, 60, 100, 60].map(&mut hear), [false, true, false, true, false, true]);
            assert_eq!(rig.router.stats().interval_errors, 4);
            assert_eq!(rig.router.stats().dropped, 0);
        }
    }
}

#[test]
fn rfc9568_7_1_a60_other_addresses_are_told_and_taken() {
    for family in FAMILIES {
        let mut reversed = Packet { priority: 200, ..Packet::v3(family, 9) };
        reversed.addresses = vec![virtual_addresses(family)[0], ip("192.0.2.9")];
        if family == Family::V6 {
            reversed.addresses[1] = ip("2001:db8::9");
        }
        for profile in PROFILES {
            let mut rig = Rig::backup(v3(family).profile(profile));
            let told = Did::Tell(Event::AddressMismatch { source: reversed.source, count: 2 });
            assert!(rig.hear(&reversed).contains(&told));
            assert_eq!(rig.hear(&reversed), [], "told once");
            assert_eq!(rig.router.active(), Some((reversed.source, priority(200))));
            assert_eq!(rig.router.stats().address_list_errors, 2);
        }
        // Dropped for who asks for it, against the RFC.
        let mut rig = Rig::backup(v3(family).strict_addresses(true));
        let reason = DropReason::Addresses;
        assert!(rig.hear(&reversed).contains(&Did::Tell(Event::Dropped { source: reversed.source, reason })));
        assert_eq!(rig.router.active(), None);
    }
}

/// To the byte, against messages that are made without the encoder.
#[test]
fn rfc9568_7_2_a61_a_message_says_what_is_configured() {
    for family in FAMILIES {
        for (value, interval) in [(1, 1), (100, 100), (254, 4095), (255, 37)] {
            let config = v3(family).profile(Profile::Strict).priority(priority(value));
            let rig = Rig::active(config.interval(centiseconds(interval)));
            let pseudo = if family == Family::V4 { Pseudo::No } else { Pseudo::Packet };
            let expected = Packet { priority: value, interval, pseudo, ..Packet::v3(family, OURS) };
            assert_eq!(
                rig.sent,
                [Sent {
                    source: expected.source,
                    destination: family.multicast_group(),
                    payload: expected.bytes()
                }]
            );
        }
    }
}

#[test]
fn rfc9568_7_3_a62_the_ethernet_address_of_a_virtual_router() {
    for id in 1..=255 {
        let vrid = super::vrrp::Vrid::new(id).unwrap();
        assert_eq!(virtual_mac(Family::V4, vrid).0, [0x00, 0x00, 0x5e, 0x00, 0x01, id]);
        assert_eq!(virtual_mac(Family::V6, vrid).0, [0x00, 0x00, 0x5e, 0x00, 0x02, id]);
    }
    assert_eq!(v3(Family::V6).build().unwrap().virtual_mac().to_string(), "00:00:5e:00:02:07");
}
