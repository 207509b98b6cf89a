//! One instance: what it takes from the globals, and what its lines do to each other.

use super::*;

fn v4(text: &str) -> VirtualAddress {
    VirtualAddress::new(text.parse().unwrap())
}

#[test]
fn an_instance_takes_from_the_globals_what_it_does_not_say() {
    let globals = "global_defs {\nvrrp_version 3\nvrrp_mcast_group4 224.0.0.99\nvrrp_garp_master_delay 2\n\
                   vrrp_garp_master_repeat 3\nvrrp_garp_master_refresh 60\nvrrp_garp_master_refresh_repeat 2\n\
                   vrrp_garp_interval 0.001\nvrrp_down_timer_adverts 5\nvrrp_lower_prio_no_advert\n\
                   vrrp_higher_prio_send_advert\nvrrp_check_unicast_src\nsmtp_alert\n\
                   vrrp_notify_priority_changes true\n}\n";
    let quiet = clean(&(globals.to_owned() + &instance_text(""))).instances.remove(0);
    assert_eq!(quiet.version, Version::V3);
    assert_eq!(quiet.sending, Sending::Multicast(Some(ip("224.0.0.99"))));
    let garp = Garp {
        repeat: 3,
        delay: Duration::from_secs(2),
        refresh: Duration::from_secs(60),
        refresh_repeat: 2,
        // Those of a lower priority are as those of a new MASTER.
        lower_prio_delay: Duration::from_secs(2),
        lower_prio_repeat: 3,
        interval: Duration::from_millis(1),
        extra: Duration::ZERO,
    };
    assert_eq!(*quiet.garp, garp);
    assert_eq!(quiet.down_timer_adverts, 5);
    assert!(
        quiet.lower_prio_no_advert && quiet.higher_prio_send_advert == Some(true) && quiet.check_unicast_src
    );
    assert!(quiet.notify.mail && quiet.notify.priority_changes);
    let lines = "version 2\nmcast_dst_ip 224.0.0.20\ngarp_master_delay 0\ngarp_lower_prio_repeat 9\ndown_timer_adverts 2\n\
                 lower_prio_no_advert off\nhigher_prio_send_advert no\nsmtp_alert off\n\
                 notify_priority_changes false";
    let own = clean(&(globals.to_owned() + &instance_text(lines))).instances.remove(0);
    assert_eq!((own.version, own.down_timer_adverts), (Version::V2, 2));
    assert_eq!(own.sending, Sending::Multicast(Some(ip("224.0.0.20"))));
    assert_eq!(
        (own.garp.delay, own.garp.lower_prio_delay, own.garp.lower_prio_repeat),
        (Duration::ZERO, Duration::from_secs(2), 9),
        "the delay of an instance is not that of its announcements against a lower priority"
    );
    assert!(!own.lower_prio_no_advert && own.higher_prio_send_advert == Some(false));
    assert!(!own.notify.mail && !own.notify.priority_changes);
}

#[test]
fn few_announcements_and_announcements_by_interface() {
    let min =
        clean(&("global_defs {\nvrrp_min_garp\n}\n".to_owned() + &instance_text(""))).instances.remove(0);
    assert_eq!((min.garp.repeat, min.garp.delay), (1, Duration::ZERO));
    let extra = |lines: &str| instance(lines).garp.extra;
    let minute = Duration::from_secs(60);
    assert_eq!((extra("garp_extra_if all 60"), extra("garp_extra_if all 0")), (minute, Duration::ZERO));
    let vmac = extra("vmac_garp_intvl 60\nuse_vmac");
    assert_eq!((extra("garp_extra_if 60"), vmac), (Duration::ZERO, minute), "without `all` for VMACs only");
    refuses(&instance_text("garp_extra_if all"), "`garp_extra_if` has no value", "garp_extra_if all");
    let group = "garp_group {\ngarp_interval 0.2\ngna_interval 0.3\ninterfaces {\neth0\neth1\n}\n}\n";
    let grouped = clean(&(group.to_owned() + &instance_text("")));
    assert_eq!(grouped.instances[0].garp.interval, Duration::from_millis(200));
    let six = clean(&(group.to_owned() + &instance_text("").replace("10.0.0.1", "fe80::1")));
    assert_eq!(six.instances[0].garp.interval, Duration::from_millis(300));
    let other = clean(&(group.to_owned() + &instance_text("").replace("eth0", "eth9")));
    assert_eq!(other.instances[0].garp.interval, Duration::ZERO);
}

