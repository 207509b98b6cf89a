//! Files with mistakes beside keepalived 2.2.7: what it ignores or replaces is ignored or replaced in the same way here, and what
//! it does not start with is left out here.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use lb_config::keepalived::{self, language::Settings};
use serde_json::Value;

use crate::{
    node::{
        KEEPALIVED,
        Kind::{Keepalived, Ours},
        Node, lab, nodes,
    },
    support::wait,
};

/// What keepalived names, and runs on with.
const MISTAKES: &[&str] = &[
    "state SLAVE",
    "state Master",
    "priority abc",
    "priority 0",
    "priority 256",
    "priority 0x64",
    "version 4",
    "version x",
    "advert_int x",
    "advert_int 0",
    "advert_int 256",
    "advert_int -1",
    "version 3\nadvert_int 41",
    "virtual_router_id 999",
    "mcast_src_ip x",
    "mcast_src_ip 2001:db8::1",
    "unicast_src_ip x",
    "unicast_peer {\nx\n}",
    "unicast_peer {\n}",
    "unicast_peer {\n2001:db8::1\n}",
    "unicast_peer {\n10.0.0.9 min_ttl x\n}",
    "unicast_peer {\n10.0.0.9 foo\n}",
    "unicast_peer {\n10.0.0.9 min_ttl\n}",
    "unicast_ttl 256",
    "mcast_dst_ip x",
    "mcast_dst_ip 10.0.0.1",
    "mcast_dst_ip ff02::5",
    "preempt_delay x",
    "preempt_delay 1001",
    "preempt_delay -1",
    "down_timer_adverts 0",
    "down_timer_adverts x",
    "lower_prio_no_advert x",
    "higher_prio_send_advert x",
    "strict_mode x",
    "skip_check_adv_addr x",
    "authentication {\nauth_type FOO\nauth_pass x\n}",
    "authentication {\nauth_type PASS\n}",
    "authentication {\nauth_type PASS\nauth_pass \"\"\n}",
    "authentication {\nauth_pass x\n}",
    "garp_master_delay x",
    "garp_master_repeat x",
    "garp_master_refresh x",
    "garp_lower_prio_repeat x",
    "notify_master \"/bin/x",
    "notify_master \"\"",
    "notify_priority_changes x",
    "smtp_alert x",
    "track_interface {\neth0 weight\n}",
    "track_interface {\neth0 weight x\n}",
    "track_interface {\neth0 weight 300\n}",
    "track_interface {\neth0 foo\n}",
    "track_script {\nnope\n}",
    "track_process {\nnope\n}",
    "track_file {\nnope\n}",
    "track_script {\nchk weight\n}",
    "track_script {\nchk weight x\n}",
    "track_script {\nchk foo\n}",
    "virtual_ipaddress {\nx\n}",
    "virtual_ipaddress {\n10.0.2.1 foo\n}",
    "virtual_ipaddress {\n10.0.2.2 dev\n}",
    "virtual_ipaddress {\n10.0.2.3 scope\n}",
    "virtual_ipaddress {\n10.0.2.4 brd x\n}",
    "virtual_ipaddress {\n10.0.2.5 brd\n}",
    "virtual_ipaddress {\n2001:db8::2 brd +\n}",
    "virtual_ipaddress {\n10.0.2.6 peer x\n}",
    "virtual_ipaddress {\n10.0.2.7 peer fd00::1\n}",
    "virtual_ipaddress {\n10.0.2.8 label\n}",
    "virtual_ipaddress {\n10.0.2.9 label eth0:toolonglabel012\n}",
    "virtual_ipaddress {\n10.0.2.10 preferred_lft x\n}",
    "virtual_routes {\nfoo\n}",
    "virtual_routes {\n10.3.0.0/16 via 10.0.0.2 foo\n}",
    "virtual_rules {\nfrom 10.0.0.0/8\n}",
    "virtual_rules {\nfoo\n}",
    "foo bar",
    "priority ${NOPE}",
];

/// What keepalived does not start with.
const FATAL: &[&str] = &[
    "state",
    "priority",
    "version",
    "advert_int",
    "virtual_router_id",
    "interface",
    "mcast_src_ip",
    "unicast_src_ip",
    "unicast_ttl",
    "mcast_dst_ip",
    "preempt_delay",
    "authentication {\nauth_type\nauth_pass x\n}",
    "authentication {\nauth_type PASS\nauth_pass\n}",
    "garp_master_delay",
    "notify_master",
    "notify",
    "virtual_routes {\n10.3.0.0/16 dev\n}",
];

const SCRIPT: &str = "vrrp_script chk {\nscript /bin/true\nrise abc\n}\n";

