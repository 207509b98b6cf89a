//! Addresses as they are installed, on Linux, between network namespaces.
#![cfg(feature = "linux")]
#![allow(clippy::unwrap_used, reason = "as in any test")]

mod driver_lab;

use driver_lab::{Lab, Namespace, VIP, VIP6, config, instance, is_advert, isolated};
use lb_vrrp::{
    driver::{AddressAttributes, Happening, Instance, InstanceError, VirtualAddress, VirtualMac},
    wire::{Mac, gratuitous_arp},
};
use serde_json::Value;

/// 3.6 s until a takeover: long enough for a busy machine not to make one by itself.
const CALM: u16 = 100;

fn with(net: &str, change: impl FnOnce(&mut AddressAttributes)) -> VirtualAddress {
    let mut attributes = AddressAttributes::default();
    change(&mut attributes);
    VirtualAddress::new(net.parse().unwrap(), attributes)
}

/// What `ip` says of an address: the interface that it is on, and the rest.
fn shown(node: &Namespace, address: &str) -> (String, Value) {
    let all: Vec<Value> = serde_json::from_str(&node.show("-j addr show")).unwrap();
    for link in all {
        let found = link["addr_info"].as_array().unwrap().iter().find(|info| info["local"] == address);
        if let Some(info) = found {
            return (link["ifname"].as_str().unwrap().to_owned(), info.clone());
        }
    }
    panic!("{address} is not there");
}

#[test]
fn every_attribute_reaches_the_kernel() {
    isolated("every_attribute_reaches_the_kernel", || {
        let lab = Lab::new();
        let node = &lab.nodes[0];
        let mut four = Instance::new("four", "eth0", config(255, CALM, &[VIP]).build().unwrap());
        four.addresses = vec![with(&format!("{VIP}/24"), |it| {
            it.label = Some("eth0:vip".to_owned());
            it.broadcast = Some([10, 0, 0, 255].into());
            it.preferred_lifetime = Some(0);
            it.prefix_route = false;
        })];
        four.unadvertised = vec![
            with("10.1.0.1/32", |it| it.scope = 253),
            with("10.2.0.1/32", |it| it.peer = Some("10.2.0.2/30".parse().unwrap())),
            "10.3.0.1/24".parse().unwrap(),
        ];
        let mut six = Instance::new("six", "eth0", config(255, CALM, &VIP6).build().unwrap());
        six.unadvertised = vec![
            with("fd01::1/64", |it| (it.home, it.manage_temporary) = (true, true)),
            with("fd02::1/64", |it| it.prefix_route = false),
            with("fd03::1/128", |it| it.preferred_lifetime = Some(u32::MAX)),
            with("fd05::1/64", |it| it.preferred_lifetime = Some(4000)),
            with("fd04::1/64", |it| it.duplicate_detection = true),
        ];
        let mut one = lab.start(1, vec![four, six]);
        one.wait_for_installed();
        one.wait_for_installed();
        let info = |address: &str| shown(node, address).1;
        let vip = info(VIP);
        assert_eq!((&vip["label"], &vip["broadcast"]), (&"eth0:vip".into(), &"10.0.0.255".into()));
        assert_eq!(vip["noprefixroute"], true, "{vip}");
        assert_eq!(vip["deprecated"], true, "{vip}");
        assert_eq!(info("10.1.0.1")["scope"], "link");
        let peer = info("10.2.0.1");
        assert_eq!((&peer["address"], &peer["prefixlen"]), (&"10.2.0.2".into(), &30.into()));
        let plain = info("10.3.0.1");
        assert_eq!((&plain["label"], &plain["scope"]), (&"eth0".into(), &"global".into()));
        let forever = u64::from(u32::MAX);
        assert_eq!((&plain["broadcast"], &plain["preferred_life_time"]), (&Value::Null, &forever.into()));
        assert!(node.show("route show").contains("10.3.0.0/24"), "a plain IPv4 address has a route");
        let whole = info(VIP6[1]);
        assert_eq!((&whole["nodad"], &whole["preferred_life_time"]), (&true.into(), &0.into()), "{whole}");
        assert_eq!(info("fd03::1")["preferred_life_time"], forever);
        let hour = info("fd05::1")["preferred_life_time"].as_u64().unwrap();
        assert!((3000..=4000).contains(&hour), "{hour}");
        let home = info("fd01::1");
        assert_eq!((&home["home"], &home["mngtmpaddr"]), (&true.into(), &true.into()), "{home}");
        assert_eq!(info("fd04::1")["nodad"], Value::Null);
        let routes = node.show("-6 route show");
        assert!(routes.contains("fd01::/64") && !routes.contains("fd02::/64"), "{routes}");
        one.stop();
        for address in [VIP, "10.1.0.1", "10.2.0.1", "10.3.0.1", "fd01::1", "fd02::1", "fd04::1"] {
            assert!(!node.has(address), "{address} was left behind");
        }
    });
}