#[test]
fn ipv6_is_version_3_and_nothing_else() {
    let text = instance_text("").replace("10.0.0.1", "fe80::1/64");
    let six = clean(&text).instances.remove(0);
    assert_eq!((six.version, six.family), (Version::V3, Family::V6));
    let config = warns(
        &text.replace("interface eth0", "interface eth0\nversion 2"),
        "VRRPv2 has no IPv6 addresses",
        "2",
    );
    assert_eq!(config.instances[0].version, Version::V3);
}

#[test]
fn addresses_of_the_other_family_and_too_many_are_not_advertised() {
    let text = instance_text(
        "virtual_ipaddress {\nfe80::5/64\n10.0.0.2\n}\nvirtual_ipaddress_excluded {\n10.0.0.9\n}",
    );
    let config = warns(&text, "fe80::5 is not of the family of the first address", "fe80::5/64");
    let instance = &config.instances[0];
    assert_eq!(instance.addresses, [v4("10.0.0.1/32"), v4("10.0.0.2/32")]);
    assert_eq!(instance.excluded, [v4("fe80::5/64"), v4("10.0.0.9/32")]);
    let many: String = (0..255).map(|n| format!("10.1.0.{n}\n")).collect();
    let config = warns(
        &instance_text(&format!("virtual_ipaddress {{\n{many}}}")),
        "an advertisement carries 255 IPv4 addresses, and 1 are left",
        "10.1.0.254",
    );
    assert_eq!((config.instances[0].addresses.len(), config.instances[0].excluded.len()), (255, 1));
    let twice = warns(
        &instance_text("virtual_ipaddress {\n10.0.0.1/24\n}"),
        "10.0.0.1 is given twice",
        "10.0.0.1/24",
    );
    assert_eq!(twice.instances[0].addresses, [v4("10.0.0.1/32"), v4("10.0.0.1/24")], "as keepalived has it");
}

#[test]
fn every_option_of_an_address() {
    let text = "virtual_ipaddress_excluded {\n10.0.1.1/24 dev eth1 label eth1:1 scope link brd + peer 10.0.1.2 noprefixroute \
                autojoin no_track preferred_lft 7\n10.0.2.1/24 brd -\n2001:db8::1/64 -nodad home mngtmpaddr\n2001:db8::2\n\
                2001:db8::3/128 preferred_lft forever\n}";
    let excluded = instance(text).excluded;
    let all = VirtualAddress {
        device: Some("eth1".to_owned()),
        label: Some("eth1:1".to_owned()),
        scope: Some(Scope(253)),
        broadcast: Some(ip("10.0.1.255")),
        peer: Some("10.0.1.2/32".parse().unwrap()),
        no_prefix_route: true,
        auto_join: true,
        tracked: false,
        preferred_lifetime: Some(7),
        ..v4("10.0.1.1/24")
    };
    assert_eq!(excluded[0], all);
    assert_eq!(excluded[1].broadcast, Some(ip("10.0.2.0")));
    let six = VirtualAddress {
        duplicate_detection: true,
        home: true,
        manage_temporary: true,
        ..v4("2001:db8::1/64")
    };
    assert_eq!(excluded[2], six);
    assert_eq!((excluded[3].preferred_lifetime, excluded[4].preferred_lifetime), (Some(0), None));
    for (entry, message, at) in [
        ("10.0.0.2/33", "`10.0.0.2/33` is no IP address", "10.0.0.2/33"),
        ("224.0.0.1", "224.0.0.1 is not the address of a host", "224.0.0.1"),
        ("10.0.0.2 lable x", "`lable` is no option of an address", "lable"),
        ("10.0.0.2 dev", "`dev` has no value", "dev"),
        ("10.0.0.2 scope bar", "`bar` is no scope", "bar"),
    ] {
        let (_, problems) = load(&instance_text(&format!("virtual_ipaddress {{\n{entry}\n}}")));
        assert!(problems[0].is_error() && problems[0].message == message, "{problems:#?}");
        let text = instance_text(&format!("virtual_ipaddress {{\n{entry}\n}}"));
        assert_eq!(&text[problems[0].span.start..problems[0].span.end], at);
    }
}

