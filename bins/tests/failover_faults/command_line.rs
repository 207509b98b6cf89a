//! The command line, and what becomes of the process.

use std::{
    fs,
    process::{Command, Output},
};

use lb_lab::{Host, Right};
use nix::sys::signal::Signal;

use crate::{
    node::{Kind::Ours, Node, instance, lab, nodes},
    support::{has_programs, skip, wait},
};

const VIP: &str = "10.0.0.100";

fn failover(host: &Host, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        host.output(Command::new(env!("CARGO_BIN_EXE_lb-failover")).args(arguments)).unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

fn configured(test: &str) -> Option<(lb_lab::Lab, Node)> {
    let lab = lab(test, &[])?;
    let [node, _] = nodes(&lab, [Ours, Ours]);
    node.configure(&instance("web", 51, 150, &format!("{VIP}/24"), ""));
    Some((lab, node))
}

#[test]
fn exit_statuses_say_what_was_wrong() {
    let Some((_lab, node)) = configured("exit_statuses_say_what_was_wrong") else { return };
    let host = &node.host;
    host.write("/etc/bad.conf", "vrrp_instance web {\n  interface eth0\n  virtual_router_id 999\n}\n")
        .unwrap();
    for (arguments, status, said) in [
        (&["-t"][..], 0, "1 instance"),
        (&["-t=/etc/bad.conf"], 78, "999"),
        (&["-t", "-f", "/etc/bad.conf"], 78, "999"),
        (&["-t", "/etc/bad.conf"], 78, "999"),
        (&["-t=/no/such.conf"], 78, "/no/such.conf can not be read"),
        (&["-n", "-l", "-f", "/etc/bad.conf"], 78, "999"),
        (&["-n", "-l", "-f", "/no/such.conf"], 78, "/no/such.conf"),
        // The same from the background.
        (&["-l", "-f", "/etc/bad.conf"], 78, "999"),
        (&["-Y"], 64, "-Y"),
        (&["--no-such"], 64, "--no-such"),
        (&["-S", "8"], 64, "8"),
        (&["--live"], 64, "--config-test"),
        (&["--signum", "NONE"], 64, "NONE"),
        (&["-n", "-s", "none"], 1, "network namespace none"),
    ] {
        let (found, _, error) = failover(host, arguments);
        assert_eq!(found, Some(status), "{arguments:?}: {error}");
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
    for (name, number) in [("DATA", 10), ("STATS", 12), ("JSON", 36), ("RELOAD", 1), ("STOP", 15)] {
        let (status, out, _) = failover(host, &["--signum", name]);
        assert_eq!((status, out), (Some(0), format!("{number}\n")));
        assert_eq!(failover(host, &[&format!("--signum={name}")]).0, Some(0));
    }
    let (status, out, _) = failover(host, &["--version"]);
    assert_eq!(status, Some(0));
    assert!(out.contains(env!("CARGO_PKG_VERSION")), "{out}");
}

#[test]
fn in_the_background_it_runs_when_the_start_returns() {
    let Some((_lab, node)) = configured("in_the_background_it_runs_when_the_start_returns") else { return };
    let host = &node.host;
    let words = ["-p", "/run/failover.pid"];
    // `setsid -w` gives it a session that ends with it, as a terminal that is closed does.
    let mut command = Command::new("setsid");
    command.args(["-w", env!("CARGO_BIN_EXE_lb-failover")]).args(words);
    host.run(&command).unwrap();
    // At once: it is ready.
    let status = node.status();
    let supervisor: i32 = host.read("/run/failover.pid").unwrap().trim().parse().unwrap();
    assert_ne!(status["pid"].as_i64(), Some(i64::from(supervisor)));
    node.wait_for(VIP, true);
    let (status, _, error) = failover(host, &words);
    assert_eq!(status, Some(1), "{error}");
    assert!(error.contains("/run/failover.pid") && error.contains(&supervisor.to_string()), "{error}");
    // Without a pid file, the socket is in the way.
    let (status, _, error) = failover(host, &["-n", "-l"]);
    assert_eq!(status, Some(1), "{error}");
    assert!(error.contains("socket"), "{error}");
    assert_eq!(
        host.read("/run/failover.pid").unwrap().trim(),
        supervisor.to_string(),
        "that of the first one"
    );
    assert!(node.has(VIP));
    host.sh(&format!("kill {supervisor}")).unwrap();
    wait("the end", || (!host.path("/run/failover.pid").exists()).then_some(()));
    node.wait_for(VIP, false);
}

#[test]
fn both_signals_stop_it() {
    let Some((_lab, mut node)) = configured("both_signals_stop_it") else { return };
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        node.start();
        node.wait_for(VIP, true);
        node.signal(signal);
        assert!(node.daemon().wait().unwrap().success());
        assert!(!node.has(VIP));
    }
}

#[test]
fn without_respawn_a_crash_is_the_end() {
    let Some((_lab, node)) = configured("without_respawn_a_crash_is_the_end") else { return };
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb-failover"));
    let mut process = node.host.spawn(command.args(["-n", "-l", "-R"])).unwrap();
    node.wait_for(VIP, true);
    let pid = node.status()["pid"].to_string();
    node.host.sh(&format!("kill -KILL {pid}")).unwrap();
    let status = process.wait().unwrap();
    assert_eq!(status.code(), Some(128 + 9));
}

#[test]
fn without_the_right_to_run_it_says_so_in_one_line() {
    let test = "without_the_right_to_run_it_says_so_in_one_line";
    let Some((lab, node)) = configured(test) else { return };
    if lab.right() != Right::Root {
        return skip(test, "root");
    }
    if !has_programs(test, &["setpriv"]) {
        return;
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-net_admin,-net_raw", "--inh-caps=-net_admin,-net_raw"]);
    command.args([env!("CARGO_BIN_EXE_lb-failover"), "-n", "-l"]);
    let output = node.host.output(&command).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("CAP_NET_"), "{said}");
}

#[test]
fn a_namespace_is_entered_by_its_name() {
    let Some((_lab, node)) = configured("a_namespace_is_entered_by_its_name") else { return };
    let host = &node.host;
    let prepared = host
        .sh("mkdir -p /run/netns && ip netns add inner && ip -n inner link add eth0 type veth peer name eth1 && ip -n inner link set eth1 up && \
                            ip -n inner addr add 10.0.0.9/24 dev eth0 && ip -n inner link set eth0 up");
    if let Err(error) = prepared {
        return skip("a_namespace_is_entered_by_its_name", &format!("named namespaces inside: {error}"));
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb-failover"));
    let mut process = host.spawn(command.args(["-n", "-l", "-s", "inner"])).unwrap();
    wait("the address in there", || host.sh("ip -n inner addr").ok().filter(|text| text.contains(VIP)));
    assert!(!node.has(VIP));
    assert!(process.stop().unwrap().success());
    let _ = fs::remove_file(host.path("/run/netns/inner"));
}

#[test]
fn command_lines_of_units_and_images_for_keepalived_start_it() {
    let test = "command_lines_of_units_and_images_for_keepalived_start_it";
    let Some((_lab, node)) = configured(test) else { return };
    let host = &node.host;
    let conf = "/etc/keepalived/keepalived.conf";
    for (arguments, pid_files, warned) in [
        // kolla
        (
            vec!["-nld", "-p", "/run/keepalived/keepalived.pid"],
            vec!["/run/keepalived/keepalived.pid"],
            vec!["-d"],
        ),
        // osixia
        (
            vec![
                "-f",
                conf,
                "--dont-fork",
                "--dump-conf",
                "--log-console",
                "--log-detail",
                "--log-facility",
                "7",
            ],
            vec!["/run/keepalived.pid"],
            vec!["-d"],
        ),
        // Neutron
        (
            vec!["-n", "-l", "-P", "-f", conf, "-p", "/run/ha.pid", "-r", "/run/ha.pid-vrrp", "-D"],
            vec!["/run/ha.pid", "/run/ha.pid-vrrp"],
            vec![],
        ),
        // VyOS
        (
            vec!["--use-file", conf, "--pid", "/run/vyos.pid", "--dont-fork", "--snmp", "-l"],
            vec!["/run/vyos.pid"],
            vec!["-x"],
        ),
        // Everything else that keepalived knows, twice, abbreviated, and in other forms.
        (
            vec![
                "-n",
                "-n",
                "-l",
                "--vrrp",
                "--check",
                "-D",
                "-D",
                "--no_bfd",
                "--all",
                "-Slocal3",
                "--log-facility=user",
                "-u",
                "022",
                "-X",
                "-a",
                "-b",
                "/run/bfd.pid",
                "-m",
                "-M",
                "-e",
                "-A",
                "/run/agent",
                "-c",
                "/run/check.pid",
                "--vrrp_p=/run/vrrp.pid",
                "--dont-resp",
                "-V",
                "-G",
            ],
            vec!["/run/keepalived.pid", "/run/check.pid", "/run/vrrp.pid"],
            vec!["-a", "-b", "-m", "-M", "-e", "-A", "-V"],
        ),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb-failover"));
        let mut process = host.spawn(command.args(&arguments)).unwrap();
        node.wait_for(VIP, true);
        let daemon = node.status()["pid"].to_string();
        for file in pid_files {
            wait(file, || host.path(file).exists().then_some(()));
            let pid = host.read(file).unwrap().trim().to_owned();
            let is_daemon = file.contains("vrrp") || file.contains("check");
            assert_eq!(pid == daemon, is_daemon, "{arguments:?}: {file}");
        }
        for option in &warned {
            let line = format!("option {option} has no effect");
            wait(&line, || process.log().contains(&line).then_some(()));
        }
        assert_eq!(process.log().matches("has no effect").count(), warned.len(), "{}", process.log());
        assert!(process.stop().unwrap().success());
        assert_eq!(host.sh("find /run -name '*.pid*'").unwrap(), "", "{arguments:?}");
    }
}

#[test]
fn a_forking_unit_finds_its_pid_file_where_keepalived_has_it() {
    let test = "a_forking_unit_finds_its_pid_file_where_keepalived_has_it";
    let Some((_lab, mut node)) = configured(test) else { return };
    // RHEL 7: `Type=forking`, `PIDFile=/run/keepalived.pid`, KEEPALIVED_OPTIONS="-D".
    node.host.run(Command::new(env!("CARGO_BIN_EXE_lb-failover")).arg("-D")).unwrap();
    let pid = node.host.read("/run/keepalived.pid").unwrap();
    node.wait_for(VIP, true);
    node.configure(&instance("web", 51, 150, "10.0.0.101/24", ""));
    node.host.sh("kill -HUP $(cat /run/keepalived.pid)").unwrap();
    node.wait_for("10.0.0.101", true);
    // Another daemon leaves the file alone, and runs.
    node.host.write("/etc/other.conf", instance("other", 52, 150, "10.0.0.102/24", "")).unwrap();
    node.start_with(&["-f", "/etc/other.conf"]);
    node.wait_for_line("the pid file /run/keepalived.pid can not be written: it is that of process");
    node.wait_for("10.0.0.102", true);
    assert!(node.daemon().stop().unwrap().success());
    assert_eq!(node.host.read("/run/keepalived.pid").unwrap(), pid);
    node.host.sh("kill $(cat /run/keepalived.pid)").unwrap();
    wait("the end", || (!node.host.path("/run/keepalived.pid").exists()).then_some(()));
    node.wait_for("10.0.0.101", false);
}

#[test]
fn the_pid_file_of_a_running_keepalived_is_left_alone() {
    let test = "the_pid_file_of_a_running_keepalived_is_left_alone";
    let Some((_lab, mut node)) = configured(test) else { return };
    if !has_programs(test, &[crate::node::KEEPALIVED]) {
        return;
    }
    node.host.write("/etc/other.conf", instance("other", 52, 150, "10.0.0.102/24", "")).unwrap();
    let mut command = Command::new(crate::node::KEEPALIVED);
    let mut keepalived = node.host.spawn(command.args(["-n", "-l", "-P", "-f", "/etc/other.conf"])).unwrap();
    wait("keepalived's pid file", || node.host.path("/run/keepalived.pid").exists().then_some(()));
    let pid = node.host.read("/run/keepalived.pid").unwrap();
    node.start();
    node.wait_for_line("it is that of process");
    node.wait_for(VIP, true);
    assert_eq!(node.host.read("/run/keepalived.pid").unwrap(), pid);
    let (status, _, error) = failover(&node.host, &["-n", "-l", "-p", "/run/keepalived.pid"]);
    assert!(status == Some(1) && error.contains("keepalived, which runs"), "{error}");
    assert!(node.daemon().stop().unwrap().success());
    assert!(node.host.path("/run/keepalived.pid").exists());
    keepalived.stop().unwrap();
}

#[test]
fn beside_a_configuration_file_the_test_writes_to_its_own_file() {
    let test = "beside_a_configuration_file_the_test_writes_to_its_own_file";
    let Some((_lab, node)) = configured(test) else { return };
    node.host
        .write("/etc/bad.conf", "vrrp_instance web {\n  interface eth0\n  virtual_router_id 999\n}\n")
        .unwrap();
    for (file, expected, said) in
        [("/etc/bad.conf", 78, "999"), ("/etc/keepalived/keepalived.conf", 0, "1 instance")]
    {
        let (status, _, error) = failover(&node.host, &["-f", file, "--config-test=/etc/messages"]);
        assert_eq!((status, error.as_str()), (Some(expected), ""));
        assert!(node.host.read("/etc/messages").unwrap().contains(said));
    }
}

#[test]
fn scripts_have_the_umask_of_keepalived() {
    let test = "scripts_have_the_umask_of_keepalived";
    let Some((_lab, mut node)) = configured(test) else { return };
    node.host.script("/etc/ev", "umask > /etc/umask.$1").unwrap();
    let text = |notify: &str| {
        format!(
            "global_defs {{\n  script_user root\n}}\n{}",
            instance("web", 51, 150, &format!("{VIP}/24"), notify)
        )
    };
    node.configure(&text("notify_master \"/etc/ev default\""));
    node.start();
    let read = |node: &Node, name: &str, mask: &str| {
        let path = format!("/etc/umask.{name}");
        wait(&path, || (node.host.read(&path).ok()?.trim() == mask).then_some(()));
    };
    read(&node, "default", "0177");
    // What it makes itself can be used in spite of it.
    node.lbctl(&["status"]);
    assert!(node.daemon().stop().unwrap().success());
    node.configure(&text("notify_master \"/etc/ev given\""));
    node.start_with(&["-u", "022"]);
    read(&node, "given", "0022");
    assert!(node.daemon().stop().unwrap().success());
}

#[test]
fn the_signal_that_clears_statistics_does_no_harm() {
    let Some((_lab, mut node)) = configured("the_signal_that_clears_statistics_does_no_harm") else { return };
    node.configure(&format!(
        "global_defs {{\n  stats_dump_file /etc/stats\n}}\n{}",
        instance("web", 51, 150, &format!("{VIP}/24"), "")
    ));
    node.start();
    node.wait_for(VIP, true);
    let (_, number, _) = failover(&node.host, &["--signum", "STATS_CLEAR"]);
    let before = node.status()["pid"].clone();
    let supervisor = node.host.read("/run/keepalived.pid").unwrap();
    node.host.sh(&format!("kill -{} {}", number.trim(), supervisor.trim())).unwrap();
    wait("the statistics", || node.host.path("/etc/stats").exists().then_some(()));
    assert_eq!(node.status()["pid"], before);
    assert!(node.daemon().stop().unwrap().success());
}