fn vrrp(at: usize, lines: &str) -> String {
    let id = at + 1;
    format!(
        "vrrp_instance M{at} {{\ninterface eth0\nvirtual_router_id {id}\nvirtual_ipaddress {{\n10.0.1.{id}/24\n}}\n{lines}\n}}\n"
    )
}

/// What both show of an instance in the same way.
fn fields(json: &str) -> BTreeMap<String, Vec<String>> {
    const FIELDS: [&str; 10] = [
        "vrid",
        "base_priority",
        "version",
        "adver_int",
        "nopreempt",
        "preempt_delay",
        "auth_type",
        "garp_delay",
        "lower_prio_no_advert",
        "higher_prio_send_advert",
    ];
    let value: Value = serde_json::from_str(json).unwrap();
    let truth = |value: &Value| match value {
        Value::Bool(is) => u8::from(*is).to_string(),
        other => other.to_string(),
    };
    let instance = |instance: &Value| {
        let data = &instance["data"];
        let addresses = data["vips"].as_array().unwrap().iter();
        let mut shown: Vec<String> =
            FIELDS.iter().map(|field| format!("{field} {}", truth(&data[*field]))).collect();
        shown.extend(addresses.map(|address| address.as_str().unwrap().trim_end_matches(" set").to_owned()));
        (data["iname"].as_str().unwrap().to_owned(), shown)
    };
    value.as_array().unwrap().iter().map(instance).collect()
}

fn keepalived_json(node: &Node) -> BTreeMap<String, Vec<String>> {
    wait("keepalived's dump", || {
        // Who asks before it listens ends it.
        node.host.sh("kill -36 $(cat /run/keepalived.pid)").ok()?;
        let text = node.host.sh("cat /tmp/keepalived.json").ok()?;
        serde_json::from_str::<Value>(&text).is_ok().then(|| fields(&text))
    })
}

#[test]
fn what_keepalived_ignores_or_replaces_is_ignored_or_replaced_in_the_same_way() {
    let test = "what_keepalived_ignores_or_replaces_is_ignored_or_replaced_in_the_same_way";
    let Some(lab) = lab(test, &[KEEPALIVED]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Keepalived]);
    let text: String = MISTAKES.iter().enumerate().map(|(at, mistake)| vrrp(at, mistake)).collect();
    for node in [&a, &b] {
        node.configure(&(SCRIPT.to_owned() + &text));
    }
    b.start();
    b.wait_for_line("Entering BACKUP STATE");
    let theirs = keepalived_json(&b);
    a.start_with(&["-P"]);
    wait_for_answer(&a);
    let ours = fields(&a.lbctl(&["dump", "json"]));
    let differs = |at: usize| ours.get(&format!("M{at}")) != theirs.get(&format!("M{at}"));
    let different: Vec<&str> =
        MISTAKES.iter().enumerate().filter(|(at, _)| differs(*at)).map(|(_, mistake)| *mistake).collect();
    // keepalived says that it ignores this one, and takes 0.
    assert_eq!(different, ["garp_master_delay x"], "{ours:#?}\n{theirs:#?}");
    assert!(!a.lbctl(&["status"]).contains("PROBLEM"), "{}", a.lbctl(&["status"]));
    // Each of them is named.
    let file = a.host.path("/etc/keepalived/keepalived.conf");
    for (at, mistake) in MISTAKES.iter().enumerate() {
        fs::write(&file, SCRIPT.to_owned() + &vrrp(at, mistake)).unwrap();
        let loaded = keepalived::load(&file, &Settings::default()).unwrap();
        let unused = |message: &str| message.contains("is not tracked");
        let named = loaded.problems.iter().filter(|problem| !unused(&problem.message));
        assert!(named.count() > 1, "{mistake}: {:#?}", loaded.problems);
    }
}

fn wait_for_answer(node: &Node) {
    wait("an answer", || {
        let answer = node.host.output(Command::new(env!("CARGO_BIN_EXE_lbctl")).arg("status")).ok()?;
        answer.status.success().then_some(())
    });
}

/// The exit status of `keepalived -t`: 2 is that of a file that it does not start with.
fn keepalived_status(node: &Node, text: &str) -> Option<i32> {
    node.configure(text);
    let output =
        node.host.output(Command::new(KEEPALIVED).args(["-t", "-f", "/etc/keepalived/keepalived.conf"]));
    output.unwrap().status.code()
}