#[test]
fn who_begins_as_master_without_a_priority_owns_the_addresses() {
    let text = instance_text("state MASTER");
    let config = warns(&text, "instance `A` is to be MASTER and has no `priority`", "MASTER");
    assert!(config.instances[0].priority.is_owner());
    assert_eq!(instance("state BACKUP").priority.get(), 100);
    refuses(&instance_text("priority 256"), "`priority` 256 is out of range", "256");
    refuses(&instance_text("state MASTRE"), "`MASTRE` is no state", "MASTRE");
}

#[test]
fn what_keeps_from_preempting_does_not_go_with_master_or_255() {
    assert_eq!(instance("nopreempt").preempt, Preempt::No);
    assert_eq!(instance("preempt_delay 4.5").preempt, Preempt::After(Duration::from_millis(4500)));
    assert_eq!(instance("preempt_delay 0").preempt, Preempt::Yes);
    assert_eq!(instance("nopreempt\npreempt").preempt, Preempt::Yes);
    for keyword in ["nopreempt", "preempt_delay"] {
        for (other, why) in [
            ("priority 255", "priority 255"),
            ("state MASTER\npriority 9", "state MASTER: write `state BACKUP`"),
        ] {
            let line = if keyword == "nopreempt" { keyword.to_owned() } else { format!("{keyword} 5") };
            let (config, problems) = load(&instance_text(&format!("{other}\n{line}")));
            assert_eq!(config.instances[0].preempt, Preempt::Yes);
            assert_eq!(problems.len(), 1);
            assert_eq!(problems[0].message, format!("`{keyword}` does not work with {why}"));
        }
    }
    let config = warns(
        &instance_text("nopreempt\npreempt_delay 5"),
        "`preempt_delay` does not work with `nopreempt`",
        "5",
    );
    assert_eq!(config.instances[0].preempt, Preempt::No);
}

#[test]
fn strict_mode_has_its_way() {
    let strict = instance("strict_mode");
    assert!(strict.strict && !strict.accept && strict.lower_prio_no_advert);
    assert_eq!((strict.garp.lower_prio_repeat, strict.garp.repeat), (0, 5));
    let relaxed = clean(&("global_defs {\nvrrp_strict\n}\n".to_owned() + &instance_text("strict_mode off")));
    assert!(!relaxed.instances[0].strict && relaxed.instances[0].accept);
    let config = warns(
        &instance_text("strict_mode\nstate MASTER\npriority 100"),
        "strict mode: only the owner, priority 255, begins as MASTER",
        "MASTER",
    );
    assert_eq!(config.instances[0].state, InitialState::Backup);
    let config = warns(
        &instance_text("strict_mode\ndown_timer_adverts 5"),
        "strict mode: a MASTER counts as down after 3 intervals",
        "5",
    );
    assert_eq!(config.instances[0].down_timer_adverts, 3);
    let (config, problems) = load(&instance_text("strict_mode\npreempt_delay 5"));
    assert_eq!((config.instances[0].preempt, problems.len()), (Preempt::Yes, 1));
    let (config, problems) = load(&instance_text("strict_mode\naccept"));
    assert_eq!((config.instances[0].accept, problems.len()), (false, 1));
    assert!(instance("strict_mode\nversion 3\naccept").accept);
}

#[test]
fn passwords_are_cut_and_only_of_version_2() {
    let pass = |kind: &str, pass: &str| format!("authentication {{\nauth_type {kind}\nauth_pass {pass}\n}}");
    assert_eq!(instance(&pass("PASS", "1234")).authentication, Authentication::Pass(Secret::new("1234")));
    assert_eq!(instance(&pass("AH", "1234")).authentication, Authentication::Ah(Secret::new("1234")));
    let config = warns(&instance_text(&pass("PASS", "123456789")), "the password has 9 bytes", "123456789");
    assert_eq!(config.instances[0].authentication, Authentication::Pass(Secret::new("12345678")));
    for (lines, message) in [
        ("version 3", "VRRPv3 has no such authentication"),
        ("strict_mode", "strict mode has no authentication"),
    ] {
        let config =
            warns(&instance_text(&format!("{lines}\n{}", pass("AH", "x"))), message, "authentication");
        assert_eq!(config.instances[0].authentication, Authentication::None);
    }
    refuses(
        &instance_text("authentication {\nauth_type PASS\n}"),
        "the authentication of `A` has no password",
        "authentication",
    );
}

