use std::{net::IpAddr, path::Path, time::Duration};

use lb_config::keepalived::{language, resolve::resolve};
use lb_vrrp::{Family, driver, router::Mode, wire::Authentication as Wire};

use super::*;

/// What an instance with these lines says, without a word about it.
fn instance(lines: &str) -> model::Instance {
    let text = format!(
        "vrrp_instance V {{\ninterface eth0\nvirtual_router_id 7\npriority 120\n{lines}\n\
         virtual_ipaddress {{\n10.0.0.1/24\n}}\n}}\n"
    );
    let settings = language::Settings::default();
    let (document, sources, mut problems) =
        language::read_text(&text, Path::new("f"), &settings, &mut language::Machine::default());
    let mut config = resolve(&document, &mut problems);
    let problems: Vec<String> = problems.finish().iter().map(|problem| problem.line(&sources)).collect();
    assert_eq!(problems, [""; 0], "{text}");
    config.instances.remove(0)
}

fn built(lines: &str) -> driver::Instance {
    let model = instance(lines);
    build(&model, model.priority, &Settings::default()).unwrap()
}

#[test]
fn what_the_file_does_not_say_has_its_default() {
    let built = built("");
    let config = &built.config;
    assert_eq!((built.name.as_str(), built.interface.as_str()), ("V", "eth0"));
    assert_eq!((config.vrid().get(), config.priority().get()), (7, 120));
    assert_eq!((config.interval(), config.profile()), (lb_vrrp::Interval::DEFAULT, Profile::Compatible));
    assert_eq!((config.preempt(), config.accept()), (Preempt::Yes, true));
    assert!(!built.starts, "it waits for an order");
    assert_eq!((built.source, built.virtual_mac, built.unicast_ttl), (None, None, 255));
    let announcing = &built.announcing;
    assert_eq!((announcing.repeat, announcing.delayed_repeat), (5, 5));
    assert_eq!((announcing.delay, announcing.refresh), (Duration::from_secs(5), None));
}

#[test]
fn addresses_keep_their_attributes_and_their_families() {
    let model = model::VirtualAddress {
        device: Some("eth1".to_owned()),
        label: Some("eth1:x".to_owned()),
        no_prefix_route: true,
        tracked: false,
        ..model::VirtualAddress::new("10.0.0.1/24".parse().unwrap())
    };
    let address = virtual_address(&model);
    assert_eq!(address.net, model.net);
    let attributes = address.attributes.unwrap();
    assert_eq!(attributes.device.as_deref(), Some("eth1"));
    assert_eq!(attributes.label.as_deref(), Some("eth1:x"));
    assert_eq!((attributes.prefix_route, attributes.tracked), (false, false));
    let v6 = model::VirtualAddress { net: "2001:db8::1/64".parse().unwrap(), ..model };
    assert_eq!(virtual_address(&v6).attributes.unwrap().label, None, "labels are of IPv4");
    let plain = virtual_address(&model::VirtualAddress::new("2001:db8::1/128".parse().unwrap()));
    assert_eq!(plain.attributes, None, "what the driver does by itself");
    let lasting = model::VirtualAddress {
        preferred_lifetime: Some(60),
        ..model::VirtualAddress::new("2001:db8::1/128".parse().unwrap())
    };
    assert_eq!(virtual_address(&lasting).attributes.unwrap().preferred_lifetime, Some(60));
}

#[test]
fn each_authentication_has_its_place() {
    let authenticated =
        |kind, password| built(&format!("authentication {{\nauth_type {kind}\nauth_pass {password}\n}}"));
    assert_eq!(built("").config.authentication(), Wire::None);
    assert!(built("").key.is_none());
    assert_eq!(authenticated("PASS", "secret").config.authentication(), Wire::Text(*b"secret\0\0"));
    let header = authenticated("AH", "secret");
    assert_eq!(header.config.authentication(), Wire::Header);
    assert!(header.key.is_some());
}

#[test]
fn keys_that_do_not_fit_are_named_with_their_instance() {
    let mut model = instance("");
    model.authentication = Authentication::Hmac {
        keys: Vec::new(),
        active: 1,
        window: Duration::from_secs(3),
        mode: HmacMode::Enforce,
        monotonic: false,
    };
    let error = build(&model, model.priority, &Settings::default()).unwrap_err();
    assert!(matches!(&error, BuildError::Keys { instance, .. } if instance == "V"), "{error}");
}

