//! The driver on Linux, between network namespaces.
#![cfg(feature = "linux")]
#![allow(clippy::unwrap_used, reason = "as in any test")]

mod driver_lab;

use std::process::{Command, Stdio};

use driver_lab::{
    Killed, Lab, VIP, VIP6, VRID, config, has_programs, instance, ip, is_advert, isolated, succeeds,
    wait_until,
};
use lb_vrrp::{
    Cause, Config, Event, Family, Farewell, Preempt, State, Vrid,
    driver::{Driver, Happening, Instance, LinkState, VirtualMac, linux::Linux},
    wire::{Mac, ah::Key, gratuitous_arp, unsolicited_na, virtual_mac},
};

/// 3.6 s until a takeover: long enough for a busy machine not to make one by itself.
const CALM: u16 = 100;
/// For what waits for a takeover.
const QUICK: u16 = 20;

fn state_cause(what: &Happening, wanted: State) -> Option<Cause> {
    match what {
        Happening::Router(Event::State { to, cause, .. }) if *to == wanted => Some(*cause),
        _ => None,
    }
}

#[test]
fn the_other_takes_over_when_the_link_fails_and_gives_back() {
    isolated("the_other_takes_over_when_the_link_fails_and_gives_back", || {
        let lab = Lab::new();
        let mut one = lab.start(1, vec![instance(config(200, QUICK, &[VIP]))]);
        one.wait_for_state(State::Active);
        lab.nodes[0].wait_for_address(VIP, true);
        let mut two = lab.start(2, vec![instance(config(100, QUICK, &[VIP]))]);
        two.wait_for_state(State::Backup);
        // The other end of the cable.
        ip("link set v1 down\n");
        one.wait("the link is down", |what| matches!(what, Happening::Link(LinkState::Down)));
        one.wait_for_state(State::Initialize);
        lab.nodes[0].wait_for_address(VIP, false);
        two.wait("silence", |what| state_cause(what, State::Active) == Some(Cause::Silence));
        lab.nodes[1].wait_for_address(VIP, true);
        ip("link set v1 up\n");
        one.wait_for_state(State::Active);
        two.wait("a higher priority", |what| {
            matches!(state_cause(what, State::Backup), Some(Cause::HigherPriority(..)))
        });
        lab.nodes[1].wait_for_address(VIP, false);
    });
}

#[test]
fn shutting_down_resigns_in_both_families() {
    isolated("shutting_down_resigns_in_both_families", || {
        let lab = Lab::new();
        let both = |priority| {
            let six = Instance::new("six", "eth0", config(priority, CALM, &VIP6).build().unwrap());
            vec![instance(config(priority, CALM, &[VIP])), six]
        };
        let mut one = lab.start(1, both(250));
        for _ in 0..2 {
            one.wait_for_installed();
        }
        let mut two = lab.start(2, both(100));
        for _ in 0..2 {
            two.wait_for_state(State::Backup);
        }
        assert!([VIP, VIP6[0], VIP6[1]].into_iter().all(|address| lab.nodes[0].has(address)));
        one.stop();
        assert!([VIP, VIP6[0], VIP6[1]].into_iter().all(|address| !lab.nodes[0].has(address)), "removed");
        let (mut resigned, mut installed) = (0, 0);
        two.wait("both resign and are installed here", |what| {
            resigned += usize::from(matches!(state_cause(what, State::Active), Some(Cause::Resigned(_))));
            installed += usize::from(matches!(what, Happening::Installed { .. }));
            (resigned, installed) == (2, 2)
        });
        assert!([VIP, VIP6[0], VIP6[1]].into_iter().all(|address| lab.nodes[1].has(address)));
    });
}

