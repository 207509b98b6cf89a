//! RFC 9568 §5: what a message says.

use std::net::IpAddr;

use super::{
    rig::*,
    vrrp::{
        AddressList, Config, DropReason, Event, Family, Farewell, Input, Interval, Priority, Profile,
        Version, VirtualRouter, Vrid,
        addresses::AddressError,
        router::ConfigError,
        wire::{Advert, DecodeError},
    },
};

/// Hears a message that is to be dropped, and checks that nothing else happens.
fn dropped(rig: &mut Rig, packet: &Packet) -> DropReason {
    let before =
        (rig.router.state(), rig.router.poll_timeout(), rig.router.active_interval(), rig.router.active());
    let done = rig.hear(packet);
    let after =
        (rig.router.state(), rig.router.poll_timeout(), rig.router.active_interval(), rig.router.active());
    assert_eq!(before, after);
    match done[..] {
        [Did::Tell(Event::Dropped { source, reason })] if source == packet.source => reason,
        _ => panic!("{done:?} instead of a drop"),
    }
}

#[test]
fn rfc9568_5_1_1_1_a2_the_source_is_the_primary_address_of_the_interface() {
    let mut rig = Rig::active(v3(Family::V4).interval(centiseconds(50)));
    let _ = rig.timeout();
    assert_eq!(rig.sent[0].source, host(Family::V4, OURS));
    assert_eq!(rig.input(Input::Source(host(Family::V4, 77))), []);
    let _ = rig.timeout();
    assert_eq!(rig.sent[0].source, host(Family::V4, 77));
    let sent = Packet { interval: 50, ..Packet::v3(Family::V4, 77) };
    assert_eq!(rig.sent[0].payload, sent.bytes(), "the checksum covers the new address");
    let _ = rig.input(Input::Source(host(Family::V6, 1)));
    assert_eq!(rig.router.source(), host(Family::V4, 77), "an address of another family is none");
}

#[test]
fn rfc9568_5_1_1_2_a3_adverts_over_ipv4_go_to_224_0_0_18() {
    let rig = Rig::active(v3(Family::V4));
    assert_eq!(rig.sent[0].destination, ip("224.0.0.18"));
}

#[test]
fn rfc9568_5_1_1_3_a5_a_ttl_other_than_255_is_dropped() {
    for profile in PROFILES {
        let mut rig = Rig::backup(v3(Family::V4).profile(profile));
        for ttl in [Some(254), Some(64), Some(1), Some(0), None] {
            let packet = Packet { ttl, priority: 200, ..Packet::v3(Family::V4, 9) };
            assert_eq!(dropped(&mut rig, &packet), DropReason::Ttl { ttl, min: 255 });
        }
        assert_eq!(rig.router.stats().ttl_errors, 5);
        let _ = rig.hear(&Packet { priority: 200, ..Packet::v3(Family::V4, 9) });
        assert!(rig.router.active().is_some(), "255 is taken");
    }
}

#[test]
fn rfc9568_5_1_2_1_a7_the_source_over_ipv6_is_link_local() {
    let global = ip("2001:db8::5");
    let strict = || v3(Family::V6).profile(Profile::Strict);
    let refused = VirtualRouter::new(strict().build().unwrap(), global).unwrap_err();
    assert_eq!(refused, ConfigError::SourceNotLinkLocal(global));
    let mut rig = Rig::active(strict());
    assert_eq!(rig.sent[0].source, host(Family::V6, OURS));
    let _ = rig.input(Input::Source(global));
    let _ = rig.timeout();
    assert_eq!(rig.sent[0].source, host(Family::V6, OURS));
    for source in ["2001:db8::9", "fd00::9", "::"] {
        let packet = Packet { source: ip(source), priority: 200, ..Packet::v3(Family::V6, 9) };
        assert_eq!(dropped(&mut rig, &packet), DropReason::SourceNotLinkLocal, "{source}");
    }
}

/// keepalived 2.2.7 sends from a global address where `mcast_src_ip` says so, and takes what comes from one.
#[test]
fn rfc9568_5_1_2_1_a7_the_compatible_profile_takes_any_source_over_ipv6() {
    let global = ip("2001:db8::5");
    assert_eq!(VirtualRouter::new(v3(Family::V6).build().unwrap(), global).unwrap().source(), global);
    let mut rig = Rig::backup(v3(Family::V6));
    let packet = |source| Packet { source: ip(source), priority: 200, ..Packet::v3(Family::V6, 9) };
    for source in ["::", "ff02::9"] {
        assert_eq!(dropped(&mut rig, &packet(source)), DropReason::SourceNotLinkLocal, "{source}");
    }
    let _ = rig.hear(&packet("2001:db8::9"));
    assert_eq!(rig.router.active().map(|(source, _)| source), Some(ip("2001:db8::9")));
}

#[test]
fn rfc9568_5_1_2_2_a8_adverts_over_ipv6_go_to_ff02_12() {
    let rig = Rig::active(v3(Family::V6));
    assert_eq!(rig.sent[0].destination, ip("ff02::12"));
}