#[test]
fn strict_is_strict_unless_sending_is_beyond_the_rfc() {
    let mut model = instance("version 3");
    model.strict = true;
    assert_eq!(profile(&model), Profile::Strict);
    model.sending = Sending::Multicast(Some("224.0.0.99".parse().unwrap()));
    assert_eq!(profile(&model), Profile::Compatible);
}

#[test]
fn preemption_is_as_written_and_an_owner_always_preempts() {
    let delayed = built("preempt_delay 9").config.preempt();
    assert_eq!(delayed, Preempt::After(Duration::from_secs(9)));
    let model = instance("nopreempt");
    let preempt = |priority| build(&model, priority, &Settings::default()).unwrap().config.preempt();
    assert_eq!(preempt(model.priority), Preempt::No);
    assert_eq!(preempt(Priority::OWNER), Preempt::Yes);
}

#[test]
fn unicast_goes_to_the_peers_with_its_hops() {
    let built = built("unicast_src_ip 10.0.0.8\nunicast_peer {\n10.0.0.9\n}\nunicast_ttl 3");
    assert_eq!(built.unicast_ttl, 3);
    assert_eq!(built.source, Some([10, 0, 0, 8].into()));
    assert!(
        matches!(built.config.mode(), Mode::Unicast(peers) if peers[..] == [IpAddr::from([10, 0, 0, 9])])
    );
}

#[test]
fn announcements_have_their_pace() {
    let built = built(
        "garp_master_delay 0\ngarp_master_repeat 3\ngarp_master_refresh 60\ngarp_master_refresh_repeat 2",
    );
    let announcing = &built.announcing;
    assert_eq!(
        (announcing.repeat, announcing.delayed_repeat),
        (3, 0),
        "without a delay there is no second burst"
    );
    assert_eq!((announcing.refresh, announcing.refresh_repeat), (Some(Duration::from_secs(60)), 2));
}

#[test]
fn the_more_frequent_refresh_counts() {
    let refresh = |lines| built(lines).announcing.refresh.map(|period| period.as_secs());
    assert_eq!(refresh("garp_extra_if all 60"), Some(60));
    assert_eq!(refresh("garp_extra_if all 60\ngarp_master_refresh 50"), Some(50));
    assert_eq!(refresh("garp_extra_if all 60\ngarp_master_refresh 70"), Some(60));
    assert_eq!(refresh("garp_extra_if 60"), None, "there is no VMAC");
}

#[test]
fn what_is_to_be_heeded_is() {
    let usual = built("");
    assert_eq!((usual.heeds_link, usual.heeds_source), (true, false));
    let other = built("dont_track_primary\nmcast_src_ip 10.0.0.8\ntrack_src_ip");
    assert_eq!((other.heeds_link, other.heeds_source), (false, true));
}

/// A Backup of ours that heard another router with this interval, in centiseconds, in VRRPv3: how long it waits.
fn patience_after(lines: &str, theirs: u16) -> Duration {
    let built = built(&format!("version 3\n{lines}"));
    let (ours, other) = (IpAddr::from([10, 0, 0, 5]), IpAddr::from([10, 0, 0, 6]));
    let now = lb_vrrp::Time::from_secs(100);
    let mut router = lb_vrrp::VirtualRouter::new(built.config, ours).unwrap();
    router.handle_input(now, lb_vrrp::Input::Startup);
    let addresses = lb_vrrp::AddressList::new([IpAddr::from([10, 0, 0, 1])]).unwrap();
    let advert = lb_vrrp::wire::Advert {
        version: lb_vrrp::Version::V3,
        vrid: lb_vrrp::Vrid::new(7).unwrap(),
        priority: Some(Priority::new(200).unwrap()),
        interval: Interval::from_centiseconds(theirs).unwrap(),
        addresses: addresses.as_addresses(),
        authentication: Wire::None,
    };
    let mut payload = vec![0; advert.encoded_len()];
    advert.encode(&mut payload);
    let destination = Family::V4.multicast_group();
    lb_vrrp::wire::fill_checksum(&mut payload, other, destination, lb_vrrp::wire::ChecksumForm::PseudoHeader);
    let envelope = lb_vrrp::Envelope { source: other, destination, ttl: Some(255), authenticated: false };
    let datagram = lb_vrrp::Datagram { received: now, envelope, payload: &payload };
    router.handle_input(now, lb_vrrp::Input::Datagram(datagram));
    while router.poll_output().is_some() {}
    assert!(router.active().is_some(), "it was heard");
    router.poll_timeout().unwrap() - now
}

