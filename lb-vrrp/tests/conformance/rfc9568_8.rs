//! RFC 9568 §8: operation, and VRRPv2 beside VRRPv3. §9: security.

use std::time::Duration;

use super::{
    rig::*,
    vrrp::{
        AnnounceReason, DropReason, Event, Family, Farewell, Priority, Version, router::ConfigError,
        wire::Authentication,
    },
};

/// What the platform needs for it: to install comes before to announce, always.
#[test]
fn rfc9568_8_1_2_a67_addresses_are_announced_after_they_are_installed() {
    for family in FAMILIES {
        for value in [100, 255] {
            let mut rig = Rig::new(v3(family).priority(priority(value)));
            let mut done = rig.input(super::vrrp::Input::Startup);
            done.extend(rig.timeout());
            let place = |wanted| done.iter().position(|did| *did == wanted).unwrap();
            assert!(place(Did::Install) < place(Did::Announce(AnnounceReason::BecameActive)), "{done:?}");
        }
    }
}

/// Told once for each of them, by an owner in any state.
#[test]
fn rfc9568_8_3_2_a75_several_owners_are_told() {
    for family in FAMILIES {
        let mut rig = Rig::active(v3(family).priority(Priority::OWNER));
        let mut told = |peer| {
            let done = rig.hear(&Packet { priority: 255, ..Packet::v3(family, peer) });
            done.contains(&Did::Tell(Event::DuplicateOwner { source: host(family, peer) }))
        };
        assert_eq!([2, 2, 3, 3, 9, 9].map(&mut told), [true, false, true, false, true, false]);
        assert!(
            !rig.hear(&Packet { priority: 254, ..Packet::v3(family, 9) })
                .iter()
                .any(|did| matches!(did, Did::Tell(Event::DuplicateOwner { .. })))
        );
    }
}

#[test]
fn rfc9568_8_4_2_a76_both_versions_at_once() {
    let rig = Rig::active(dual().interval(centiseconds(200)));
    let v3 = Packet { interval: 200, ..Packet::v3(Family::V4, OURS) };
    let v2 = Packet { interval: 2, ..Packet::v2(OURS) };
    let sent: Vec<_> = rig.sent.iter().map(|sent| sent.payload.clone()).collect();
    assert_eq!(sent, [v3.bytes(), v2.bytes()]);
    for packet in [Packet { priority: 200, ..v3 }, Packet { priority: 200, ..v2 }] {
        let mut rig = Rig::backup(dual());
        let _ = rig.hear(&Packet { source: host(Family::V4, 9), ..packet });
        assert_eq!(rig.router.active(), Some((host(Family::V4, 9), priority(200))));
    }
}

#[test]
fn rfc9568_8_4_2_a77_both_are_sent_at_the_configured_rate() {
    let mut rig = Rig::active(dual().interval(centiseconds(25)));
    for _ in 0..8 {
        assert_eq!(rig.remaining(), Duration::from_millis(250));
        assert_eq!(rig.timeout(), [Did::Send(3, 100), Did::Send(2, 100)]);
        assert_eq!(rig.sent[0].payload[4..6], [0, 25]);
        assert_eq!(rig.sent[1].payload[4..6], [0, 1], "VRRPv2 has whole seconds");
    }
    let done = rig.input(super::vrrp::Input::Shutdown(Farewell::Resign));
    assert_eq!(done[..2], [Did::Send(3, 0), Did::Send(2, 0)]);
}

#[test]
fn rfc9568_8_4_2_a78_a_backup_waits_by_the_rate_that_it_hears() {
    let mut rig = Rig::backup(dual());
    let _ = rig.hear(&Packet { priority: 200, interval: 2, ..Packet::v2(9) });
    assert_eq!(rig.router.active_interval(), centiseconds(200));
    assert_eq!(rig.remaining(), down(100, 200));
    let _ = rig.hear(&Packet { priority: 201, interval: 25, ..Packet::v3(Family::V4, 8) });
    assert_eq!(rig.remaining(), down(100, 25));
}

#[test]
fn rfc9568_8_4_2_a79_who_is_heard_in_v3_is_ignored_in_v2() {
    let mut rig = Rig::backup(dual());
    let v3 = Packet { priority: 200, ..Packet::v3(Family::V4, 9) };
    let v2 = Packet { priority: 200, ..Packet::v2(9) };
    let _ = rig.hear(&v3);
    rig.wait(SECOND / 2);
    let deadline = rig.router.poll_timeout();
    for priority in [200, 0, 255] {
        let ignored = Event::Dropped { source: v2.source, reason: DropReason::HeardInV3 };
        assert_eq!(rig.hear(&Packet { priority, ..v2.clone() }), [Did::Tell(ignored)]);
    }
    assert_eq!(rig.router.poll_timeout(), deadline, "untouched");
    // Another one is listened to, and so is the same one when it is heard in VRRPv3 no longer.
    let _ = rig.hear(&Packet { priority: 220, ..Packet::v2(8) });
    assert_eq!(rig.router.active(), Some((host(Family::V4, 8), priority(220))));
    for _ in 0..10 {
        rig.wait(SECOND);
        let _ = rig.hear(&Packet { priority: 220, ..Packet::v2(8) });
    }
    let _ = rig.hear(&Packet { priority: 230, ..v2 });
    assert_eq!(rig.router.active(), Some((host(Family::V4, 9), priority(230))));
}

#[test]
fn rfc9568_8_4_2_a79_an_active_router_that_sends_v3_only_is_told_once() {
    let told = |with_v2: bool| {
        let mut rig = Rig::backup(dual());
        let mut done = Vec::new();
        for _ in 0..20 {
            rig.wait(SECOND);
            done.extend(rig.hear(&Packet { priority: 200, ..Packet::v3(Family::V4, 9) }));
            if with_v2 {
                done.extend(rig.hear(&Packet { priority: 200, ..Packet::v2(9) }));
            }
        }
        let event = Event::OneVersion { source: host(Family::V4, 9), version: Version::V3 };
        done.iter().filter(|did| **did == Did::Tell(event)).count()
    };
    assert_eq!(told(false), 1);
    assert_eq!(told(true), 0);
}

/// §9: what RFC 2338 had was found not to help, so that there is none in VRRPv3.
#[test]
fn rfc9568_9_a81_there_is_no_authentication() {
    for config in [v3(Family::V4), v3(Family::V6), dual()] {
        for config in [config.clone().auth_text("secret"), config.auth_header()] {
            let errors = config.build().unwrap_err();
            assert!(matches!(errors.iter().next(), Some(ConfigError::AuthVersion(_))), "{errors}");
        }
    }
    let packet = Packet::v3(Family::V4, 9);
    let bytes = packet.bytes();
    let (advert, _) = super::vrrp::wire::Advert::decode(&bytes, &packet.envelope()).unwrap();
    assert_eq!(advert.authentication, Authentication::None);
}
