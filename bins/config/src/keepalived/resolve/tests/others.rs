//! What stands beside instances, and what concerns several of them.

use super::*;

const B: &str =
    "vrrp_instance B {\ninterface eth1\nvirtual_router_id 6\nvirtual_ipaddress {\n10.1.0.1\n}\n}\n";

/// Two instances, and a sync group of these members.
fn group(lines: &str) -> String {
    format!("vrrp_sync_group G {{\n{lines}\n}}\n{}{B}", instance_text(""))
}

#[test]
fn a_sync_group_has_members_that_exist_and_are_in_no_other() {
    let config = clean(&group("group {\nA\nB\n}\nnotify_master \"/bin/true x\" root\nsmtp_alert"));
    let [group_of_two] = config.groups.as_slice() else { panic!("{config:?}") };
    assert_eq!(
        (group_of_two.name.as_str(), &*group_of_two.members),
        ("G", &["A".to_owned(), "B".to_owned()][..])
    );
    let user = Some(User { name: "root".to_owned(), group: None });
    let script = ScriptCommand { argv: vec!["/bin/true".to_owned(), "x".to_owned()], user };
    assert_eq!(group_of_two.notify.master, Some(script));
    assert!(group_of_two.notify.mail);
    refuses(&group("group {\nA\nB\nC\n}"), "there is no instance `C`", "C");
    refuses(
        &(group("group {\nA\nB\n}")
            + "vrrp_instance C {\ninterface eth1\nvirtual_router_id 8\nvirtual_ipaddress {\n10.1.0.2\n}\n}\n\
          vrrp_instance D {\ninterface eth1\nvirtual_router_id 9\nvirtual_ipaddress {\n10.1.0.3\n}\n}\n\
          vrrp_sync_group H {\ngroup {\nB\nC\nD\n}\n}\n"),
        "instance `B` is in two sync groups",
        "B",
    );
    warns(&group("group {\nA\n}"), "sync group `G` has one member only", "G");
    let config = warns(&group("group {\n}"), "sync group `G` has no member", "G");
    assert_eq!(config.groups, []);
    warns(&group("group {\nA\nB\nA\n}"), "`A` is in the group twice", "A");
}

#[test]
fn weights_of_single_members_do_not_count() {
    let tracks = |lines: &str| {
        let text = format!(
            "vrrp_sync_group G {{\ngroup {{\nA\nB\n}}\n{lines}\n}}\n{}{B}",
            instance_text("track_interface {\neth2 weight 5\neth3\n}")
        );
        load(&text)
    };
    let names =
        |tracks: &Tracks| tracks.interfaces.iter().map(|tracked| tracked.name.clone()).collect::<Vec<_>>();
    let (config, problems) = tracks("");
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].message, "`eth2` has a weight for `A`, which is in sync group `G`");
    assert_eq!(names(&config.instances[0].tracks), ["eth3"]);
    let (config, _) = tracks("sync_group_tracking_weight");
    assert_eq!(names(&config.instances[0].tracks), ["eth2", "eth3"]);
    let (config, problems) = tracks("global_tracking");
    assert_eq!(problems[0].message, "`global_tracking` is deprecated");
    assert_eq!(names(&config.groups[0].tracks), ["eth2", "eth3"]);
    assert!(config.instances[0].tracks.interfaces.is_empty());
}

#[test]
fn an_address_in_two_instances_is_said_of_both() {
    let text = instance_text("") + &B.replace("eth1", "eth0").replace("10.1.0.1", "10.0.0.1/24");
    warns(&text, "instances `A` and `B` both have 10.0.0.1 on eth0", "10.0.0.1/24");
    clean(&(instance_text("") + &B.replace("10.1.0.1", "10.0.0.1/24")));
}

