//! RFC 9568 §6.4.3: Active.

use std::time::Duration;

use super::{
    rig::*,
    vrrp::{AnnounceReason, Cause, Event, Family, Farewell, Input, Preempt, Priority, State, VirtualRouter},
};

const A_WHILE: Duration = Duration::from_millis(300);

/// What the platform needs for A44 to A47: the addresses are there from when it becomes Active until it is no longer.
#[test]
fn rfc9568_6_4_3_a44_an_active_router_has_the_addresses_until_it_leaves() {
    for family in FAMILIES {
        let mut rig = Rig::backup(v3(family));
        let mut done = rig.timeout();
        for _ in 0..3 {
            done.extend(rig.timeout());
        }
        done.extend(rig.hear(&Packet { priority: 200, ..Packet::v3(family, 9) }));
        let addresses: Vec<Did> =
            done.into_iter().filter(|did| matches!(did, Did::Install | Did::Remove)).collect();
        assert_eq!(addresses, [Did::Install, Did::Remove]);
    }
}

/// To act on it is up to the platform.
#[test]
fn rfc9568_6_4_3_a48_packets_to_the_addresses_are_accepted_by_the_owner_or_when_configured() {
    for family in FAMILIES {
        let accept = |config: super::vrrp::ConfigBuilder| config.build().unwrap().accept();
        assert!(!accept(v3(family)));
        assert!(!accept(v3(family).priority(priority(254))));
        assert!(accept(v3(family).accept(true)));
        assert!(accept(v3(family).priority(Priority::OWNER)));
    }
}

#[test]
fn rfc9568_6_4_3_a49_an_active_router_that_shuts_down_resigns() {
    for family in FAMILIES {
        let mut rig = Rig::active(v3(family));
        rig.wait(A_WHILE);
        let done = rig.input(Input::Shutdown(Farewell::Resign));
        let event = Event::State { from: State::Active, to: State::Initialize, cause: Cause::Shutdown };
        assert_eq!(done, [Did::Send(3, 0), Did::Remove, Did::Tell(event)]);
        assert_eq!(rig.sent[0].payload, Packet { priority: 0, ..Packet::v3(family, OURS) }.bytes());
        assert_eq!(rig.router.poll_timeout(), None);
        rig.wait(100 * SECOND);
        assert_eq!(rig.wake(), []);
    }
}

#[test]
fn rfc9568_6_4_3_a50_it_advertises_at_its_own_interval() {
    for family in FAMILIES {
        for interval in [1, 100, 4095] {
            let mut rig = Rig::active(v3(family).interval(centiseconds(interval)));
            for _ in 0..5 {
                assert_eq!(rig.remaining(), Duration::from_millis(u64::from(interval) * 10));
                assert_eq!(rig.timeout(), [Did::Send(3, 100)]);
            }
        }
    }
}

#[test]
fn rfc9568_6_4_3_a51_a_resignation_is_answered_at_once() {
    for family in FAMILIES {
        for profile in PROFILES {
            let mut rig = Rig::active(v3(family).profile(profile));
            rig.wait(A_WHILE);
            assert_eq!(rig.hear(&Packet { priority: 0, ..Packet::v3(family, 9) }), [Did::Send(3, 100)]);
            assert_eq!(rig.remaining(), SECOND, "the timer starts again");
            assert_eq!(rig.router.state(), State::Active);
        }
    }
}

#[test]
fn rfc9568_6_4_3_a52_it_yields_to_a_higher_priority() {
    for family in FAMILIES {
        for value in [101, 255] {
            let mut rig = Rig::active(v3(family));
            rig.wait(A_WHILE);
            let done = rig.hear(&Packet { priority: value, interval: 30, ..Packet::v3(family, 2) });
            let cause = Cause::HigherPriority(host(family, 2), priority(value));
            let event = Event::State { from: State::Active, to: State::Backup, cause };
            assert_eq!(actions(done.clone()), [Did::Remove]);
            assert_eq!(done.last(), Some(&Did::Tell(event)));
            assert_eq!(rig.router.active_interval(), centiseconds(30));
            assert_eq!(rig.remaining(), down(100, 30));
        }
    }
}

/// Addresses are compared as unsigned numbers in network order.
#[test]
fn rfc9568_6_4_3_a52_it_yields_to_an_equal_priority_with_a_greater_address() {
    let greater = [
        ("10.0.0.5", "10.0.0.6"),
        ("10.0.0.5", "10.0.1.0"),
        ("10.0.0.5", "200.0.0.1"),
        ("127.255.255.255", "128.0.0.0"),
        ("fe80::5", "fe80::6"),
        ("fe80::5", "fe80::1:0"),
        ("fe80::7fff:ffff:ffff:ffff", "fe80::8000:0:0:0"),
    ];
    for (low, high) in greater {
        for (ours, theirs) in [(low, high), (high, low)] {
            let (ours, theirs) = (ip(ours), ip(theirs));
            let family = Family::of(ours);
            let router = VirtualRouter::new(v3(family).build().unwrap(), ours).unwrap();
            let mut rig = Rig::at(super::vrrp::Time::ZERO, router);
            let _ = rig.input(Input::Startup);
            let _ = rig.timeout();
            rig.wait(A_WHILE);
            let done = rig.hear(&Packet { source: theirs, interval: 30, ..Packet::v3(family, 9) });
            if theirs > ours {
                let cause = Cause::GreaterAddress(theirs);
                let event = Event::State { from: State::Active, to: State::Backup, cause };
                assert_eq!(done.last(), Some(&Did::Tell(event)), "{ours} hears {theirs}");
                assert_eq!(rig.remaining(), down(100, 30));
            } else {
                assert_eq!(rig.router.state(), State::Active, "{ours} hears {theirs}");
            }
        }
    }
}

/// RFC 5798 has it discarded, and nothing sent.
#[test]
fn rfc9568_6_4_3_a53_anything_lower_is_discarded_and_answered_at_once() {
    for family in FAMILIES {
        for profile in PROFILES {
            // A lower priority, and the same one with a lower address.
            for (value, peer) in [(99, 200), (1, 200), (100, 4)] {
                let mut rig = Rig::active(v3(family).profile(profile));
                let _ = rig.timeout();
                rig.wait(A_WHILE);
                let done = rig.hear(&Packet { priority: value, interval: 30, ..Packet::v3(family, peer) });
                // The addresses are announced as well, since bridges and hosts may have learned the other's.
                assert_eq!(actions(done), [Did::Send(3, 100), Did::Announce(AnnounceReason::OtherActive)]);
                assert_eq!(rig.router.state(), State::Active);
                assert_eq!(rig.router.active_interval(), centiseconds(100), "not learned");
                assert!(rig.remaining() <= SECOND, "an interval after the last one at the latest");
            }
        }
    }
}

#[test]
fn rfc9568_6_4_3_a54_preemption_is_of_no_concern_to_it() {
    for family in FAMILIES {
        for preempt in [Preempt::Yes, Preempt::No, Preempt::After(SECOND)] {
            let mut rig = Rig::active(v3(family).preempt(preempt));
            rig.wait(A_WHILE);
            let _ = rig.hear(&Packet { priority: 99, ..Packet::v3(family, 9) });
            assert_eq!(rig.router.state(), State::Active);
            let _ = rig.hear(&Packet { priority: 101, ..Packet::v3(family, 2) });
            assert_eq!(rig.router.state(), State::Backup);
        }
    }
}
