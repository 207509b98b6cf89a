//! `lvs_timeouts` and `lvs_sync_daemon`.

use super::*;

fn text(lines: &str) -> String {
    format!("global_defs {{\n{lines}\n}}\n{}", instance_text(""))
}

fn sync(words: &str) -> LvsSync {
    clean(&text(&format!("lvs_sync_daemon {words}"))).globals.lvs_sync.unwrap()
}

fn eth1(id: u8, instance: Option<&str>) -> LvsSync {
    let instance = instance.map(str::to_owned);
    LvsSync {
        interface: "eth1".to_owned(),
        instance,
        id,
        max_length: None,
        port: None,
        ttl: None,
        group: None,
    }
}

#[test]
fn timeouts_are_those_that_are_named() {
    let timeouts = |words: &str| clean(&text(&format!("lvs_timeouts {words}"))).globals.lvs_timeouts;
    let none = LvsTimeouts::default();
    assert_eq!(timeouts("tcp 600"), LvsTimeouts { tcp: Some(600), ..none });
    assert_eq!(
        timeouts("udp 30 tcpfin 60 tcp 2147483"),
        LvsTimeouts { tcp: Some(2_147_483), tcp_fin: Some(60), udp: Some(30) }
    );
    assert_eq!(timeouts("tcp 0"), none);
    for (words, message, at) in [
        ("", "`lvs_timeouts` has no value", "lvs_timeouts"),
        ("tcp", "`tcp` has no value", "tcp"),
        ("tcp 2147484", "`tcp` 2147484 is out of range", "2147484"),
        ("udp 3s", "`3s` is no number for `udp`", "3s"),
        ("fin 3", "`fin` means nothing to `lvs_timeouts`", "fin"),
    ] {
        refuses(&text(format!("lvs_timeouts {words}").trim_end()), message, at);
    }
}

#[test]
fn a_sync_daemon_has_the_number_of_its_instance() {
    assert_eq!(sync("eth1 A"), eth1(5, Some("A")));
    assert_eq!(sync("eth1 inst A"), eth1(5, Some("A")));
    assert_eq!(sync("eth1 id 7 inst A"), eth1(7, Some("A")));
    assert_eq!(sync("eth1"), eth1(0, None));
    assert_eq!(
        sync("eth1 A id 0 maxlen 65507 port 9000 ttl 255 group ff02::81"),
        LvsSync {
            max_length: Some(65_507),
            port: Some(9000),
            ttl: Some(255),
            group: Some("ff02::81".parse().unwrap()),
            ..eth1(0, Some("A"))
        }
    );
    let config =
        warns(&text("lvs_sync_daemon eth1 A 9"), "a number of `lvs_sync_daemon` without its name", "9");
    assert_eq!(config.globals.lvs_sync, Some(eth1(9, Some("A"))));
    for (words, message, at) in [
        ("", "`lvs_sync_daemon` has no value", "lvs_sync_daemon"),
        ("eth/1", "`eth/1` can not be the name of an interface", "eth/1"),
        ("eth1 B", "there is no instance `B` for `lvs_sync_daemon`", "B"),
        ("eth1 A id 256", "`id` 256 is out of range", "256"),
        ("eth1 A id", "`id` has no value", "id"),
        ("eth1 A maxlen 65508", "`maxlen` 65508 is out of range", "65508"),
        ("eth1 A port 0", "`port` 0 is out of range", "0"),
        ("eth1 A ttl 0", "`ttl` 0 is out of range", "0"),
        ("eth1 A group 10.0.0.1", "10.0.0.1 is no group for `lvs_sync_daemon`", "10.0.0.1"),
        ("eth1 A group x", "`x` is no IP address for group", "x"),
        ("eth1 A metric 3", "`metric` means nothing to `lvs_sync_daemon`", "metric"),
    ] {
        refuses(&text(format!("lvs_sync_daemon {words}").trim_end()), message, at);
    }
    // One instance that is wrong is one problem.
    refuses(
        &text("lvs_sync_daemon eth1 A").replace("virtual_router_id 5", "virtual_router_id 0"),
        "`virtual_router_id` 0 is out of range",
        "0",
    );
}

/// keepalived gives it the number 0.
#[test]
fn the_older_form_is_acted_on_unless_there_is_the_newer_one() {
    let older = "lvs_sync_daemon_interface eth1";
    let config = warns(&instance_text(older), "`lvs_sync_daemon_interface` is an older form", older);
    assert_eq!(config.globals.lvs_sync, Some(eth1(0, Some("A"))));
    let both = format!("global_defs {{\nlvs_sync_daemon eth2 A\n}}\n{}", instance_text(older));
    let config = warns(&both, "`lvs_sync_daemon_interface` is an older form", older);
    assert_eq!(config.globals.lvs_sync.unwrap().interface, "eth2");
}

/// With `VS`, what is ours goes, which it does always.
#[test]
fn the_data_plane_is_emptied_at_the_end_where_that_is_said() {
    let flushes = |line: &str| clean(&text(line)).globals.lvs_flush_on_stop;
    assert!(flushes("lvs_flush_on_stop") && flushes("lvs_flush_onstop"));
    assert!(!flushes("lvs_flush_on_stop VS") && !flushes("lvs_flush"));
}