#[test]
fn hmac_keys_fit_together() {
    let hmac = |lines: &str| format!("auth_hmac {{\n{lines}\n}}");
    const UNTRIED: &str = "`auth_hmac` was not tried beside keepalived 2.4";
    // What is said beside the warning that always is.
    let instance = |lines: &str| load(&instance_text(lines)).0.instances.remove(0);
    let others = |lines: &str| {
        let messages = load(&instance_text(lines)).1.into_iter().map(|problem| problem.message);
        messages.filter(|message| message != UNTRIED).collect::<Vec<_>>()
    };
    let of_bytes = |count: usize| hmac(&format!("key 1 hex:{}", "5a".repeat(count)));
    assert_eq!(problem(&instance_text(&of_bytes(32))).1, UNTRIED);
    for (count, warned) in [(1, true), (31, true), (32, false), (64, false), (65, true)] {
        let expected: Vec<String> = warned.then(|| format!("key 1 has {count} bytes")).into_iter().collect();
        assert_eq!(others(&of_bytes(count)), expected);
    }
    assert_eq!(others(&hmac("key 1 file:keys/one")), [""; 0], "nothing is known of it yet");
    let key = |id, bytes: &[u8]| HmacKey { id, key: Secret::new(bytes), file: None };
    let Authentication::Hmac { keys, active, window, mode, monotonic } =
        instance(&hmac("key 1 hex:00ff\nkey 7 text\nactive_key 7\nmode permissive\nanti_replay monotonic"))
            .authentication
    else {
        panic!("no keys")
    };
    assert_eq!(keys, [key(1, b"\0\xff"), key(7, b"text")]);
    assert_eq!((active, window, mode, monotonic), (7, Duration::from_secs(5), HmacMode::Permissive, true));
    let Authentication::Hmac { keys, .. } = instance(&hmac("key 1 file:keys/one")).authentication else {
        panic!("it is hmac");
    };
    assert_eq!(keys, [HmacKey { file: Some("keys/one".into()), ..key(1, b"") }], "nothing is read yet");
    let slow = instance(&format!("advert_int 4\n{}", hmac("key 3 x")));
    let Authentication::Hmac { active: 3, window, mode: HmacMode::Enforce, .. } = slow.authentication else {
        panic!("{slow:?}")
    };
    assert_eq!(window, Duration::from_secs(12));
    let refused = |lines: &str, message: &str| {
        let found = load(&instance_text(lines)).1;
        let is_it =
            |problem: &Diagnostic| problem.severity != Severity::Warning && problem.message == message;
        assert!(found.iter().any(is_it), "{lines}: {found:#?}");
    };
    refused(&hmac("mode enforce"), "`auth_hmac` has no key");
    refused(&hmac("key 1 x\nactive_key 2"), "`active_key` is 2, and there is no such key");
    refused(&hmac("key 1 x\nkey 1 y"), "key 1 is given twice");
    refused(&hmac("key 1 hex:0"), "key 1 can not be used");
    refused(&hmac("key 1 x\ntime_window 301"), "`time_window` 301 is out of range");
    let both = format!("{}\nauthentication {{\nauth_type PASS\nauth_pass x\n}}", hmac("key 1 x"));
    refused(&both, "`authentication` and `auth_hmac` exclude each other");
}