#[test]
fn unicast_peers_hear_each_other() {
    isolated("unicast_peers_hear_each_other", || {
        let lab = Lab::new();
        for (vip, peers) in [(VIP, ["10.0.0.1", "10.0.0.2"]), (VIP6[1], ["fd00::1", "fd00::2"])] {
            let mut wire = lab.watch();
            let peer = |n: usize| [peers[n - 1].parse().unwrap()];
            let mut one = lab.start(1, vec![instance(config(250, CALM, &[vip]).unicast(peer(2)))]);
            one.wait_for_installed();
            let mut two = lab.start(2, vec![instance(config(100, CALM, &[vip]).unicast(peer(1)))]);
            two.wait("the other", |what| matches!(what, Happening::Router(Event::NewActive { .. })));
            one.stop();
            two.wait("a resignation", |what| {
                matches!(state_cause(what, State::Active), Some(Cause::Resigned(_)))
            });
            two.wait_for_installed();
            wire.wait("an announcement", |frame| frame[6..12] == [2, 0, 0, 0, 0, 2]);
            let multicast = wire.seen.iter().any(|frame| is_advert(frame, 250) || is_advert(frame, 100));
            assert!(!multicast, "an advertisement came to the third node");
        }
    });
}

#[test]
fn addresses_are_announced_after_the_first_advertisement() {
    isolated("addresses_are_announced_after_the_first_advertisement", || {
        let lab = Lab::new();
        let mut wire = lab.watch();
        let six = Instance::new("six", "eth0", config(255, CALM, &VIP6).build().unwrap());
        let mut one = lab.start(1, vec![instance(config(255, CALM, &[VIP])), six]);
        one.wait_for_installed();
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let arp = gratuitous_arp(mac, VIP.parse().unwrap());
        let first = wire.wait("an ARP announcement", |frame| frame == arp);
        assert!(
            wire.seen[..first].iter().any(|frame| is_advert(frame, 255)),
            "the advertisement comes first"
        );
        let mut more = 0;
        wire.wait("five announcements", |frame| {
            more += usize::from(frame == arp);
            more == 4
        });
        for address in VIP6 {
            let advertisement =
                unsolicited_na(mac, "fe80::1".parse().unwrap(), address.parse().unwrap(), true);
            if !wire.seen.iter().any(|frame| frame[..] == advertisement) {
                wire.wait("a neighbour advertisement", |frame| frame == advertisement);
            }
        }
    });
}

#[test]
fn a_thousand_addresses_come_and_go() {
    isolated("a_thousand_addresses_come_and_go", || {
        let lab = Lab::new();
        let mut wire = lab.watch();
        let mut test = instance(config(255, CALM, &[VIP]));
        let many = (0..1000).map(|n: u32| format!("10.1.{}.{}/32", n / 250, n % 250 + 1));
        test.unadvertised = many.map(|address| address.parse().unwrap()).collect();
        let mut one = lab.start(1, vec![test]);
        assert_eq!(one.wait_for_installed(), 1001);
        let count =
            |node: &driver_lab::Namespace| node.show("-o -4 addr show dev eth0").matches("10.1.").count();
        assert_eq!(count(&lab.nodes[0]), 1000);
        let status = one.ask(one.control.status("test")).unwrap();
        assert_eq!((status.installed, status.addresses), (1001, 1001));
        let last = gratuitous_arp(Mac([2, 0, 0, 0, 0, 1]), "10.1.3.250".parse().unwrap());
        wire.wait("the announcement of the last one", |frame| frame == last);
        one.stop();
        assert_eq!(count(&lab.nodes[0]), 0);
        assert!(lab.nodes[0].has("10.0.0.1"), "what was there before stays");
    });
}