/// `eth1`, with 02:00:00:00:01:01.
const SECOND: &str = "link add eth1 type veth peer name far\nlink set far up\n\
                      link set eth1 address 02:00:00:00:01:01\nlink set eth1 up\n";

#[test]
fn an_address_on_another_interface_is_announced_there() {
    isolated("an_address_on_another_interface_is_announced_there", || {
        let lab = Lab::new();
        let node = &lab.nodes[0];
        node.ip(SECOND);
        let mut wire = node.run(driver_lab::Wire::open);
        let mut test = instance(config(255, CALM, &[VIP]));
        test.unadvertised = vec![with("10.9.0.1/24", |it| it.device = Some("eth1".into()))];
        let mut one = lab.start(1, vec![test]);
        assert_eq!(one.wait_for_installed(), 2);
        assert_eq!(shown(node, "10.9.0.1").0, "eth1");
        let arp = gratuitous_arp(Mac([2, 0, 0, 0, 1, 1]), "10.9.0.1".parse().unwrap());
        wire.wait("an announcement with the Ethernet address of eth1", |frame| frame == arp);
        // It is watched over there, too.
        node.ip("addr del 10.9.0.1/24 dev eth1\n");
        one.wait(
            "put back",
            |what| matches!(what, Happening::PutBack { address, .. } if address.to_string() == "10.9.0.1"),
        );
        one.stop();
        assert!(!node.has("10.9.0.1") && !node.has(VIP));
    });
}

#[test]
fn an_address_waits_for_its_interface() {
    isolated("an_address_waits_for_its_interface", || {
        let lab = Lab::new();
        let node = &lab.nodes[0];
        let mut test = instance(config(255, CALM, &[VIP]));
        test.unadvertised = vec![with("10.9.0.1/24", |it| it.device = Some("eth1".into()))];
        let mut one = lab.start(1, vec![test]);
        one.wait("it waits", |what| match what {
            Happening::AddressWaits { address, interface } => {
                address.to_string() == "10.9.0.1/24" && &**interface == "eth1"
            }
            _ => false,
        });
        node.wait_for_address(VIP, true);
        let mut wire = node.run(driver_lab::Wire::open);
        node.ip(SECOND);
        node.wait_for_address("10.9.0.1", true);
        let arp = gratuitous_arp(Mac([2, 0, 0, 0, 1, 1]), "10.9.0.1".parse().unwrap());
        wire.wait("an announcement", |frame| frame == arp);
        node.ip("link del eth1\n");
        one.wait("it waits again", |what| matches!(what, Happening::AddressWaits { .. }));
        assert!(node.has(VIP));
    });
}

#[test]
fn an_address_that_is_not_tracked_stays_removed() {
    isolated("an_address_that_is_not_tracked_stays_removed", || {
        let lab = Lab::new();
        let node = &lab.nodes[0];
        let mut test = instance(config(255, CALM, &[VIP]));
        test.unadvertised = vec![with("10.9.0.1/32", |it| it.tracked = false)];
        let mut one = lab.start(1, vec![test]);
        assert_eq!(one.wait_for_installed(), 2);
        node.ip(&format!("addr del 10.9.0.1/32 dev eth0\naddr del {VIP}/32 dev eth0\n"));
        // The one that was removed later is back.
        one.wait(
            "put back",
            |what| matches!(what, Happening::PutBack { address, .. } if address.to_string() == VIP),
        );
        assert!(!node.has("10.9.0.1"));
    });
}

#[test]
fn attributes_and_devices_are_changed_while_it_runs() {
    isolated("attributes_and_devices_are_changed_while_it_runs", || {
        let lab = Lab::new();
        let node = &lab.nodes[0];
        node.ip(SECOND);
        let configured = |address: VirtualAddress| {
            let mut test = instance(config(255, CALM, &[VIP]));
            test.unadvertised = vec![address];
            test
        };
        let first = with("10.9.0.1/32", |it| it.device = Some("eth1".into()));
        let mut one = lab.start(1, vec![configured(first)]);
        one.wait_for_installed();
        assert_eq!(shown(node, "10.9.0.1").0, "eth1");
        let second = with("10.9.0.1/32", |it| it.label = Some("eth0:moved".to_owned()));
        one.ask(one.control.reconfigure(configured(second))).unwrap();
        one.wait_for_installed();
        let (device, info) = shown(node, "10.9.0.1");
        assert_eq!((device.as_str(), &info["label"]), ("eth0", &"eth0:moved".into()));
        assert!(!node.show("addr show dev eth1").contains("10.9.0.1"), "it is gone from eth1");
        let wrong = with("10.9.0.1/32", |it| it.home = true);
        let error = one.ask(one.control.reconfigure(configured(wrong))).unwrap_err();
        assert!(error.to_string().contains("10.9.0.1/32: home"), "{error}");
        assert!(matches!(error, lb_vrrp::driver::ControlError::Instance(InstanceError::Attributes { .. })));
    });
}

