//! RFC 3768 §6, VRRPv2: what differs in the state machine.

use std::time::Duration;

use super::{
    rig::*,
    vrrp::{
        AnnounceReason, Family, Farewell, Input, Interval, Preempt, Priority, Profile, State, VirtualRouter,
    },
};

#[test]
fn rfc3768_6_1_b7_the_skew_time_does_not_depend_on_the_interval() {
    for seconds in [1, 2, 40] {
        for value in [1, 100, 254] {
            let interval = Interval::from_secs(seconds).unwrap();
            let rig = Rig::backup(v2().interval(interval).priority(priority(value)));
            assert_eq!(rig.router.skew_time(), skew(u64::from(value), 100));
        }
    }
    let rig = Rig::backup(v2().interval(Interval::from_secs(5).unwrap()));
    assert_eq!(rig.router.skew_time().as_nanos(), 609_375_000);
}

#[test]
fn rfc3768_6_1_b8_the_master_down_interval_is_of_the_own_interval() {
    let five = Interval::from_secs(5).unwrap();
    let mut rig = Rig::backup(v2().interval(five).accept_interval_mismatch(true));
    let expected = Duration::from_nanos(15_609_375_000);
    assert_eq!(rig.remaining(), expected);
    rig.wait(SECOND);
    let _ = rig.hear(&Packet { priority: 200, interval: 2, ..Packet::v2(9) });
    assert_eq!(rig.router.active_interval(), five, "nothing is learned");
    assert_eq!(rig.remaining(), expected);
}

/// Also when it was another one before.
#[test]
fn rfc3768_6_1_b8_the_own_interval_counts_from_when_it_changes() {
    let config = |seconds| v2().interval(Interval::from_secs(seconds).unwrap()).build().unwrap();
    let mut rig = Rig::backup(v2().interval(Interval::from_secs(5).unwrap()));
    let _ = rig.hear(&Packet { priority: 200, interval: 5, ..Packet::v2(9) });
    let snapshot = rig.router.snapshot(rig.now);

    rig.router.reconfigure(rig.now, config(2)).unwrap();
    assert_eq!(rig.router.down_interval(), 6 * SECOND + skew(100, 100));
    assert_eq!(rig.remaining(), 6 * SECOND + skew(100, 100));

    let source = host(Family::V4, OURS);
    let restored = VirtualRouter::restore(config(2), source, &snapshot, rig.now).unwrap();
    assert_eq!(restored.down_interval(), 6 * SECOND + skew(100, 100));
    assert_eq!(restored.poll_timeout(), rig.router.poll_timeout());
}

#[test]
fn rfc3768_6_4_2_b9_a_backup() {
    for profile in PROFILES {
        let mut rig = Rig::backup(v2().profile(profile));
        rig.wait(2 * SECOND);
        for value in [100, 200, 255] {
            rig.wait(SECOND);
            assert_eq!(actions(rig.hear(&Packet { priority: value, ..Packet::v2(9) })), []);
            assert_eq!(rig.remaining(), down(100, 100));
        }
        rig.wait(SECOND);
        assert_eq!(actions(rig.hear(&Packet { priority: 99, ..Packet::v2(9) })), []);
        assert_eq!(rig.remaining(), down(100, 100) - SECOND, "a lower priority is discarded");
        let _ = rig.hear(&Packet { priority: 0, ..Packet::v2(9) });
        assert_eq!(rig.remaining(), skew(100, 100), "a resignation leaves the skew time");
        let done = actions(rig.timeout());
        assert_eq!(done, [Did::Send(2, 100), Did::Install, Did::Announce(AnnounceReason::BecameActive)]);

        let mut rig = Rig::backup(v2().profile(profile).preempt(Preempt::No));
        rig.wait(2 * SECOND);
        let _ = rig.hear(&Packet { priority: 99, ..Packet::v2(9) });
        assert_eq!(rig.remaining(), down(100, 100), "not to preempt");
    }
}

/// The compatible profile answers it, as keepalived does and as RFC 9568 has it.
#[test]
fn rfc3768_6_4_3_b10_a_master_discards_what_is_lower() {
    for (value, peer) in [(99, 9), (100, 2)] {
        let packet = Packet { priority: value, ..Packet::v2(peer) };
        let sent = |config: super::vrrp::ConfigBuilder| {
            let mut rig = Rig::active(config);
            rig.wait(SECOND / 2);
            let done = rig.hear(&packet);
            assert_eq!(rig.router.state(), State::Active);
            (done.contains(&Did::Send(2, 100)), rig.remaining())
        };
        assert_eq!(sent(v2().profile(Profile::Strict)), (false, SECOND / 2));
        assert_eq!(sent(v2().reassert_v2(false)), (false, SECOND / 2));
        assert!(sent(v2()).0);
    }
}

#[test]
fn rfc3768_6_4_3_b10_a_master_otherwise() {
    for profile in PROFILES {
        let mut rig = Rig::active(v2().profile(profile));
        assert_eq!(rig.timeout(), [Did::Send(2, 100)]);
        rig.wait(SECOND / 2);
        assert_eq!(rig.hear(&Packet { priority: 0, ..Packet::v2(9) }), [Did::Send(2, 100)]);
        assert_eq!(rig.remaining(), SECOND);
        let done = rig.hear(&Packet { priority: 200, ..Packet::v2(2) });
        assert_eq!(actions(done), [Did::Remove]);
        assert_eq!(rig.remaining(), down(100, 100));
        let _ = rig.timeout();
        let done = rig.input(Input::Shutdown(Farewell::Resign));
        assert_eq!(actions(done), [Did::Send(2, 0), Did::Remove]);
    }
}

/// There is no `Accept_Mode`, but it may be configured, as keepalived accepts unless told otherwise.
#[test]
fn rfc3768_6_4_3_b11_the_owner_alone_accepts_packets_to_the_addresses() {
    assert!(!v2().build().unwrap().accept());
    assert!(v2().priority(Priority::OWNER).build().unwrap().accept());
    assert!(v2().accept(true).build().unwrap().accept());
}