#[test]
fn a_virtual_ethernet_address_has_an_interface() {
    isolated("a_virtual_ethernet_address_has_an_interface", || {
        let lab = Lab::new();
        let mut wire = lab.watch();
        let with_mac = |priority| {
            let mut test = instance(config(priority, CALM, &[VIP]));
            test.addresses = vec![format!("{VIP}/24").parse().unwrap()];
            test.virtual_mac = Some(VirtualMac { name: Some("vip".to_owned()), ..VirtualMac::default() });
            vec![test]
        };
        let mut one = lab.start(1, with_mac(250));
        one.wait_for_installed();
        let mut two = lab.start(2, with_mac(100));
        two.wait_for_state(State::Backup);
        wait_until("the Backup's is there and down", || {
            lab.nodes[1].show("link show dev vip").contains("DOWN")
        });
        let shown = lab.nodes[0].show("addr show dev vip");
        assert!(shown.contains("00:00:5e:00:01:33") && shown.contains(VIP), "{shown}");
        assert!(!shown.contains("inet6"), "no address is made from it: {shown}");
        let mac = virtual_mac(Family::V4, Vrid::new(VRID).unwrap());
        let first = wire.wait("an advertisement", |frame| is_advert(frame, 250));
        assert_eq!(wire.seen[first][..12], [1, 0, 0x5e, 0, 0, 18, 0, 0, 0x5e, 0, 1, VRID], "RFC 9568 7.2");
        wire.wait("an announcement", |frame| frame == gratuitous_arp(mac, VIP.parse().unwrap()));
        // Somebody asks for the address.
        if has_programs("a_virtual_ethernet_address_has_an_interface", &["ping"]) {
            let answers = lab.nodes[2].run(|| succeeds(Command::new("ping").args(["-c1", "-W10", VIP])));
            assert!(answers, "{VIP} does not answer");
            let neighbour = lab.nodes[2].show(&format!("neigh show {VIP}"));
            assert!(neighbour.contains("00:00:5e:00:01:33"), "{neighbour}");
        }
        one.stop();
        assert!(!lab.nodes[0].show("-o link show").contains("vip"), "it goes with the instance");
        two.wait_for_installed();
    });
}

#[test]
fn a_flapping_link_never_makes_it_active_early() {
    isolated("a_flapping_link_never_makes_it_active_early", || {
        let lab = Lab::new();
        let test = config(100, QUICK, &[VIP]).build().unwrap();
        let down_interval = test.interval().active_down_interval(test.priority());
        let mut one = lab.start(1, vec![Instance::new("test", "eth0", test)]);
        for _ in 0..3 {
            one.wait_for_state(State::Backup);
            ip("link set v1 down\n");
            one.wait("down", |what| matches!(what, Happening::Link(LinkState::Down)));
            ip("link set v1 up\n");
        }
        one.wait_for_state(State::Active);
        let mut ready = None;
        for notice in &one.seen {
            match notice.what {
                Happening::Link(LinkState::Ready) => ready = Some(notice.at),
                Happening::Router(Event::State { to: State::Active, .. }) => {
                    let since = notice.at.since(ready.expect("it was ready"));
                    assert!(since >= down_interval, "Active {since:?} after the link came up");
                }
                _ => {}
            }
        }
    });
}

/// Not a test: the process that another test kills.
#[test]
fn node_process() {
    if std::env::var_os("LB_VRRP_NODE").is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut driver = Driver::new(Linux::new().unwrap());
        driver.add(instance(config(255, CALM, &[VIP]))).unwrap();
        driver.run(std::future::pending()).await.unwrap();
    });
}

#[test]
fn what_a_killed_predecessor_left_stays_until_another_one_has_it() {
    isolated("what_a_killed_predecessor_left_stays_until_another_one_has_it", || {
        let lab = Lab::new();
        let leave_behind = || {
            let mut killed = lab.nodes[0].run(|| {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.args(["--exact", "node_process", "--nocapture"]).env("LB_VRRP_NODE", "1");
                Killed(command.stdout(Stdio::null()).spawn().unwrap())
            });
            lab.nodes[0].wait_for_address(VIP, true);
            killed.0.kill().unwrap();
            killed.0.wait().unwrap();
            assert!(lab.nodes[0].has(VIP), "nobody removed it");
        };
        leave_behind();
        // Alone, it goes on where the other one left off.
        let mut one = lab.start(1, vec![instance(config(100, QUICK, &[VIP]))]);
        one.wait("Active", |what| {
            assert!(!matches!(what, Happening::Removed { .. }), "it was there all the time");
            state_cause(what, State::Active) == Some(Cause::Silence)
        });
        one.wait_for_installed();
        one.stop();
        // Beside another one that is Active, it gives it up when it hears that one.
        leave_behind();
        let mut two = lab.start(2, vec![instance(config(255, QUICK, &[VIP]))]);
        two.wait_for_state(State::Active);
        let mut one = lab.start(1, vec![instance(config(100, CALM, &[VIP]))]);
        one.wait("the rest is removed", |what| matches!(what, Happening::Removed { addresses: 1 }));
        assert!(one.states().iter().all(|state| *state == State::Backup), "before it is Active");
        assert!(lab.nodes[0].has("10.0.0.1"), "the address of the interface stays");
    });
}

