//! The counters of RFC 6527.

use super::rig::*;
use crate::{
    Family, Farewell, Input, Priority,
    router::{NewActiveReason, ProtocolError, RouterStats},
};

fn from(peer: u8, priority: u8) -> Packet {
    Packet { priority, ..Packet::v3(Family::V4, peer) }
}

#[test]
fn what_is_sent_and_received() {
    let mut rig = Rig::backup(v3(Family::V4));
    let _ = rig.hear(&from(9, 200));
    let _ = rig.hear(&from(9, 0));
    let _ = rig.timeout();
    let _ = rig.timeout();
    rig.wait(SECOND / 2);
    let _ = rig.hear(&from(9, 0));
    let _ = rig.hear(&from(9, 200));
    let _ = rig.input(Input::TakeOver);
    let _ = rig.input(Input::Shutdown(Farewell::Resign));
    let expected = RouterStats {
        became_active: 2,
        released: 2,
        new_active_reason: NewActiveReason::Priority,
        received: 4,
        sent: 5,
        priority_zero_received: 2,
        priority_zero_sent: 1,
        ..RouterStats::default()
    };
    assert_eq!(*rig.router.stats(), expected);
}

#[test]
fn what_differs_is_counted_each_time() {
    let mut rig = Rig::backup(v3(Family::V4));
    let addresses = vec![ip("192.0.2.1")];
    for _ in 0..3 {
        let _ = rig.hear(&Packet { interval: 50, addresses: addresses.clone(), ..from(9, 200) });
    }
    let stats = rig.router.stats();
    assert_eq!((stats.interval_errors, stats.address_list_errors, stats.received), (3, 3, 3));
    assert_eq!(stats.dropped, 0);
}

/// The last error of the protocol stays until there is another one; others do not touch it.
#[test]
fn what_is_dropped_is_counted_by_reason() {
    let mut rig = Rig::backup(v3(Family::V4));
    type Counter = fn(&RouterStats) -> u64;
    let cases: [(Packet, Counter, ProtocolError); 9] = [
        (Packet { ttl: Some(1), ..from(9, 200) }, |stats| stats.ttl_errors, ProtocolError::Ttl),
        (Packet { kind: 2, ..from(9, 200) }, |stats| stats.invalid_type, ProtocolError::Ttl),
        (Packet::v2(9), |stats| stats.version_errors, ProtocolError::Version),
        (Packet { count: Some(1), ..from(9, 200) }, |stats| stats.length_errors, ProtocolError::Version),
        (Packet { damage: 1, ..from(9, 200) }, |stats| stats.checksum_errors, ProtocolError::Checksum),
        (Packet { count: Some(9), ..from(9, 200) }, |stats| stats.length_errors - 1, ProtocolError::Checksum),
        (Packet { vrid: 9, ..from(9, 200) }, |stats| stats.vrid_errors, ProtocolError::Vrid),
        (Packet { version: 1, ..from(9, 200) }, |stats| stats.version_errors - 1, ProtocolError::Version),
        (Packet { vrid: 0, ..from(9, 200) }, |stats| stats.vrid_errors - 1, ProtocolError::Vrid),
    ];
    assert_eq!(rig.router.stats().last_error, ProtocolError::None);
    for (index, (packet, counter, last)) in cases.into_iter().enumerate() {
        let _ = rig.hear(&packet);
        let stats = rig.router.stats();
        assert_eq!(counter(stats), 1, "{packet:?}");
        assert_eq!(stats.last_error, last, "{packet:?}");
        assert_eq!(stats.dropped, index as u64 + 1);
    }
    assert_eq!(rig.router.stats().received, 0);
}

#[test]
fn why_it_became_active() {
    let config = || v3(Family::V4);
    let reason = |rig: &Rig| rig.router.stats().new_active_reason;
    assert_eq!(reason(&Rig::backup(config())), NewActiveReason::NotActive);
    assert_eq!(reason(&Rig::active(config().priority(Priority::OWNER))), NewActiveReason::Priority);
    assert_eq!(reason(&Rig::active(config())), NewActiveReason::NoResponse);
    let after = |packet: &Packet| {
        let mut rig = Rig::backup(config());
        let _ = rig.hear(packet);
        let _ = rig.timeout();
        reason(&rig)
    };
    assert_eq!(after(&from(9, 50)), NewActiveReason::Preempted);
    assert_eq!(after(&from(9, 200)), NewActiveReason::NoResponse);
    assert_eq!(after(&from(9, 0)), NewActiveReason::Priority);
    let mut rig = Rig::backup(config());
    let _ = rig.hear(&from(9, 200));
    let _ = rig.input(Input::PeerDown(host(Family::V4, 9)));
    let _ = rig.timeout();
    assert_eq!(reason(&rig), NewActiveReason::NoResponse);
}
