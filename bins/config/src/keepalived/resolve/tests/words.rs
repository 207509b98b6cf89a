//! Keywords that stand twice, and words that keepalived reads otherwise than they look. `bins/tests/keepalived_conf` asks keepalived.

use super::*;

/// The one warning of a text, at its place; and the configuration.
#[track_caller]
fn warned(text: &str) -> (Config, String) {
    let (config, problems) = load(text);
    let [problem] = problems.as_slice() else { panic!("{text}: {problems:#?}") };
    assert!(!problem.is_error(), "{problem:#?}");
    (config, format!("{} ({})", problem.message, problem.label.clone().unwrap_or_default()))
}

#[test]
fn the_first_script_counts_and_of_other_settings_the_last() {
    let script = |config: &Config| config.instances[0].notify.any.as_ref().unwrap().argv[1].clone();
    let (config, warning) = warned(&instance_text("notify \"/bin/e FIRST\"\nnotify \"/bin/e SECOND\""));
    assert_eq!(script(&config), "FIRST");
    assert_eq!(warning, "`notify` is set twice (the first one counts, as with keepalived)");
    let (config, warning) = warned(&instance_text("priority 10\npriority 20"));
    assert_eq!(config.instances[0].priority.get(), 20);
    assert_eq!(warning, "`priority` is set twice (the last one counts, as with keepalived)");
    let (config, _) = warned(&instance_text("version 2\nversion 3"));
    assert_eq!(config.instances[0].version, Version::V2);
}

#[test]
fn the_first_that_is_not_the_default_counts_of_some_settings() {
    for (lines, state) in [
        ("state MASTER\nstate BACKUP\npriority 9", InitialState::Master),
        ("state BACKUP\nstate MASTER\npriority 9", InitialState::Master),
    ] {
        assert_eq!(warned(&instance_text(lines)).0.instances[0].state, state, "{lines}");
    }
    let file = |lines: &str| {
        let text = format!("track_file f {{\nfile /x\n{lines}\n}}\n{}", instance_text("track_file {\nf\n}"));
        warned(&text).0.files["f"].weight.value
    };
    assert_eq!(
        [file("weight 2\nweight 3"), file("weight 1\nweight 3"), file("weight 3\nweight 1")],
        [2, 3, 3]
    );
}

#[test]
fn blocks_and_lists_add_to_each_other() {
    let lines = "virtual_ipaddress { 10.0.0.2\n}\ntrack_interface { eth1\n}\ntrack_interface { eth2\n}";
    let instance = instance(lines);
    assert_eq!((instance.addresses.len(), instance.tracks.interfaces.len()), (2, 2));
}

#[test]
fn what_follows_a_keyword_that_is_on_or_not_there_does_not_switch_it_off() {
    let (config, warning) = warned(&("global_defs {\nvrrp_strict off\n}\n".to_owned() + &instance_text("")));
    assert!(config.instances[0].strict);
    assert_eq!(
        warning,
        "`vrrp_strict` cannot be switched off by `off` (it is on, as with keepalived, which does not read what follows)"
    );
    assert!(
        clean(&("global_defs {\nvrrp_strict on\n}\n".to_owned() + &instance_text(""))).instances[0].strict
    );
    assert!(instance("skip_check_adv_addr off").skip_check_adv_addr);
    // It has another word of its own.
    let (config, _) = warned(&format!("global_defs {{\nlvs_flush_on_stop on\n}}\n{}", instance_text("")));
    assert!(!config.globals.lvs_flush_on_stop);
}

#[test]
fn the_address_of_a_host_is_taken_without_its_prefix() {
    let expected = |text: &str| {
        format!("`{text}` stands where the address of a host does (10.0.0.8 is taken, as with keepalived)")
    };
    let (config, warning) = warned(&instance_text("mcast_src_ip 10.0.0.8/24"));
    assert_eq!((config.instances[0].source, warning), (Some(ip("10.0.0.8")), expected("10.0.0.8/24")));
    for peer in ["10.0.0.8/24", "10.0.0.8/x", "10.0.0.8-9"] {
        let (config, warning) = warned(&instance_text(&format!("unicast_peer {{\n{peer} min_ttl 4\n}}")));
        let Sending::Unicast { peers, .. } = &config.instances[0].sending else { panic!("{config:?}") };
        assert_eq!((peers[0].address, peers[0].min_ttl, warning), (ip("10.0.0.8"), Some(4), expected(peer)));
    }
    let group = |text: &str| text.replace("10.0.0.8", "224.0.0.30");
    let (config, warning) = warned(&instance_text("mcast_dst_ip 224.0.0.30/24"));
    assert_eq!(config.instances[0].sending, Sending::Multicast(Some(ip("224.0.0.30"))));
    assert_eq!(warning, group(&expected("224.0.0.30/24")));
}

#[test]
fn words_behind_a_program_are_not_its_arguments() {
    let script =
        format!("vrrp_script s {{\nscript /bin/x a b\n}}\n{}", instance_text("track_script {\ns\n}"));
    let (config, warning) = warned(&script);
    assert_eq!(config.scripts["s"].command.argv, ["/bin/x"]);
    assert_eq!(
        warning,
        "words behind the program of `script` (ignored, as with keepalived: the program runs without them)"
    );
    // Here they are a user and a group, or cannot be.
    let user = instance("notify /bin/x root daemon").notify.any.clone().unwrap().user.unwrap();
    assert_eq!((user.name.as_str(), user.group.as_deref()), ("root", Some("daemon")));
    for word in ["198.51.100.9", "-q", "/etc/x"] {
        let (config, warning) = warned(&instance_text(&format!("notify /bin/x {word}")));
        assert_eq!(config.instances[0].notify.any, None);
        assert!(
            warning.starts_with(&format!("`{word}` stands where a user or a group is named")),
            "{warning}"
        );
    }
}

#[test]
fn a_metric_of_a_route_may_be_locked() {
    let instance = instance("virtual_routes {\n203.0.113.0/24 dev eth0 ssthresh lock 107 mtu lock 1400\n}");
    let words = "203.0.113.0/24 dev eth0 ssthresh lock 107 mtu lock 1400";
    assert_eq!(instance.routes[0].words.join(" "), words);
}