#[test]
fn an_interface_that_may_be_down_for_long_makes_two_masters() {
    let delays =
        |delay: &str| format!("interface_up_down_delays {{\neth0 {delay}\n}}\n{}", instance_text(""));
    let config = clean(&delays("1.5 3"));
    let expected = InterfaceDelays { down: Duration::from_millis(1500), up: Duration::from_secs(3) };
    assert_eq!(config.interface_delays["eth0"], expected);
    assert_eq!(clean(&delays("1")).interface_delays["eth0"].up, Duration::from_secs(1));
    warns(&delays("2"), "`eth0` is believed to be up for 2 s after it went down", "A");
    refuses(&delays("256"), "`delay` 256 is out of range", "256");
}

#[test]
fn scripts_have_times_counts_and_weights() {
    let script = |lines: &str, entry: &str| {
        format!(
            "vrrp_script s {{\nscript \"/bin/check 'a b' c\"\n{lines}\n}}\n{}",
            instance_text(&format!("track_script {{\n{entry}\n}}"))
        )
    };
    let config = clean(&script(
        "interval 2\ntimeout 0.5\nweight -20 reverse\nrise 2\nfall 3\nuser u g\ninit_fail",
        "s",
    ));
    let user = Some(User { name: "u".to_owned(), group: Some("g".to_owned()) });
    let expected = Script {
        name: "s".to_owned(),
        command: ScriptCommand {
            argv: vec!["/bin/check".to_owned(), "a b".to_owned(), "c".to_owned()],
            user,
        },
        interval: Duration::from_secs(2),
        timeout: Duration::from_millis(500),
        weight: Weight { value: -20, reverse: true },
        rise: 2,
        fall: 3,
        init_fail: true,
    };
    assert_eq!(config.scripts["s"], expected);
    let weight =
        |entry: &str| clean(&script("weight 3 reverse", entry)).instances[0].tracks.scripts[0].weight;
    assert_eq!(weight("s"), Weight { value: 3, reverse: true });
    assert_eq!(weight("s weight 7"), Weight { value: 7, reverse: true });
    assert_eq!(weight("s weight 7 noreverse"), Weight { value: 7, reverse: false });
    refuses(&script("weight 254", "s"), "`weight` 254 is out of range", "254");
    refuses(&script("", "s weight 254"), "`weight` 254 is out of range", "254");
    refuses(&script("", "s wieght 4"), "`wieght` is no option of what is tracked", "wieght");
    refuses(&script("rise 0", "s"), "`rise` 0 is out of range", "0");
    let config = warns(&script("interval 0", "s"), "script `s` has an interval of 0", "0");
    assert_eq!(config.scripts["s"].interval, Duration::from_secs(1));
    refuses(
        &script("", "s").replace("script \"/bin/check 'a b' c\"\n", ""),
        "vrrp_script `s` has no `script`",
        "s",
    );
    let twice = script("", "s") + "vrrp_script s {\nscript /bin/false\n}\n";
    refuses(&twice, "vrrp_script `s` is defined twice", "s");
}

#[test]
fn processes_and_files_are_tracked_with_their_own_ranges() {
    let process = |lines: &str| {
        format!("vrrp_track_process p {{\n{lines}\n}}\n{}", instance_text("track_process {\np\n}"))
    };
    let config = clean(&process(
        "process nginx -g x\nparam_match initial\nfull_command\nweight 254\nquorum 2\nquorum_max 4\ndelay 3\nfork_delay 1",
    ));
    let expected = Process {
        name: "p".to_owned(),
        command: vec!["nginx".to_owned(), "-g".to_owned(), "x".to_owned()],
        parameters: Some(ParamMatch::Initial),
        full_command: true,
        weight: Weight { value: 254, reverse: false },
        quorum: 2,
        quorum_max: Some(4),
        fork_delay: Duration::from_secs(1),
        terminate_delay: Duration::from_secs(3),
    };
    assert_eq!(config.processes["p"], expected);
    // keepalived 2.2.7 follows `sleep 9` then, and neither `sleep 8` nor `sleep 9 1`.
    let unsaid = clean(&process("process sleep 9"));
    assert_eq!(unsaid.processes["p"].parameters, Some(ParamMatch::Exact));
    assert_eq!(clean(&process("process sleep")).processes["p"].parameters, None);
    refuses(&process("process x\nquorum 3\nquorum_max 2"), "`quorum_max` 2 is less than `quorum` 3", "2");
    refuses(&process("quorum 3"), "vrrp_track_process `p` has no `process`", "p");
    let file = |lines: &str, entry: &str| {
        format!("track_file f {{\n{lines}\n}}\n{}", instance_text(&format!("track_file {{\n{entry}\n}}")))
    };
    let config = clean(&file("file /run/f\ninit_file 5 overwrite", "f weight -2"));
    let expected = TrackFile {
        name: "f".to_owned(),
        path: "/run/f".into(),
        weight: Weight { value: 1, reverse: false },
        init: Some(FileInit { value: 5, overwrite: true }),
    };
    assert_eq!(config.files["f"], expected);
    assert_eq!(config.instances[0].tracks.files[0].weight.value, -2);
    refuses(&file("weight 3", "f"), "track_file `f` has no `file`", "f");
}