#[test]
fn one_forged_advert_delays_a_takeover_by_seconds() {
    let secs = Duration::from_secs;
    assert!(patience_after("", 4095) < secs(16), "{:?}", patience_after("", 4095));
    assert!(patience_after("advert_int 0.1", 4095) < secs(16));
    assert!(patience_after("advert_int 5", 4095) < secs(80));
    // The letter of RFC 9568 knows no bound.
    assert!(patience_after("strict_mode on", 4095) > secs(120));
}

#[test]
fn slower_peers_are_waited_for() {
    // One that has not followed a change of advert_int yet, and a file in which only one node was tuned.
    for (lines, theirs) in
        [("", 100), ("", 400), ("advert_int 0.1", 100), ("advert_int 0.01", 100), ("advert_int 20", 4095)]
    {
        let three = Duration::from_millis(10) * u32::from(theirs) * 3;
        assert!(patience_after(lines, theirs) > three, "{lines}, {theirs}");
    }
    // Three times as slow as is believed: its next advertisement is in time.
    assert!(patience_after("", 1200) > Duration::from_secs(12));
}

/// The numbers of keepalived 2.2.7.
#[test]
fn as_many_addresses_are_advertised_as_keepalived_advertises() {
    let lines: String = (0..100).map(|n| format!("2001:db8::{n:x}\n")).collect();
    let mut model = instance("");
    let text = |lines: &str| lines.lines().map(|line| line.parse().unwrap()).collect::<Vec<IpAddr>>();
    model.family = Family::V6;
    model.version = Version::V3;
    model.addresses =
        text(&lines).into_iter().map(|address| model::VirtualAddress::new(address.into())).collect();
    for (mtu, count) in [(None, 89), (Some(1500), 89), (Some(1280), 76), (Some(9000), 100)] {
        assert_eq!(advertised(&model, |_| mtu), count, "{mtu:?}");
    }
    let built = build(&model, model.priority, &Settings::default()).unwrap();
    assert_eq!(built.config.addresses().len() + built.unadvertised.len(), 100);
    assert_eq!(built.installed().count(), 100);
}

#[test]
fn an_address_that_is_given_twice_is_advertised_twice_and_installed_once() {
    let mut model = instance("");
    let address = |net: &str| model::VirtualAddress::new(net.parse().unwrap());
    model.addresses = vec![address("192.0.2.10/24"), address("192.0.2.11/24"), address("192.0.2.10/24")];
    model
        .addresses
        .push(model::VirtualAddress { device: Some("eth9".to_owned()), ..address("192.0.2.11/32") });
    let built = build(&model, model.priority, &Settings::default()).unwrap();
    let advertised: Vec<String> =
        built.config.addresses().iter().map(|address| address.to_string()).collect();
    assert_eq!(advertised, ["192.0.2.10", "192.0.2.11", "192.0.2.10", "192.0.2.11"]);
    let expected = [0, 1, 3].map(|place: usize| virtual_address(&model.addresses[place]));
    assert_eq!(built.installed().collect::<Vec<_>>(), expected);
}

#[test]
fn intervals_of_vrrpv2_can_be_built_up_to_255_s() {
    for seconds in [40, 41, 255] {
        built(&format!("advert_int {seconds}"));
    }
}

#[test]
fn instances_that_keepalived_accepts_can_be_built() {
    let cases = include_str!("../../../tests/corpus/keepalived/verdicts.tsv");
    let accepted = cases.lines().filter_map(|line| line.strip_prefix("0\t"));
    let mut count = 0;
    for text in accepted.map(|text| text.replace("\\n", "\n").replace("\\t", "\t")) {
        let settings = language::Settings::default();
        let (document, _, mut problems) =
            language::read_text(&text, Path::new("f"), &settings, &mut language::Machine::default());
        let config = resolve(&document, &mut problems);
        if problems.finish().iter().any(|problem| problem.is_error()) {
            continue;
        }
        for instance in &config.instances {
            let built = build(instance, instance.priority, &Settings::default());
            assert!(built.is_ok(), "{text}: {}", built.unwrap_err());
            count += 1;
        }
    }
    assert!(count > 200, "only {count} instances");
}