#[test]
fn addresses_have_a_thread_of_their_own() {
    isolated("addresses_have_a_thread_of_their_own", || {
        let lab = Lab::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let handle = runtime.handle().clone();
        let mut wire = lab.watch();
        let quick = vec![instance(config(255, 10, &[VIP]))];
        let mut one = lab.start_with(1, quick, move |driver| driver.addresses_on(handle));
        let mut adverts = 0;
        wire.wait("ten advertisements", |frame| {
            adverts += usize::from(is_advert(frame, 255));
            adverts == 10
        });
        assert!(!lab.nodes[0].has(VIP), "nobody works on addresses yet");
        lab.nodes[0].run(move || {
            std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        });
        assert_eq!(one.wait_for_installed(), 1);
        assert!(lab.nodes[0].has(VIP));
        one.stop();
        assert!(!lab.nodes[0].has(VIP));
    });
}

#[test]
fn unicast_leaves_with_the_ttl_that_was_asked_for() {
    isolated("unicast_leaves_with_the_ttl_that_was_asked_for", || {
        let lab = Lab::new();
        let mut wire = lab.nodes[1].run(driver_lab::Wire::open);
        let peers = ["10.0.0.2", "fd00::2"].map(|peer| [peer.parse().unwrap()]);
        let mut four = instance(config(255, 10, &[VIP]).unicast(peers[0]));
        let six = config(255, 10, &VIP6[1..]).unicast(peers[1]).build().unwrap();
        let mut six = Instance::new("six", "eth0", six);
        (four.unicast_ttl, six.unicast_ttl) = (7, 8);
        let one = lab.start(1, vec![four, six]);
        wire.wait("TTL 7", |frame| is_advert(frame, 255) && frame[22] == 7);
        wire.wait("hop limit 8", |frame| frame[12..14] == [0x86, 0xdd] && frame[20..22] == [112, 8]);
        one.stop();
    });
}

#[test]
fn a_virtual_ethernet_address_may_be_another_one() {
    isolated("a_virtual_ethernet_address_may_be_another_one", || {
        let lab = Lab::new();
        let mut wire = lab.watch();
        let mac = Mac([2, 0, 0x5e, 0, 7, 7]);
        let mut test = instance(config(255, CALM, &[VIP]));
        let mut virtual_mac = VirtualMac { mac: Some(mac), ..VirtualMac::default() };
        test.virtual_mac = Some(virtual_mac.clone());
        let mut one = lab.start(1, vec![test.clone()]);
        one.wait_for_installed();
        let from = |mac: Mac| move |frame: &[u8]| is_advert(frame, 255) && frame[6..12] == mac.0;
        wire.wait("an advertisement from there", from(mac));
        let arp = gratuitous_arp(mac, VIP.parse().unwrap());
        wire.wait("an announcement", |frame| frame == arp);
        one.stop();
        virtual_mac.advertises_from_below = true;
        test.virtual_mac = Some(virtual_mac);
        let mut one = lab.start(1, vec![test]);
        one.wait_for_installed();
        wire.wait("an advertisement from below", from(Mac([2, 0, 0, 0, 0, 1])));
        wire.wait("an announcement", |frame| frame == arp);
        one.stop();
    });
}

#[test]
fn all_that_is_removed_at_once_is_put_back_at_once() {
    isolated("all_that_is_removed_at_once_is_put_back_at_once", || {
        let lab = Lab::new();
        let node = &lab.nodes[0];
        let mut test = instance(config(255, CALM, &[VIP]));
        test.unadvertised =
            (0..300).map(|n| format!("10.9.{}.{}/32", n / 250, n % 250 + 1).parse().unwrap()).collect();
        let mut one = lab.start(1, vec![test]);
        assert_eq!(one.wait_for_installed(), 301);
        let mut wire = lab.watch();
        // As a restart of systemd-networkd does.
        let removals = (0..300).map(|n| format!("addr del 10.9.{}.{}/32 dev eth0\n", n / 250, n % 250 + 1));
        node.ip(&removals.collect::<String>());
        let mut all = 0;
        one.wait("300 of them", |what| {
            if let Happening::PutBack { more, times, .. } = what {
                assert_eq!(*times, 1);
                all += more + 1;
            }
            all == 300
        });
        assert_eq!(node.show("-4 -o addr show dev eth0").matches("10.9.").count(), 300);
        let arp = gratuitous_arp(Mac([2, 0, 0, 0, 0, 1]), "10.9.1.50".parse().unwrap());
        wire.wait("its announcement", |frame| frame == arp);
    });
}
