//! What changes of state were based on.

use super::rig::*;
use crate::{Family, Farewell, Input, State, router::Heard};

#[test]
fn a_takeover_says_what_was_heard_and_which_timer_fired() {
    let mut rig = Rig::new(v3(Family::V4));
    assert_eq!(rig.router.basis(), None);
    let _ = rig.input(Input::Startup);
    let started = rig.router.basis().unwrap();
    assert_eq!((started.at, started.heard, started.due, started.late()), (rig.now, None, None, None));

    rig.wait(SECOND);
    let heard = rig.now;
    let packet = Packet { priority: 200, interval: 50, ..Packet::v3(Family::V4, 9) };
    let _ = rig.hear(&packet);
    assert_eq!(rig.router.basis(), Some(started), "nothing changed");
    let due = heard + down(100, 50);
    rig.wait(down(100, 50) + SECOND / 100);
    let _ = rig.wake();
    assert_eq!(rig.router.state(), State::Active);
    let basis = rig.router.basis().unwrap();
    assert_eq!(
        basis.heard,
        Some(Heard { at: heard, source: packet.source, priority: priority(200), interval: centiseconds(50) })
    );
    assert_eq!(basis.heard, rig.router.heard());
    assert_eq!((basis.due, basis.late()), (Some(due), Some(SECOND / 100)));
    assert_eq!((basis.adverts, basis.interval, basis.skew), (3, centiseconds(50), skew(100, 50)));
    assert_eq!(basis.down_interval(), down(100, 50));

    let _ = rig.timeout();
    assert_eq!(rig.router.basis(), Some(basis), "an advertisement is no change of state");
    let _ = rig.input(Input::StepDown(Farewell::Resign));
    let basis = rig.router.basis().unwrap();
    assert_eq!((basis.at, basis.due), (rig.now, None), "no timer did it");
}

#[test]
fn what_an_active_router_yields_to_is_what_it_heard() {
    let mut rig = Rig::active(v3(Family::V4));
    rig.wait(SECOND / 2);
    let higher = Packet { priority: 200, ..Packet::v3(Family::V4, 9) };
    let damaged = Packet { damage: 1, ..Packet::v3(Family::V4, 8) };
    let _ = rig.hear(&damaged);
    assert_eq!(rig.router.heard(), None);
    let _ = rig.hear(&higher);
    assert_eq!(rig.router.basis().unwrap().heard.unwrap().source, higher.source);
    let _ = rig.hear(&Packet { priority: 0, ..Packet::v3(Family::V4, 7) });
    assert_eq!(rig.router.heard().unwrap().source, higher.source, "a resignation is none");
}

#[test]
fn the_skew_time_of_vrrpv2_does_not_depend_on_the_interval() {
    let rig = Rig::active(v2().interval(centiseconds(300)));
    let basis = rig.router.basis().unwrap();
    assert_eq!(basis.skew, skew(100, 100));
    assert_eq!(basis.down_interval(), rig.router.down_interval());
}