#[test]
fn what_keepalived_does_not_start_with_is_left_out_and_the_others_run() {
    let test = "what_keepalived_does_not_start_with_is_left_out_and_the_others_run";
    let Some(lab) = lab(test, &[KEEPALIVED]) else { return };
    let [mut a, b] = nodes(&lab, [Ours, Keepalived]);
    let sound = "vrrp_instance sound {\ninterface eth0\nvirtual_router_id 200\nvirtual_ipaddress {\n10.0.0.100/24\n}\n}\n";
    let mut text = String::new();
    for (at, lines) in FATAL.iter().enumerate() {
        let wrong = vrrp(at, lines);
        assert_eq!(keepalived_status(&b, &(wrong.clone() + sound)), Some(2), "{lines}");
        text += &wrong;
    }
    a.configure(&(text + sound));
    a.start_with(&["-P"]);
    wait_for_answer(&a);
    let status = a.lbctl(&["status"]);
    for (at, lines) in FATAL.iter().enumerate() {
        let problem = format!("PROBLEM: vrrp_instance M{at} is left out: /etc/keepalived/keepalived.conf:");
        let line = status.lines().find(|line| line.starts_with(&problem));
        assert!(line.is_some_and(|line| line.contains(": error: `")), "{lines}: {status}");
    }
    a.wait_for("10.0.0.100", true);
    assert_eq!(fields(&a.lbctl(&["dump", "json"])).keys().collect::<Vec<_>>(), ["sound"]);
}

const SERVICE: &str = "protocol TCP\nlvs_sched rr\nlvs_method NAT";

fn service(lines: &str, reals: &str) -> String {
    format!("virtual_server 10.0.0.1 80 {{\n{SERVICE}\n{lines}\n{reals}\n}}\n")
}

fn real(lines: &str) -> String {
    format!("real_server 10.0.0.2 80 {{\n{lines}\n}}\n")
}

fn check(kind: &str, lines: &str) -> String {
    service("", &real(&format!("{kind} {{\n{lines}\n}}")))
}

/// What keepalived ignores or replaces in a virtual server, and what it does not start with.
#[test]
fn virtual_servers_are_left_out_only_where_keepalived_does_not_run_them() {
    let test = "virtual_servers_are_left_out_only_where_keepalived_does_not_run_them";
    let Some(lab) = lab(test, &[KEEPALIVED]) else { return };
    let [_, b] = nodes(&lab, [Ours, Keepalived]);
    let file = b.host.path("/etc/keepalived/keepalived.conf");
    let faults = |text: &str| -> usize {
        fs::write(&file, text).unwrap();
        load(&file)
    };
    for lines in [
        "alpha 1",
        "alpha x",
        "omega 1",
        "protocol FOO",
        "lvs_sched foo",
        "lvs_method FOO",
        "lvs_method TUN foo",
        "lvs_method TUN type gue",
        "persistence_timeout x",
        "persistence_timeout 0",
        "persistence_granularity x",
        "ip_family foo",
        "quorum x",
        "quorum 0",
        "hysteresis x",
        "weight x",
        "weight -1",
        "inhibit_on_failure x",
        "ha_suspend x",
        "sorry_server x",
        "sorry_server x 80",
        "sorry_server 10.0.0.9 99999",
        "virtualhost",
        "smtp_alert x",
        "delay_loop x",
        "delay_loop 0",
        "retry x",
        "delay_before_retry x",
        "connect_timeout x",
        "warmup x",
    ] {
        let text = service(lines, &real("TCP_CHECK {\n}"));
        assert_ne!(keepalived_status(&b, &text), Some(2), "{lines}");
        assert_eq!(faults(&text), 0, "{lines}");
    }
    for lines in [
        "weight x",
        "lvs_method FOO",
        "uthreshold x",
        "inhibit_on_failure x",
        "virtualhost",
        "smtp_alert x",
        "alpha 1",
    ] {
        let text = service("", &real(lines));
        assert_ne!(keepalived_status(&b, &text), Some(2), "real: {lines}");
        assert_eq!(faults(&text), 0, "real: {lines}");
    }
    for (kind, lines) in [
        ("TCP_CHECK", "connect_port x"),
        ("TCP_CHECK", "connect_port 99999"),
        ("TCP_CHECK", "connect_ip x"),
        ("TCP_CHECK", "connect_timeout x"),
        ("TCP_CHECK", "connect_timeout 0"),
        ("TCP_CHECK", "bindto x"),
        ("TCP_CHECK", "fwmark x"),
        ("TCP_CHECK", "retry x"),
        ("TCP_CHECK", "alpha 1"),
        ("TCP_CHECK", "delay_loop x"),
        ("HTTP_GET", "url {\npath /\nstatus_code x\n}"),
        ("HTTP_GET", "url {\npath /\nstatus_code 999\n}"),
        ("HTTP_GET", "url {\npath /\ndigest x\n}"),
        ("HTTP_GET", "url {\npath /\nregex [\n}"),
        ("HTTP_GET", "http_protocol 3\nurl {\npath /\n}"),
        ("HTTP_GET", "http_protocol\nurl {\npath /\n}"),
        ("SSL_GET", "enable_sni x\nurl {\npath /\n}"),
        ("SMTP_CHECK", "helo_name"),
        ("DNS_CHECK", "type FOO"),
        ("DNS_CHECK", "retry x"),
        ("MISC_CHECK", ""),
        ("MISC_CHECK", "misc_path"),
        ("MISC_CHECK", "misc_path \"\""),
        ("MISC_CHECK", "misc_path /bin/true\nmisc_timeout x"),
        ("UDP_CHECK", "payload zz"),
        ("UDP_CHECK", "payload"),
        ("UDP_CHECK", "min_reply_length x"),
        ("UDP_CHECK", "require_reply zz"),
        ("FILE_CHECK", ""),
        ("FILE_CHECK", "track_file nope"),
        ("FOO_CHECK", "x"),
    ] {
        let text = check(kind, lines);
        assert_ne!(keepalived_status(&b, &text), Some(2), "{kind} {lines}");
        assert_eq!(faults(&text), 0, "{kind} {lines}");
    }
    // What it does not start with is one fault here.
    for text in [
        service("protocol", ""),
        service("lvs_sched", ""),
        service("persistence_granularity", ""),
        service("quorum_up", ""),
        service("sorry_server", ""),
        service("delay_loop", ""),
        service("", &real("weight")),
        service("", &real("notify_up")),
        check("TCP_CHECK", "connect_port"),
        check("TCP_CHECK", "connect_timeout"),
        check("HTTP_GET", "url {\npath\n}"),
        check("DNS_CHECK", "type"),
        check("DNS_CHECK", "name"),
        service("", "").replace("10.0.0.1 80 ", ""),
    ] {
        assert_eq!(keepalived_status(&b, &text), Some(2), "{text}");
        assert_eq!(faults(&text), 1, "{text}");
    }
}