#[test]
fn peers_are_routers_of_the_family_and_others_than_this_one() {
    let peers = |lines: &str| format!("unicast_peer {{\n{lines}\n}}");
    let plain = |address: &str| Peer { address: ip(address), min_ttl: None, max_ttl: None };
    let unicast = instance(&peers("192.0.2.2 min_ttl 250 max_ttl 255\n192.0.2.3"));
    let first = Peer { min_ttl: Some(250), max_ttl: Some(255), ..plain("192.0.2.2") };
    assert_eq!(unicast.sending, Sending::Unicast { peers: vec![first, plain("192.0.2.3")], ttl: 255 });
    assert!(unicast.check_unicast_src, "a range of TTLs says that the source counts");
    let lines = format!("unicast_src_ip 192.0.2.1\n{}", peers("192.0.2.1\n192.0.2.2"));
    let config = warns(&instance_text(&lines), "192.0.2.1 is this router's own address", "192.0.2.1");
    assert_eq!(config.instances[0].sending, Sending::Unicast { peers: vec![plain("192.0.2.2")], ttl: 255 });
    assert_eq!(config.instances[0].source, Some(ip("192.0.2.1")));
    warns(&instance_text(&peers("192.0.2.2\n192.0.2.2")), "peer 192.0.2.2 is given twice", "192.0.2.2");
    refuses(
        &instance_text(&peers("fe80::1\n192.0.2.2")),
        "fe80::1 is not of the family of the virtual addresses",
        "fe80::1",
    );
    let group = instance_text(&peers("224.0.0.18\n192.0.2.2"));
    refuses(&group, "224.0.0.18 is not the address of a host", "224.0.0.18");
    let name = instance_text(&peers("peer-b\n192.0.2.2"));
    refuses(&name, "`peer-b` is no IP address for a peer", "peer-b");
}

#[test]
fn groups_and_sources_are_of_the_family() {
    refuses(&instance_text("mcast_dst_ip 10.0.0.1"), "10.0.0.1 is no multicast group", "10.0.0.1");
    refuses(
        &instance_text("mcast_dst_ip ff02::9"),
        "ff02::9 is not of the family of the virtual addresses",
        "ff02::9",
    );
    refuses(
        &instance_text("mcast_src_ip fe80::9"),
        "fe80::9 is not of the family of the virtual addresses",
        "fe80::9",
    );
    let six = |line: &str| instance_text(line).replace("10.0.0.1", "fe80::1");
    refuses(&six("mcast_dst_ip ff05::9"), "ff05::9 is not a group of the link", "ff05::9");
    let global = six("mcast_src_ip 2001:db8::9");
    warns(&global, "2001:db8::9 is not a link-local address", "2001:db8::9");
    clean(&six("mcast_src_ip fe80::9"));
    clean(&six("unicast_src_ip 2001:db8::9\nunicast_peer {\n2001:db8::8\n}"));
}

#[test]
fn a_virtual_mac_may_leave_its_last_octet_to_the_router_id() {
    let vmac = |lines: &str| instance(lines).vmac.unwrap();
    assert_eq!(vmac("use_vmac"), Vmac::default());
    let named =
        Vmac { name: Some("v0".to_owned()), mac: Some([0, 0x11, 0x22, 0x33, 0x44, 5]), xmit_base: true };
    assert_eq!(vmac("use_vmac v0 00:11:22:33:44\nvmac_xmit_base"), named);
    assert_eq!(vmac("use_vmac 00:11:22:33:44:55").mac, Some([0, 0x11, 0x22, 0x33, 0x44, 0x55]));
    refuses(&instance_text("use_vmac 00:11"), "`00:11` is no Ethernet address", "00:11");
    let lines = "use_vmac\nunicast_peer {\n192.0.2.2\n}";
    let config = warns(&instance_text(lines), "unicast with `use_vmac` needs `vmac_xmit_base`", "use_vmac");
    assert!(config.instances[0].vmac.as_ref().unwrap().xmit_base);
}

#[test]
fn what_an_instance_can_not_do_without() {
    let text =
        "vrrp_instance A {\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress {\n10.0.0.1\n}\n}\n";
    for (line, message) in [
        ("interface eth0\n", "instance `A` has no `interface`"),
        ("virtual_router_id 5\n", "instance `A` has no `virtual_router_id`"),
        ("virtual_ipaddress {\n10.0.0.1\n}\n", "instance `A` has no virtual address"),
    ] {
        refuses(&text.replace(line, ""), message, "A");
    }
    let none = text.replace("virtual_ipaddress {\n10.0.0.1\n}\n", "");
    assert_eq!(load(&none).0.instances[0].addresses, []);
    assert_eq!(clean(&none.replace("id 5\n", "id 5\nno_virtual_ipaddress\n")).instances[0].addresses, []);
    for line in ["version 3\n", "strict_mode\n"] {
        let text = none.replace("id 5\n", &format!("id 5\n{line}"));
        assert_eq!((load(&text).0.instances.len(), load(&text).1.len()), (0, 1), "{line}");
    }
    refuses(&text.replace("id 5", "id 0"), "`virtual_router_id` 0 is out of range", "0");
    refuses(&text.replace("eth0", "e/0"), "`e/0` can not be the name of an interface", "e/0");
    let twice = text.to_owned() + &text.replace("id 5", "id 6").replace("10.0.0.1", "10.0.0.2");
    refuses(&twice, "instance `A` is defined twice", "A");
}

