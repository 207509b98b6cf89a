//! RFC 9568 §6.4.2: Backup.

use super::{
    rig::*,
    vrrp::{AnnounceReason, Cause, Event, Farewell, Input, Preempt, Profile, State},
};

/// What the platform needs for A33 to A37: a Backup has no addresses, so that it neither answers nor accepts for them.
#[test]
fn rfc9568_6_4_2_a33_a_backup_is_not_told_to_have_the_addresses() {
    for family in FAMILIES {
        for profile in PROFILES {
            let mut rig = Rig::new(v3(family).profile(profile));
            let mut done = rig.input(Input::Startup);
            for value in [0, 50, 100, 200, 255] {
                done.extend(rig.hear(&Packet { priority: value, ..Packet::v3(family, 9) }));
            }
            done.extend(rig.input(Input::Announce));
            done.extend(rig.input(Input::Priority(priority(150))));
            assert_eq!(rig.router.state(), State::Backup);
            assert_eq!(actions(done), [Did::Remove]);
        }
    }
}

#[test]
fn rfc9568_6_4_2_a38_a_backup_that_shuts_down_sends_nothing() {
    for family in FAMILIES {
        for farewell in [Farewell::Silent, Farewell::Resign, Farewell::Linger] {
            let mut rig = Rig::backup(v3(family));
            let done = rig.input(Input::Shutdown(farewell));
            let event = Event::State { from: State::Backup, to: State::Initialize, cause: Cause::Shutdown };
            assert_eq!(done, [Did::Tell(event)]);
            assert_eq!(rig.router.poll_timeout(), None);
            rig.wait(100 * SECOND);
            assert_eq!(rig.wake(), []);
        }
    }
}

/// With erratum 7949. Its own interval counts then, not the one it had learned.
#[test]
fn rfc9568_6_4_2_a39_silence_makes_it_advertise_announce_and_become_active() {
    for family in FAMILIES {
        let mut rig = Rig::backup(v3(family).interval(centiseconds(40)));
        let _ = rig.hear(&Packet { priority: 200, interval: 300, ..Packet::v3(family, 9) });
        rig.wait(down(100, 300) - std::time::Duration::from_nanos(1));
        assert_eq!(rig.wake(), [], "a nanosecond early");
        rig.wait(std::time::Duration::from_nanos(1));
        let active = Event::State { from: State::Backup, to: State::Active, cause: Cause::Silence };
        assert_eq!(
            rig.wake(),
            [Did::Send(3, 100), Did::Install, Did::Announce(AnnounceReason::BecameActive), Did::Tell(active)]
        );
        assert_eq!(rig.remaining().as_millis(), 400);
    }
}

#[test]
fn rfc9568_6_4_2_a40_a_resignation_leaves_the_skew_time_and_teaches_no_interval() {
    for family in FAMILIES {
        for profile in PROFILES {
            let mut rig = Rig::backup(v3(family).profile(profile));
            let _ = rig.hear(&Packet { priority: 200, interval: 300, ..Packet::v3(family, 9) });
            rig.wait(SECOND);
            let done = rig.hear(&Packet { priority: 0, interval: 50, ..Packet::v3(family, 9) });
            assert_eq!(actions(done), []);
            assert_eq!(rig.router.active_interval(), centiseconds(300));
            assert_eq!(rig.remaining(), skew(100, 300));
            assert_eq!(rig.router.state(), State::Backup);
            assert_eq!(rig.timeout()[0], Did::Send(3, 100));
        }
    }
}

/// A Backup that heard nobody yet takes a resignation as well.
#[test]
fn rfc9568_6_4_2_a40_a_resignation_of_a_router_unheard_of() {
    for family in FAMILIES {
        for profile in PROFILES {
            let mut rig = Rig::backup(v3(family).profile(profile));
            let _ = rig.hear(&Packet { priority: 0, ..Packet::v3(family, 9) });
            assert_eq!(rig.remaining(), skew(100, 100));
        }
    }
}

/// RFC 5798 forgot to compute the skew time again.
#[test]
fn rfc9568_6_4_2_a41_backup_learns_the_interval_and_restarts_the_timer() {
    for family in FAMILIES {
        for interval in [1, 50, 300, 4095] {
            for value in [100, 101, 255] {
                let mut rig = Rig::backup(v3(family));
                rig.wait(2 * SECOND);
                let done = rig.hear(&Packet { priority: value, interval, ..Packet::v3(family, 9) });
                assert_eq!(actions(done), []);
                assert_eq!(rig.router.active_interval(), centiseconds(interval));
                assert_eq!(rig.router.skew_time(), skew(100, u64::from(interval)));
                assert_eq!(rig.remaining(), down(100, u64::from(interval)));
            }
        }
    }
}

#[test]
fn rfc9568_6_4_2_a41_a_lower_priority_as_well_when_not_to_preempt() {
    for family in FAMILIES {
        let mut rig = Rig::backup(v3(family).preempt(Preempt::No));
        for _ in 0..20 {
            rig.wait(SECOND);
            let done = rig.hear(&Packet { priority: 1, interval: 200, ..Packet::v3(family, 2) });
            assert_eq!(actions(done), []);
            assert_eq!(rig.router.active_interval(), centiseconds(200));
            assert_eq!(rig.remaining(), down(100, 200));
        }
        assert_eq!(rig.router.state(), State::Backup);
    }
}

#[test]
fn rfc9568_6_4_2_a42_a_lower_priority_is_discarded_when_to_preempt() {
    for family in FAMILIES {
        for profile in PROFILES {
            let mut rig = Rig::backup(v3(family).profile(profile));
            let deadline = rig.router.poll_timeout();
            for _ in 0..3 {
                rig.wait(SECOND);
                let done = rig.hear(&Packet { priority: 99, interval: 5, ..Packet::v3(family, 9) });
                assert_eq!(actions(done), []);
                assert_eq!(rig.router.poll_timeout(), deadline, "untouched");
                assert_eq!(rig.router.active_interval(), centiseconds(100), "not learned");
            }
            assert_eq!(rig.timeout()[0], Did::Send(3, 100));
        }
    }
}

#[test]
fn rfc9568_6_4_2_a43_addresses_do_not_decide_between_equal_priorities() {
    for family in FAMILIES {
        for peer in [1, 200] {
            let mut rig = Rig::backup(v3(family).profile(Profile::Strict));
            rig.wait(3 * SECOND);
            let _ = rig.hear(&Packet::v3(family, peer));
            assert_eq!(rig.remaining(), down(100, 100));
            assert_eq!(rig.router.active(), Some((host(family, peer), priority(100))));
        }
    }
}