#[test]
fn rfc9568_5_1_2_3_a9_a_hop_limit_other_than_255_is_dropped() {
    for profile in PROFILES {
        let mut rig = Rig::backup(v3(Family::V6).profile(profile));
        for ttl in [Some(254), Some(64), Some(0), None] {
            let packet = Packet { ttl, priority: 200, ..Packet::v3(Family::V6, 9) };
            assert_eq!(dropped(&mut rig, &packet), DropReason::Ttl { ttl, min: 255 });
        }
        let _ = rig.hear(&Packet { priority: 200, ..Packet::v3(Family::V6, 9) });
        assert!(rig.router.active().is_some(), "255 is taken");
    }
}

#[test]
fn rfc9568_5_2_1_a10_a_version_other_than_3_is_dropped() {
    let mut rig = Rig::backup(v3(Family::V4));
    assert_eq!(dropped(&mut rig, &Packet::v2(9)), DropReason::Version(Version::V2));
    for version in [0, 1, 4, 15] {
        let packet = Packet { version, ..Packet::v3(Family::V4, 9) };
        assert_eq!(dropped(&mut rig, &packet), DecodeError::Version(version).into());
    }
    assert_eq!(rig.router.stats().version_errors, 5);
}

#[test]
fn rfc9568_5_2_2_a11_a_type_other_than_1_is_dropped() {
    for family in FAMILIES {
        let mut rig = Rig::backup(v3(family));
        for kind in [0, 2, 7, 15] {
            let packet = Packet { kind, ..Packet::v3(family, 9) };
            assert_eq!(dropped(&mut rig, &packet), DecodeError::Type(kind).into());
        }
        assert_eq!(rig.router.stats().invalid_type, 4);
    }
}

#[test]
fn rfc9568_5_2_3_a12_a_virtual_router_id_is_1_to_255_and_is_ours() {
    assert!(Vrid::new(0).is_err());
    for id in 1..=255 {
        let rig = Rig::active(Config::v3(Vrid::new(id).unwrap(), virtual_addresses(Family::V4)));
        assert_eq!(rig.sent[0].payload[1], id);
    }
    let mut rig = Rig::backup(v3(Family::V4));
    let zero = Packet { vrid: 0, ..Packet::v3(Family::V4, 9) };
    assert_eq!(dropped(&mut rig, &zero), DecodeError::ZeroVrid.into());
    let other = Packet { vrid: 52, ..Packet::v3(Family::V4, 9) };
    assert_eq!(dropped(&mut rig, &other), DropReason::Vrid(52));
}

#[test]
fn rfc9568_5_2_4_a13_the_owner_sends_priority_255() {
    for family in FAMILIES {
        let rig = Rig::active(v3(family).priority(Priority::OWNER));
        assert_eq!(rig.sent[0].payload[2], 255);
        assert!(Priority::OWNER.is_owner() && !priority(254).is_owner());
    }
}

#[test]
fn rfc9568_5_2_4_a14_a_backup_has_1_to_254_and_100_by_default() {
    assert_eq!(Rig::active(v3(Family::V4)).sent[0].payload[2], 100);
    for value in 1..=254 {
        assert_eq!(Rig::active(v3(Family::V4).priority(priority(value))).sent[0].payload[2], value);
    }
}

#[test]
fn rfc9568_5_2_4_a15_priority_0_is_sent_to_resign_and_can_not_be_configured() {
    assert!(Priority::new(0).is_err());
    for family in FAMILIES {
        let mut rig = Rig::active(v3(family));
        let _ = rig.timeout();
        assert_ne!(rig.sent[0].payload[2], 0);
        let _ = rig.input(Input::Shutdown(Farewell::Resign));
        assert_eq!(rig.sent[0].payload[2], 0);
    }
}

/// With erratum 8299.
#[test]
fn rfc9568_5_2_5_a16_at_least_one_address_is_carried() {
    assert_eq!(AddressList::new([]).unwrap_err(), AddressError::None);
    let errors = Config::v3(vrid(), []).build().unwrap_err();
    assert!(errors.iter().eq([&ConfigError::Addresses(AddressError::None)]));
    for family in FAMILIES {
        assert_eq!(Rig::active(v3(family)).sent[0].payload[3], 2);
        let mut rig = Rig::backup(v3(family));
        let packet = Packet { addresses: Vec::new(), priority: 200, ..Packet::v3(family, 9) };
        assert_eq!(dropped(&mut rig, &packet), DecodeError::NoAddresses.into());
    }
}

#[test]
fn rfc9568_5_2_6_a17_the_reserved_bits_are_sent_as_0_and_ignored() {
    for family in FAMILIES {
        let rig = Rig::active(v3(family).interval(centiseconds(4095)));
        assert_eq!(rig.sent[0].payload[4..6], [0x0f, 0xff]);
        let mut rig = Rig::backup(v3(family));
        let packet = Packet { reserved: 0xf, interval: 50, priority: 200, ..Packet::v3(family, 9) };
        let _ = rig.hear(&packet);
        assert_eq!(rig.router.active_interval(), centiseconds(50));
    }
}