#[test]
fn a_successor_goes_on_without_a_failover() {
    isolated("a_successor_goes_on_without_a_failover", || {
        let lab = Lab::new();
        // 16 s for the restart.
        let slow = 500;
        let one = || vec![instance(config(254, slow, &[VIP]))];
        let mut first = lab.start_with(1, one(), |driver| driver.keep_addresses(true));
        first.ask(first.control.startup("test")).unwrap();
        first.wait_for_state(State::Backup);
        first.ask(first.control.take_over("test")).unwrap();
        first.wait_for_installed();
        let mut two = lab.start(2, vec![instance(config(100, slow, &[VIP]).preempt(Preempt::No))]);
        two.wait_for_state(State::Backup);
        let snapshot = first.stop();
        assert!(lab.nodes[0].has(VIP), "it is kept");
        let mut second = lab.start_with(1, one(), move |driver| driver.restore(&snapshot));
        assert_eq!(second.wait_for_installed(), 1);
        let status = second.ask(second.control.status("test")).unwrap();
        assert_eq!((status.state, status.installed), (State::Active, 1));
        assert!(second.states().is_empty(), "it was Active all along");
        two.wait("the successor is heard", |what| matches!(what, Happening::Router(Event::NewActive { .. })));
        assert_eq!(two.states(), [State::Backup], "no failover");
    });
}

#[test]
fn an_interface_that_does_not_exist_yet_is_waited_for() {
    isolated("an_interface_that_does_not_exist_yet_is_waited_for", || {
        let lab = Lab::new();
        let later = Instance::new("test", "later0", config(100, QUICK, &[VIP]).build().unwrap());
        let mut one = lab.start(1, vec![later]);
        one.wait("that it is not there", |what| matches!(what, Happening::Link(LinkState::Gone)));
        lab.nodes[0].ip(concat!(
            "link add later0 type veth peer name later1\n",
            "addr add 10.1.0.1/24 dev later0\n",
            "link set later1 up\n",
            "link set later0 up\n",
        ));
        one.wait_for_installed();
        // Under another name, it is another interface.
        lab.nodes[0].ip("link set later0 down\nlink set later0 name other0\nlink set other0 up\n");
        one.wait_for_state(State::Initialize);
        one.wait("that it is gone", |what| matches!(what, Happening::Link(LinkState::Gone)));
        lab.nodes[0].ip("link set other0 down\nlink set other0 name later0\nlink set later0 up\n");
        one.wait_for_state(State::Active);
    });
}

#[test]
fn an_interface_comes_back_with_another_index() {
    isolated("an_interface_comes_back_with_another_index", || {
        let lab = Lab::new();
        let mut one = lab.start(1, vec![instance(config(255, CALM, &[VIP]))]);
        one.wait_for_installed();
        lab.nodes[0].ip("link del eth0\n");
        one.wait("it is gone", |what| matches!(what, Happening::Link(LinkState::Gone)));
        lab.nodes[0].ip(
            "link add eth0 type veth peer name far\nlink set far up\nlink set eth0 up\naddr add 10.0.0.1/24 dev eth0\n",
        );
        one.wait_for_installed();
        lab.nodes[0].wait_for_address(VIP, true);
        let stats = one.ask(one.control.status("test")).unwrap().stats;
        assert_eq!(stats.became_active, 2, "its counters go on");
    });
}

#[test]
fn an_address_that_somebody_else_removes_is_put_back() {
    isolated("an_address_that_somebody_else_removes_is_put_back", || {
        let lab = Lab::new();
        let mut one = lab.start(1, vec![instance(config(255, CALM, &[VIP]))]);
        one.wait_for_installed();
        lab.nodes[0].ip(&format!("addr del {VIP}/32 dev eth0\n"));
        one.wait(
            "put back",
            |what| matches!(what, Happening::PutBack { address, .. } if address.to_string() == VIP),
        );
        assert!(lab.nodes[0].has(VIP));
    });
}

