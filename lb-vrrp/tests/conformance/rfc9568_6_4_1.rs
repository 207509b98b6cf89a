//! RFC 9568 §6.4.1: Initialize.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    rig::*,
    vrrp::{
        AnnounceReason, Cause, DropReason, Event, Family, Farewell, Input, Priority, State,
        wire::{gratuitous_arp, unsolicited_na, virtual_mac},
    },
};

#[test]
fn rfc9568_6_4_1_a29_the_owner_advertises_announces_and_becomes_active() {
    for family in FAMILIES {
        let mut rig = Rig::new(v3(family).priority(Priority::OWNER).interval(centiseconds(37)));
        let done = rig.input(Input::Startup);
        let active = Event::State { from: State::Initialize, to: State::Active, cause: Cause::Owner };
        assert_eq!(
            done,
            [Did::Send(3, 255), Did::Install, Did::Announce(AnnounceReason::BecameActive), Did::Tell(active)]
        );
        assert_eq!(rig.remaining().as_millis(), 370);
    }
}

/// R is set, S is clear, O is set; target and target link-layer address are those of the virtual router.
#[test]
fn rfc9568_6_4_1_a29_the_unsolicited_neighbour_advertisement() {
    let mac = virtual_mac(Family::V6, vrid());
    let source: Ipv6Addr = "fe80::5".parse().unwrap();
    let address: Ipv6Addr = "2001:db8::100".parse().unwrap();
    let frame = unsolicited_na(mac, source, address, true);
    assert_eq!(frame[..6], [0x33, 0x33, 0, 0, 0, 1]);
    assert_eq!(frame[6..12], [0, 0, 0x5e, 0, 2, VRID]);
    assert_eq!(frame[12..14], [0x86, 0xdd]);
    let (ip_header, message) = frame[14..].split_at(40);
    assert_eq!(ip_header[0] >> 4, 6);
    assert_eq!(ip_header[4..8], [0, 32, 58, 255], "length, ICMPv6, hop limit");
    assert_eq!(ip_header[8..24], source.octets());
    assert_eq!(ip_header[24..40], "ff02::1".parse::<Ipv6Addr>().unwrap().octets());
    assert_eq!(message[..2], [136, 0]);
    assert_eq!(message[4..8], [0b1010_0000, 0, 0, 0]);
    assert_eq!(message[8..24], address.octets());
    assert_eq!(message[24..], [2, 1, 0, 0, 0x5e, 0, 2, VRID]);
    let pseudo = [&ip_header[8..40], &[0, 0, 0, 32, 0, 0, 0, 58], message].concat();
    assert_eq!(internet_checksum(&pseudo), 0);
    assert_eq!(unsolicited_na(mac, source, address, false)[58], 0b0010_0000);
}

/// With erratum 7947: what is carried is the virtual IPv4 address.
#[test]
fn rfc9568_6_4_1_a30_the_gratuitous_arp() {
    let address = Ipv4Addr::new(192, 0, 2, 1);
    let frame = gratuitous_arp(virtual_mac(Family::V4, vrid()), address);
    assert_eq!(frame[..6], [0xff; 6]);
    assert_eq!(frame[6..12], [0, 0, 0x5e, 0, 1, VRID]);
    assert_eq!(frame[12..22], [8, 6, 0, 1, 8, 0, 6, 4, 0, 1], "ARP, Ethernet, IPv4, request");
    assert_eq!(frame[22..28], [0, 0, 0x5e, 0, 1, VRID]);
    assert_eq!(frame[28..32], address.octets());
    assert_eq!(frame[38..42], address.octets());
}

#[test]
fn rfc9568_6_4_1_a31_any_other_becomes_backup_and_sends_nothing() {
    for family in FAMILIES {
        for value in [1, 100, 254] {
            let mut rig = Rig::new(v3(family).priority(priority(value)).interval(centiseconds(37)));
            let done = rig.input(Input::Startup);
            let backup = Event::State { from: State::Initialize, to: State::Backup, cause: Cause::Startup };
            assert_eq!(done, [Did::Remove, Did::Tell(backup)]);
            assert_eq!(rig.router.active_interval(), centiseconds(37));
            assert_eq!(rig.remaining(), down(u64::from(value), 37));
        }
    }
}

#[test]
fn rfc9568_6_4_1_a32_nothing_happens_before_startup() {
    for family in FAMILIES {
        let mut rig = Rig::new(v3(family));
        for value in [0, 50, 255] {
            let packet = Packet { priority: value, interval: 5, ..Packet::v3(family, 9) };
            let dropped = Event::Dropped { source: packet.source, reason: DropReason::NotRunning };
            assert_eq!(rig.hear(&packet), [Did::Tell(dropped)]);
        }
        assert_eq!(rig.input(Input::Shutdown(Farewell::Resign)), []);
        rig.wait(100 * SECOND);
        assert_eq!(rig.wake(), []);
        assert_eq!(rig.router.state(), State::Initialize);
        assert_eq!(rig.router.poll_timeout(), None);
        assert_eq!(rig.router.active(), None);
        assert_eq!(rig.router.active_interval(), centiseconds(100));
    }
}