/// With erratum 8301.
#[test]
fn rfc9568_5_2_7_a18_the_interval_is_1_to_4095_centiseconds_and_100_by_default() {
    assert_eq!(Interval::default().centiseconds(), 100);
    assert!(Interval::from_centiseconds(0).is_err() && Interval::from_centiseconds(4096).is_err());
    for family in FAMILIES {
        for interval in [1, 100, 4095] {
            let rig = Rig::active(v3(family).interval(centiseconds(interval)));
            assert_eq!(rig.sent[0].payload[4..6], interval.to_be_bytes());
            let mut rig = Rig::backup(v3(family));
            let _ = rig.hear(&Packet { interval, priority: 200, ..Packet::v3(family, 9) });
            assert_eq!(rig.router.active_interval(), centiseconds(interval));
        }
        let mut rig = Rig::backup(v3(family));
        let zero = Packet { interval: 0, priority: 200, ..Packet::v3(family, 9) };
        assert_eq!(dropped(&mut rig, &zero), DecodeError::ZeroInterval.into());
    }
}

#[test]
fn rfc9568_5_2_9_a21_the_addresses_are_of_the_family_of_the_packet() {
    let mut rig = Rig::backup(v3(Family::V4));
    assert_eq!(dropped(&mut rig, &Packet::v3(Family::V6, 9)), DropReason::Family(Family::V6));
    let long = Packet { addresses: vec![ip("2001:db8::1")], ..Packet::v3(Family::V4, 9) };
    assert_eq!(dropped(&mut rig, &long), DecodeError::TrailingBytes(12).into());
    let mut rig = Rig::backup(v3(Family::V6));
    assert_eq!(dropped(&mut rig, &Packet::v3(Family::V4, 9)), DropReason::Family(Family::V4));
    let short = Packet { addresses: vec![ip("192.0.2.1")], ..Packet::v3(Family::V6, 9) };
    assert_eq!(dropped(&mut rig, &short), DecodeError::Truncated { len: 12, needed: 24 }.into());
    let mixed = Config::v3(vrid(), [ip("192.0.2.1"), ip("2001:db8::1")]).build().unwrap_err();
    let error = AddressError::Family(ip("2001:db8::1"), Family::V4);
    assert!(mixed.iter().eq([&ConfigError::Addresses(error)]));
}

/// With erratum 8300, which has it verified. The compatible profile takes it and says so, since FRR 8.4 sends it.
#[test]
fn rfc9568_5_2_9_a22_the_first_ipv6_address_is_link_local() {
    let packet = Packet { addresses: vec![ip("2001:db8::100")], priority: 200, ..Packet::v3(Family::V6, 9) };
    let mut rig = Rig::backup(v3(Family::V6).profile(Profile::Strict));
    assert_eq!(dropped(&mut rig, &packet), DropReason::FirstAddressNotLinkLocal);

    let mut rig = Rig::backup(v3(Family::V6));
    let told = Did::Tell(Event::FirstAddressNotLinkLocal { source: packet.source });
    assert!(rig.hear(&packet).contains(&told));
    assert_eq!(rig.router.active(), Some((packet.source, priority(200))));
    assert!(!rig.hear(&packet).contains(&told), "told once");
}

/// What a strict router sends starts with a link-local address, whatever was configured.
#[test]
fn rfc9568_5_2_9_a22_a_link_local_address_is_put_first() {
    let listed = |strict: bool, given: &[&str]| -> Vec<IpAddr> {
        let config = Config::v3(vrid(), given.iter().map(|text| ip(text)));
        let config = if strict { config.profile(Profile::Strict) } else { config.first_link_local(true) };
        config.build().unwrap().addresses().iter().collect()
    };
    for strict in [true, false] {
        assert_eq!(
            listed(strict, &["2001:db8::1", "2001:db8::2", "fe80::1"]),
            [ip("fe80::1"), ip("2001:db8::1"), ip("2001:db8::2")]
        );
        // The one that belongs to 00-00-5e-00-02-07.
        assert_eq!(listed(strict, &["2001:db8::1"]), [ip("fe80::200:5eff:fe00:207"), ip("2001:db8::1")]);
        assert_eq!(listed(strict, &["192.0.2.1"]), [ip("192.0.2.1")]);
    }
}

#[test]
fn rfc9568_5_2_9_a23_the_order_of_the_addresses_is_kept() {
    for family in FAMILIES {
        let mut addresses: Vec<IpAddr> = virtual_addresses(family).into();
        let more = if family == Family::V4 {
            ["192.0.2.200", "192.0.2.3"]
        } else {
            ["2001:db8::200", "2001:db8::3"]
        };
        addresses.extend(more.map(ip));
        let rig = Rig::active(Config::v3(vrid(), addresses.clone()));
        let expected: Vec<u8> = addresses.iter().flat_map(|address| octets(*address)).collect();
        assert_eq!(rig.sent[0].payload[8..], expected);
        let packet = Packet { addresses: addresses.clone(), ..Packet::v3(family, 9) };
        let bytes = packet.bytes();
        let (advert, _) = Advert::decode(&bytes, &packet.envelope()).unwrap();
        assert!(advert.addresses.iter().eq(addresses));
    }
}