#[test]
fn advertisements_come_from_the_primary_address_of_the_moment() {
    isolated("advertisements_come_from_the_primary_address_of_the_moment", || {
        let lab = Lab::new();
        let mut wire = lab.watch();
        let mut one = lab.start(1, vec![instance(config(255, QUICK, &[VIP]))]);
        one.wait_for_installed();
        let is_from = |frame: &[u8], last: u8| is_advert(frame, 255) && frame[26..30] == [10, 0, 0, last];
        wire.wait("from 10.0.0.1", |frame| is_from(frame, 1));
        lab.nodes[0].ip("addr add 10.0.0.7/32 dev eth0\naddr del 10.0.0.1/24 dev eth0\n");
        wire.wait("from 10.0.0.7", |frame| is_from(frame, 7));
        lab.nodes[0].ip("addr del 10.0.0.7/32 dev eth0\n");
        one.wait("no address", |what| matches!(what, Happening::Link(LinkState::NoAddress)));
        one.wait_for_state(State::Initialize);
    });
}

#[test]
fn the_clock_of_messages_is_that_of_deadlines() {
    isolated("the_clock_of_messages_is_that_of_deadlines", || {
        let lab = Lab::new();
        let mut one = lab.start(1, vec![instance(config(255, QUICK, &[VIP]))]);
        one.wait_for_installed();
        // With its clock far off, every message would be stale, or would put the deadline far off.
        let mut two = lab.start(2, vec![instance(config(100, QUICK, &[VIP]))]);
        two.wait("the other", |what| matches!(what, Happening::Router(Event::NewActive { .. })));
        one.ask(one.control.shutdown("test", Farewell::Silent)).unwrap();
        two.wait("silence", |what| state_cause(what, State::Active) == Some(Cause::Silence));
        let stats = two.ask(two.control.status("test")).unwrap().stats;
        assert_eq!((stats.dropped, stats.ttl_errors), (0, 0));
    });
}

#[test]
fn a_v2_router_is_what_it_says() {
    isolated("a_v2_router_is_what_it_says", || {
        let lab = Lab::new();
        let v2 = |priority: u8| {
            let config = Config::v2(Vrid::new(VRID).unwrap(), [VIP.parse().unwrap()]);
            instance(config.priority(priority.try_into().unwrap()).auth_text("secret"))
        };
        let mut one = lab.start(1, vec![v2(255)]);
        one.wait_for_installed();
        let mut two = lab.start(2, vec![v2(100)]);
        two.wait("the other", |what| matches!(what, Happening::Router(Event::NewActive { .. })));
        one.stop();
        two.wait("a resignation", |what| {
            matches!(state_cause(what, State::Active), Some(Cause::Resigned(_)))
        });
    });
}

#[test]
fn messages_in_authentication_headers_are_sealed_and_opened() {
    isolated("messages_in_authentication_headers_are_sealed_and_opened", || {
        let lab = Lab::new();
        let mut wire = lab.watch();
        let sealed = |priority: u8, key: &str| {
            let config = Config::v2(Vrid::new(VRID).unwrap(), [VIP.parse().unwrap()]).auth_header();
            let mut test = instance(config.priority(priority.try_into().unwrap()));
            test.key = Some(Key::new(key.as_bytes()));
            vec![test]
        };
        let mut one = lab.start(1, sealed(255, "secret"));
        one.wait_for_installed();
        let mut two = lab.start(2, sealed(100, "secret"));
        two.wait("the other", |what| matches!(what, Happening::Router(Event::NewActive { .. })));
        let is_sealed = |frame: &[u8]| frame.len() > 58 && frame[12..14] == [8, 0] && frame[23] == 51;
        wire.wait("a sealed advertisement", is_sealed);
        assert!(!wire.seen.iter().any(|frame| is_advert(frame, 255)), "none is open");
        two.stop();
        // With another key it hears nobody.
        let mut two = lab.start(2, sealed(100, "wrong"));
        two.wait("silence", |what| state_cause(what, State::Active) == Some(Cause::Silence));
    });
}
