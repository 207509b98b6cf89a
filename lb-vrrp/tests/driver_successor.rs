//! What follows when the process of an Active router is killed, between network namespaces: who resigns for it, and how a
//! successor goes on.
#![cfg(feature = "linux")]
#![allow(clippy::unwrap_used, reason = "as in any test")]

mod driver_lab;

use driver_lab::{Lab, is_advert, isolated, wait_until};
use lb_vrrp::{
    Cause, Config, Event, Family, State, Vrid,
    driver::{Happening, Instance, VirtualMac, linux::Resigner},
    wire::virtual_mac,
};

/// Two minutes until a takeover without a resignation, in centiseconds.
const SLOW: u16 = 4000;

fn vrid(last: u8) -> Vrid {
    Vrid::new(last).unwrap()
}

/// One that is plain, one with a virtual Ethernet address, one with a unicast peer, one of IPv6.
fn instances(priority: u8, peer: &str) -> Vec<Instance> {
    let make = |name: &str, last: u8, address: &str| {
        let config = Config::v3(vrid(last), [address.parse().unwrap()]);
        let config = config.interval(lb_vrrp::Interval::from_centiseconds(SLOW).unwrap());
        (name.to_owned(), config.priority(priority.try_into().unwrap()))
    };
    let plain = make("plain", 51, "10.0.0.101");
    let mac = make("mac", 52, "10.0.0.102");
    let (unicast, config) = make("unicast", 53, "10.0.0.103");
    let unicast = (unicast, config.unicast([peer.parse().unwrap()]));
    let six = make("six", 54, "fe80::54");
    let build = |(name, config): (String, lb_vrrp::ConfigBuilder)| {
        let mut instance = Instance::new(name, "eth0", config.build().unwrap());
        if instance.name == "mac" {
            let name = Some("vip".to_owned());
            instance.virtual_mac = Some(VirtualMac { name, ..VirtualMac::default() });
        }
        instance
    };
    [plain, mac, unicast, six].into_iter().map(build).collect()
}

#[test]
fn another_process_resigns_for_one_that_was_killed() {
    isolated("another_process_resigns_for_one_that_was_killed", || {
        let lab = Lab::new();
        let mut wire = lab.watch();
        let mut two = lab.start(2, instances(254, "10.0.0.1"));
        for _ in 0..4 {
            two.wait_for_state(State::Backup);
        }
        let mut one = lab.start(1, instances(255, "10.0.0.2"));
        for _ in 0..4 {
            one.wait_for_installed();
            two.wait("the other", |what| matches!(what, Happening::Router(Event::NewActive { .. })));
        }
        let made = one.ask(one.control.resignations()).unwrap();
        one.kill();
        assert!(lab.nodes[0].has("10.0.0.101"), "nobody removed it");
        assert_eq!(two.states(), [State::Backup; 4]);
        lab.nodes[0].run(move || {
            let mut resigner = Resigner::new().unwrap();
            // The others are sent although one can not be.
            let mut all = made.clone();
            all[0].interface = 999;
            assert!(resigner.send(&all[..1]).is_err());
            all.extend(made);
            assert!(resigner.send(&all).is_err());
        });
        for _ in 0..4 {
            two.wait("Active by a resignation", |what| match what {
                Happening::Router(Event::State { to: State::Active, cause, .. }) => {
                    assert!(matches!(cause, Cause::Resigned(_)), "{cause:?}");
                    true
                }
                _ => false,
            });
        }
        let resigns = |frame: &[u8], last| is_advert(frame, 0) && frame[35] == last;
        for _ in 0..2 {
            wire.wait("the plain one", |frame| resigns(frame, 51));
        }
        let mac = virtual_mac(Family::V4, vrid(52));
        let of = |last| wire.seen.iter().filter(|frame| resigns(frame, last)).collect::<Vec<_>>();
        assert!(!of(52).is_empty() && of(52).iter().all(|frame| frame[6..12] == mac.0));
        assert!(of(51).iter().all(|frame| frame[6..12] == [2, 0, 0, 0, 0, 1]));
    });
}

/// The driver was killed, and its addresses stayed.
#[test]
fn a_successor_that_comes_at_once_is_active_all_along() {
    isolated("a_successor_that_comes_at_once_is_active_all_along", || {
        let lab = Lab::new();
        let mut two = lab.start(2, instances(100, "10.0.0.1"));
        for _ in 0..4 {
            two.wait_for_state(State::Backup);
        }
        let mut one = lab.start(1, instances(254, "10.0.0.2"));
        for _ in 0..4 {
            one.wait_for_state(State::Backup);
        }
        for name in ["plain", "mac", "unicast", "six"] {
            one.ask(one.control.take_over(name)).unwrap();
            one.wait_for_installed();
            two.wait("the other", |what| matches!(what, Happening::Router(Event::NewActive { .. })));
        }
        let snapshot = one.ask(one.control.snapshot()).unwrap();
        let index = || lab.nodes[0].show("-o link show dev vip").split(':').next().unwrap().to_owned();
        let before_kill = index();
        assert!(!before_kill.is_empty());
        one.kill();
        let heard = |two: &driver_lab::Running| -> Vec<u64> {
            two.ask(two.control.status_of_all()).unwrap().iter().map(|status| status.stats.received).collect()
        };
        let before = heard(&two);
        let mut wire = lab.watch();
        let mut next = lab.start_with(1, instances(254, "10.0.0.2"), move |driver| driver.restore(&snapshot));
        for _ in 0..4 {
            next.wait_for_installed();
        }
        wait_until("all of the successor are heard", || {
            heard(&two).iter().zip(&before).all(|(now, before)| now > before)
        });
        assert!(next.states().is_empty(), "Active all along");
        let removed = next.seen.iter().any(|notice| matches!(notice.what, Happening::Removed { .. }));
        assert!(!removed, "{:?}", next.seen);
        assert_eq!(index(), before_kill, "it is the same interface");
        assert_eq!(two.states(), [State::Backup; 4], "no failover");
        wire.wait("an advertisement", |frame| is_advert(frame, 254));
        assert!(!wire.seen.iter().any(|frame| is_advert(frame, 0)), "nobody resigned");
    });
}