#[test]
fn the_last_of_two_settings_counts_and_is_said_to() {
    let config = warns(&instance_text("priority 20\npriority 30"), "`priority` is set twice", "priority 30");
    assert_eq!(config.instances[0].priority.get(), 30);
    warns(&instance_text("priority 20 30"), "too many words after `priority`", "30");
}

#[test]
fn advertisements_are_at_most_255_s_apart_and_40_with_version_3() {
    for secs in [40, 41, 255] {
        let instance = instance(&format!("advert_int {secs}"));
        assert_eq!(instance.advert_int.whole_secs(), Some(secs));
    }
    let config = warns(&instance_text("version 3\nadvert_int 41"), "VRRPv3 has no interval of 41 s", "41");
    assert_eq!(config.instances[0].advert_int.centiseconds(), 4095);
}

#[test]
fn names_of_vmacs_that_are_taken_are_ignored() {
    let instance = |name: &str, interface: &str, vmac: &str| {
        format!(
            "vrrp_instance {name} {{\ninterface {interface}\nvirtual_router_id 5\n{vmac}\n\
             virtual_ipaddress {{\n10.0.0.1 dev {name}\n}}\n}}\n"
        )
    };
    let name = |config: &Config, place: usize| config.instances[place].vmac.clone().unwrap().name;
    let text = instance("A", "eth0", "use_vmac eth1") + &instance("B", "eth1", "");
    let config = warns(&text, "`eth1` is the interface that instance `B` runs on", "use_vmac eth1");
    assert_eq!(name(&config, 0), None);
    let text = instance("A", "eth0", "use_vmac eth0");
    let config = warns(&text, "`eth0` is the interface that instance `A` runs on", "use_vmac eth0");
    assert_eq!(name(&config, 0), None);
    let text = instance("A", "eth0", "use_vmac v0") + &instance("B", "eth1", "use_vmac v0");
    let config = warns(&text, "instance `A` has a VMAC with the name `v0` already", "use_vmac v0");
    assert_eq!((name(&config, 0).as_deref(), name(&config, 1)), (Some("v0"), None));
}

#[test]
fn no_weight_changes_the_priority_of_an_owner() {
    let scripts =
        "vrrp_script weighs {\nscript /bin/true\nweight -20\n}\nvrrp_script fails {\nscript /bin/true\n}\n";
    let owner = instance_text(
        "state MASTER\npriority 255\ntrack_script {\nweighs\nfails\n}\ntrack_interface {\neth1 weight 5\n}",
    );
    let config =
        warns(&(scripts.to_owned() + &owner), "the priority of `A` is 255, which no weight changes", "A");
    let tracks = &config.instances[0].tracks;
    assert_eq!((tracks.scripts.len(), tracks.scripts[0].name.as_str()), (1, "fails"));
    assert_eq!(tracks.interfaces, []);
    let group = "vrrp_sync_group G {\ngroup {\nA\nB\n}\ntrack_script {\nweighs\n}\n}\n";
    let other =
        instance_text("").replace("A {", "B {").replace("eth0", "eth1").replace("10.0.0.1", "10.0.0.2");
    let owner = instance_text("state MASTER\npriority 255\ntrack_script {\nfails\n}");
    let config =
        warns(&(scripts.to_owned() + &owner + &other + group), "`A` of group `G` has priority 255", "A");
    assert_eq!(config.groups[0].tracks.scripts[0].weight.value, 0);
    let other = instance_text("priority 254\ntrack_script {\nweighs\nfails\n}");
    assert_eq!(clean(&(scripts.to_owned() + &other)).instances[0].tracks.scripts.len(), 2);
}