#[test]
fn a_statement_without_a_value_is_an_error_only_where_keepalived_does_not_start_with_it() {
    let test = "a_statement_without_a_value_is_an_error_only_where_keepalived_does_not_start_with_it";
    let Some(lab) = lab(test, &[KEEPALIVED]) else { return };
    let [_, b] = nodes(&lab, [Ours, Keepalived]);
    let file = b.host.path("/etc/keepalived/keepalived.conf");
    let globals = |line: &str| format!("global_defs {{\n{line}\n}}\n") + &vrrp(0, "");
    let script = |line: &str| format!("vrrp_script s {{\nscript /bin/true\n{line}\n}}\n") + &vrrp(0, "");
    let process = |line: &str| format!("vrrp_track_process s {{\nprocess x\n{line}\n}}\n") + &vrrp(0, "");
    let tracked = |line: &str| format!("track_file s {{\nfile /tmp/x\n{line}\n}}\n") + &vrrp(0, "");
    let mut cases: Vec<(String, bool)> = Vec::new();
    for line in [
        "router_id",
        "notification_email",
        "notification_email_from",
        "smtp_helo_name",
        "script_user",
        "startup_script",
        "startup_script_timeout",
        "shutdown_script",
        "shutdown_script_timeout",
        "notify_fifo",
        "notify_fifo_script",
        "vrrp_notify_fifo",
        "lvs_notify_fifo",
        "lvs_timeouts",
        "lvs_sync_daemon",
        "default_interface",
        "vrrp_garp_extra_if",
        "vrrp_priority",
        "vrrp_rt_priority",
    ] {
        cases.push((globals(line), false));
    }
    for line in [
        "smtp_server",
        "smtp_connect_timeout",
        "vrrp_version",
        "vrrp_mcast_group4",
        "vrrp_garp_master_delay",
        "vrrp_garp_interval",
        "vrrp_startup_delay",
        "vrrp_down_timer_adverts",
    ] {
        cases.push((globals(line), true));
    }
    cases.extend(["script", "init_fail"].map(|line| (script(line), false)));
    cases.extend(["interval", "timeout", "weight", "rise", "fall", "user"].map(|line| (script(line), true)));
    cases.extend(["weight", "param_match"].map(|line| (process(line), false)));
    cases.extend(["process", "quorum", "delay"].map(|line| (process(line), true)));
    cases.extend(["file", "weight", "init_file"].map(|line| (tracked(line), false)));
    cases.push((vrrp(0, "garp_extra_if"), false));
    cases.push((check("FILE_CHECK", "weight"), false));
    cases.push((check("HTTP_GET", "url {\npath /\nregex\n}"), false));
    cases.extend(["connect_ip", "bindto", "retry"].map(|line| (check("TCP_CHECK", line), true)));
    for (text, is_fatal) in cases {
        assert_eq!(keepalived_status(&b, &text) == Some(2), is_fatal, "{text}");
        fs::write(&file, &text).unwrap();
        assert_eq!(load(&file) == 1, is_fatal, "{text}");
    }
}

/// How many blocks of a file have an error.
fn load(file: &Path) -> usize {
    keepalived::load(file, &Settings::default()).unwrap().resolved.faults.len()
}