#[test]
fn notifications_have_commands_and_users() {
    let notify = instance(
        "notify_master /bin/m\nnotify_backup /bin/b\nnotify_fault /bin/f\nnotify_stop /bin/s\nnotify_deleted /bin/d\n\
         notify_master_rx_lower_pri /bin/l\nnotify \"/bin/n a\" u g",
    )
    .notify;
    let program = |command: &Option<ScriptCommand>| command.as_ref().unwrap().argv.join(" ");
    let all = [
        &notify.master,
        &notify.backup,
        &notify.fault,
        &notify.stop,
        &notify.deleted,
        &notify.lower_priority,
        &notify.any,
    ];
    assert_eq!(all.map(program), ["/bin/m", "/bin/b", "/bin/f", "/bin/s", "/bin/d", "/bin/l", "/bin/n a"]);
    assert_eq!(notify.any.clone().unwrap().user.unwrap().group.as_deref(), Some("g"));
    assert!(notify.tells_deleted && instance("notify_deleted").notify.tells_deleted);
    let quiet = instance("").notify;
    assert_eq!(*quiet, Notify::default());
}

#[test]
fn routes_and_rules_are_words_for_ip() {
    let routes = instance(
        "virtual_routes {\nsrc 10.0.0.1 to 10.5.0.0/16 gw 10.0.0.9 dev eth1 no_track\n\
         10.6.0.0/16 via 10.0.0.8 or 10.0.0.9 dev eth0 metric 5\ninet6 default dev eth0\n}",
    )
    .routes;
    let words = |entry: &Entry| entry.words.join(" ");
    assert_eq!(words(&routes[0]), "src 10.0.0.1 to 10.5.0.0/16 via 10.0.0.9 dev eth1");
    assert_eq!(
        words(&routes[1]),
        "10.6.0.0/16 metric 5 nexthop via 10.0.0.8 dev eth0 nexthop via 10.0.0.9 dev eth0"
    );
    assert_eq!((routes[2].family, routes[0].family), (Family::V6, Family::V4));
    assert!(!routes[0].tracked && routes[1].tracked);
    let rules =
        "static_rules {\nfrom 10.0.0.0/8 table 5\nto fd00::/8 lookup 6\nfrom all table 7 priority 9\n}\n";
    let (config, problems) = load(rules);
    assert_eq!(
        problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>(),
        ["the rule has no preference"; 2]
    );
    let rules = &config.statics.rules;
    assert_eq!(words(&rules[0]), "from 10.0.0.0/8 table 5 preference 16384");
    assert_eq!(words(&rules[1]), "to fd00::/8 lookup 6 preference 16383");
    assert_eq!((words(&rules[2]).as_str(), rules[1].family), ("from all table 7 priority 9", Family::V6));
    for (kind, entry, message, at) in [
        ("routes", "10.0.0.0/8 vai 10.0.0.1", "`vai` is no word of a route", "vai"),
        (
            "rules",
            "from 10.0.0.0/8 priority 5",
            "the rule says nothing of what is to be done",
            "from 10.0.0.0/8 priority 5",
        ),
        ("rules", "from", "`from` has no value", "from"),
        ("routes", "10.0.0.0/8 dev \"a b\"", "`a b` can not be part of a dev", "\"a b\""),
    ] {
        refuses(&format!("static_{kind} {{\n{entry}\n}}\n"), message, at);
    }
}

