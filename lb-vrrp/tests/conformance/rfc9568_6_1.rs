//! RFC 9568 §6.1: parameters and timers. §2.5: what to say when they are too short.

use super::{
    rig::*,
    vrrp::{Event, Family, Farewell, Input, Interval, Preempt, Priority, State},
};

/// It does so three times within ten down intervals.
#[test]
fn rfc9568_2_5_a1_a_router_that_flaps_is_told_about() {
    let flap = |pause| {
        let mut rig = Rig::backup(v3(Family::V4));
        let mut told = Vec::new();
        for _ in 0..3 {
            told.extend(rig.timeout());
            let _ = rig.hear(&Packet { priority: 200, ..Packet::v3(Family::V4, 9) });
            for _ in 0..pause {
                rig.wait(SECOND);
                let _ = rig.hear(&Packet { priority: 200, ..Packet::v3(Family::V4, 9) });
            }
        }
        told.iter().filter(|did| matches!(did, Did::Tell(Event::Unstable { times: 3 }))).count()
    };
    assert_eq!(flap(0), 1);
    assert_eq!(flap(40), 0, "once in 40 s is none");
}

#[test]
fn rfc9568_6_1_a24_the_defaults() {
    let config = v3(Family::V4).build().unwrap();
    assert_eq!(config.priority().get(), 100);
    assert_eq!(config.interval(), centiseconds(100));
    assert_eq!(config.preempt(), Preempt::Yes);
    assert!(!config.accept());
}

const INTERVALS: [u16; 6] = [1, 3, 10, 100, 333, 4095];

#[test]
fn rfc9568_6_1_a25_the_skew_time() {
    for interval in INTERVALS {
        for value in 1..=255 {
            let expected = skew(u64::from(value), u64::from(interval));
            assert_eq!(centiseconds(interval).skew_time(priority(value)), expected);
        }
        let rig = Rig::backup(v3(Family::V4).interval(centiseconds(interval)));
        assert_eq!(rig.router.skew_time(), skew(100, u64::from(interval)));
    }
    // Written out, so that no formula stands on both sides: 156/256 and 1/256 of a second, 156/256 of 10 ms.
    assert_eq!(Interval::DEFAULT.skew_time(Priority::DEFAULT).as_nanos(), 609_375_000);
    assert_eq!(Interval::DEFAULT.skew_time(Priority::OWNER).as_nanos(), 3_906_250);
    assert_eq!(centiseconds(1).skew_time(Priority::DEFAULT).as_nanos(), 6_093_750);
}

#[test]
fn rfc9568_6_1_a26_the_active_down_interval() {
    for interval in INTERVALS {
        for value in 1..=255 {
            let expected = down(u64::from(value), u64::from(interval));
            assert_eq!(centiseconds(interval).active_down_interval(priority(value)), expected);
        }
        let rig = Rig::backup(v3(Family::V6).interval(centiseconds(interval)));
        assert_eq!(rig.router.down_interval(), down(100, u64::from(interval)));
        assert_eq!(rig.remaining(), down(100, u64::from(interval)));
    }
    assert_eq!(Interval::DEFAULT.active_down_interval(Priority::DEFAULT).as_nanos(), 3_609_375_000);
    assert_eq!(centiseconds(1).active_down_interval(Priority::DEFAULT).as_nanos(), 36_093_750);
}

/// Also a Backup that comes to own the addresses while it is not to preempt.
#[test]
fn rfc9568_6_1_a27_an_owner_always_preempts() {
    for preempt in [Preempt::Yes, Preempt::No, Preempt::After(SECOND)] {
        let mut rig = Rig::backup(v3(Family::V4).preempt(preempt));
        let _ = rig.hear(&Packet { priority: 254, ..Packet::v3(Family::V4, 9) });
        let done = rig.input(Input::Priority(Priority::OWNER));
        assert_eq!(done[0], Did::Send(3, 255));
        assert_eq!(rig.router.state(), State::Active);
        // One that was told to step down listens, and takes over again.
        let _ = rig.input(Input::StepDown(Farewell::Resign));
        let deadline = rig.router.poll_timeout();
        rig.wait(SECOND);
        let _ = rig.hear(&Packet { priority: 254, ..Packet::v3(Family::V4, 9) });
        assert_eq!(rig.router.poll_timeout(), deadline, "{preempt:?}");
    }
    assert!(v3(Family::V4).priority(Priority::OWNER).preempt(Preempt::No).build().is_err());
}