#[test]
fn everything_global() {
    let (config, problems) = load(
        "instance one\nnet_namespace red\nglobal_defs {\nrouter_id r\nnotification_email {\na@b\nc@d\n}\n\
         notification_email_from e@f\nsmtp_server 192.0.2.1 2525\nsmtp_helo_name h\nsmtp_connect_timeout 5\nno_email_faults\n\
         script_user u g\nenable_script_security\nstartup_script \"/bin/up x\"\nstartup_script_timeout 20\n\
         shutdown_script /bin/down\nnotify_fifo /run/a u\nnotify_fifo_script /bin/r\nvrrp_notify_fifo /run/b\nlvs_notify_fifo /run/c\n\
         fifo_write_vrrp_states_on_reload\nvrrp_startup_delay 5.5\nlog_unknown_vrids\nnftables mine\nvrrp_rt_priority 50\n\
         vrrp_priority -20\nvrrp_no_swap\nlvs_flush\nlvs_flush_on_stop\nchecker_log_all_failures\n}\n",
    );
    let config = config.globals;
    // One of these is known, and nothing acts on it.
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems.iter().all(|problem| problem.severity == Severity::Warning), "{problems:#?}");
    assert_eq!((config.instance.as_deref(), config.net_namespace.as_deref()), (Some("one"), Some("red")));
    assert_eq!((config.router_id.as_deref(), config.mail.to.len()), (Some("r"), 2));
    assert_eq!(config.mail.from.as_deref(), Some("e@f"));
    assert_eq!(config.mail.relay, Some(Relay::Address("192.0.2.1:2525".parse().unwrap())));
    assert_eq!((config.mail.helo.as_deref(), config.mail.timeout), (Some("h"), Some(Duration::from_secs(5))));
    assert!(
        config.mail.no_faults
            && config.script_security
            && config.fifo_states_on_reload
            && config.log_unknown_vrids
    );
    let user = Some(User { name: "u".to_owned(), group: Some("g".to_owned()) });
    assert_eq!(config.script_user, user);
    let (startup, timeout) = config.startup.unwrap();
    assert_eq!((startup.argv.join(" ").as_str(), timeout), ("/bin/up x", Duration::from_secs(20)));
    assert_eq!(config.shutdown.unwrap().1, Duration::from_secs(10));
    let fifo = config.fifo.unwrap();
    assert_eq!(
        (fifo.path.to_str(), fifo.script.unwrap().argv.join(" ")),
        (Some("/run/a"), "/bin/r".to_owned())
    );
    assert_eq!(config.vrrp_fifo.unwrap().path.to_str(), Some("/run/b"));
    assert_eq!(config.lvs_fifo.unwrap().path.to_str(), Some("/run/c"));
    assert_eq!(config.startup_delay, Duration::from_millis(5500));
    assert_eq!(config.nftables.as_deref(), Some("mine"));
    assert_eq!(config.real_time, RealTime { priority: Some(50), nice: Some(-20), no_swap: true });
    assert!(config.lvs_flush && config.lvs_flush_on_stop && config.log_all_failures);
}

#[test]
fn sixteen_thousand_instances_are_read_in_one_go() {
    let mut text = String::from("vrrp_script s {\nscript /bin/true\n}\n");
    for n in 0..16_000u32 {
        text += &format!(
            "vrrp_instance VI_{n} {{\ninterface eth{}\nvirtual_router_id {}\npriority 100\nvirtual_ipaddress {{\n10.{}.{}.1/24\n}}\n\
             track_script {{\ns\n}}\n}}\n",
            n / 250,
            n % 250 + 1,
            n / 250,
            n % 250
        );
    }
    let names: String = (0..16_000).map(|n| format!("VI_{n}\n")).collect();
    text += &format!("vrrp_sync_group G {{\ngroup {{\n{names}}}\n}}\n");
    let config = clean(&text);
    assert_eq!((config.instances.len(), config.groups[0].members.len()), (16_000, 16_000));
}
