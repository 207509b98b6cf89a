//! With the real `ip` and `nft`, each test in a network namespace of its own.

use std::{fs, future::Future, process::Command, time::Duration};

use lb_config::{
    diagnostic::Problems,
    keepalived::{
        language::{Memory, Settings, read_text},
        model::Config,
        resolve::resolve,
    },
};
use lb_runtime::{
    clock::Clock,
    log::{Log, Target},
};
use tokio::time::{Instant, sleep};

use super::Kernel;
use crate::{
    inventory::{Inventory, Recorder},
    requirements::{has_programs, skip},
};

/// A hang guard, not a measure.
const LIMIT: Duration = Duration::from_secs(120);

/// What a configuration says; it has no error.
fn config(text: &str) -> Config {
    let path = std::path::Path::new("/keepalived.conf");
    let (document, _, _) = read_text(text, path, &Settings::default(), &mut Memory::default());
    let mut problems = Problems::new();
    let config = resolve(&document, &mut problems);
    let problems: Vec<_> = problems.finish().into_iter().filter(|problem| problem.is_error()).collect();
    assert_eq!(problems, []);
    config
}

/// One instance on eth0 around these lines.
fn instance(lines: &str) -> Config {
    config(&format!(
        "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 5\npriority 90\nvirtual_ipaddress {{\n10.0.0.1/24\n}}\n{lines}\n}}\n"
    ))
}

/// Runs a test in a thread with a network namespace of its own, which is gone with the thread. It has eth0 and eth1.
fn isolated<F: Future<Output = ()>>(
    name: &str,
    needs: &[&str],
    test: impl FnOnce(Log, std::path::PathBuf) -> F + Send + 'static,
) {
    if !has_programs(name, needs) {
        return;
    }
    let thread = std::thread::spawn(move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?;
        sh("ip link add eth0 type veth peer name eth1");
        sh("ip link set eth0 up; ip link set eth1 up; ip link set lo up; ip addr add 10.0.0.7/24 dev eth0");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log::of_program("test", Target::File(path.clone()), Clock::start());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test(log, path));
        nix::Result::Ok(())
    });
    match thread.join() {
        Ok(Ok(())) => {}
        Ok(Err(error)) => skip(name, &format!("a network namespace, which takes root ({error})")),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// What a command says.
fn sh(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Waits until a command says something for which this holds.
async fn until(command: &str, holds: impl Fn(&str) -> bool) {
    let end = Instant::now() + LIMIT;
    loop {
        let said = sh(command);
        if holds(&said) {
            return;
        }
        assert!(Instant::now() < end, "{command}: {said}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn routes_and_rules_come_and_go_with_the_instance() {
    isolated("routes_and_rules_come_and_go_with_the_instance", &["ip"], |log, path| async move {
        let config = instance(
            "virtual_routes {\n10.5.0.0/16 via 10.0.0.77 dev eth0\n10.6.0.0/16 via 10.0.0.77 or 10.0.0.78 dev eth0\n\
             blackhole 10.7.0.0/16 table 100\n2001:db8:5::/48 dev eth0\n}\n\
             virtual_rules {\nfrom 10.5.0.0/16 table 100 priority 300\ninet6 iif eth0 table 100 priority 301\n}",
        );
        let mut kernel = Kernel::start(log, Recorder::default(), &Inventory::new());
        kernel.configure(&config);
        kernel.active(&config.instances[0], true);
        until("ip rule", |said| said.contains("300:	from 10.5.0.0/16 lookup 100 proto keepalived")).await;
        until("ip -6 rule", |said| said.contains("301:	from all iif eth0 lookup 100 proto keepalived")).await;
        let routes = sh("ip route; ip route show table 100; ip -6 route");
        for route in [
            "10.5.0.0/16 via 10.0.0.77 dev eth0 proto keepalived",
            "10.6.0.0/16 proto keepalived",
            "nexthop via 10.0.0.78 dev eth0",
            "blackhole 10.7.0.0/16 proto keepalived",
            "2001:db8:5::/48 dev eth0 proto keepalived",
        ] {
            assert!(routes.contains(route), "{route} is not in {routes}");
        }
        // Somebody else has removed one already: the others go, and nothing is said.
        sh("ip route del 10.5.0.0/16; ip rule del priority 300");
        kernel.active(&config.instances[0], false);
        until("ip route; ip route show table 100; ip rule; ip -6 rule; ip -6 route", |said| {
            !["keepalived", "30"]
                .iter()
                .any(|word| said.contains(&format!(" {word}")) || said.contains("301:"))
        })
        .await;
        kernel.finish().await;
        assert_eq!(fs::read_to_string(path).unwrap_or_default(), "");
    });
}

#[test]
fn a_route_waits_for_its_address_and_others_do_not_wait_for_it() {
    isolated(
        "a_route_waits_for_its_address_and_others_do_not_wait_for_it",
        &["ip"],
        |log, path| async move {
            let config = instance(
                "virtual_routes {\n10.5.0.0/16 via 10.0.0.77 dev eth0 src 10.0.0.1\n10.6.0.0/16 dev eth0\n\
             10.7.0.0/16 dev eth0 mtu much\n}",
            );
            let mut kernel = Kernel::start(log, Recorder::default(), &Inventory::new());
            kernel.configure(&config);
            kernel.active(&config.instances[0], true);
            until("ip route", |said| said.contains("10.6.0.0/16")).await;
            assert!(!sh("ip route").contains("10.5.0.0/16"));
            sh("ip addr add 10.0.0.1/24 dev eth0");
            until("ip route", |said| said.contains("10.5.0.0/16")).await;
            // What can not be is said once, in the words of `ip`.
            until(&format!("cat {}", path.display()), |said| {
                said.contains("route 10.7.0.0/16 dev eth0 mtu much")
            })
            .await;
            kernel.finish().await;
            let log = fs::read_to_string(path).unwrap();
            assert_eq!(log.lines().filter(|line| line.contains("mtu much")).count(), 1, "{log}");
            assert!(!sh("ip route").contains("keepalived"));
        },
    );
}

#[test]
fn a_reload_changes_what_differs_and_puts_statics_in_place() {
    isolated("a_reload_changes_what_differs_and_puts_statics_in_place", &["ip"], |log, _| async move {
        let statics = "static_ipaddress {\n192.168.9.1/24 dev eth1 scope link\n}\nstatic_routes {\n10.9.0.0/16 dev eth1\n}\n\
                       static_rules {\nto 10.9.0.0/16 table 7 priority 77\n}\n";
        let mut kernel = Kernel::start(log, Recorder::default(), &Inventory::new());
        kernel.configure(&config(statics));
        until("ip rule", |said| said.contains("77:")).await;
        assert!(sh("ip addr show dev eth1").contains("192.168.9.1/24 scope link"));
        assert!(sh("ip route").contains("10.9.0.0/16 dev eth1"));
        let mut changes = Command::new("ip")
            .args(["monitor", "route"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        sleep(Duration::from_millis(200)).await;
        kernel.configure(&config(&statics.replace("table 7 priority 77", "table 8 priority 78")));
        until("ip rule", |said| said.contains("78:") && !said.contains("77:")).await;
        changes.kill().unwrap();
        let changes = changes.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&changes.stdout), "", "the route was touched");
        kernel.finish().await;
        let left = sh("ip rule; ip route; ip addr show dev eth1");
        assert!(
            !left.contains("78:") && !left.contains("10.9.0.0") && !left.contains("192.168.9.1"),
            "{left}"
        );
    });
}

#[test]
fn what_somebody_removes_is_put_back_unless_it_is_not_tracked() {
    isolated("what_somebody_removes_is_put_back_unless_it_is_not_tracked", &["ip"], |log, path| async move {
        let config = instance(
            "virtual_routes {\n10.5.0.0/16 dev eth0\n10.6.0.0/16 dev eth0 no_track\n}\n\
             virtual_rules {\nfrom 10.5.0.0/16 table 100 priority 300\n}",
        );
        let mut kernel = Kernel::start(log, Recorder::default(), &Inventory::new());
        kernel.configure(&config);
        kernel.active(&config.instances[0], true);
        until("ip rule", |said| said.contains("300:")).await;
        sh("ip route del 10.5.0.0/16; ip route del 10.6.0.0/16; ip rule del priority 300");
        until("ip route; ip rule", |said| said.contains("10.5.0.0/16 dev") && said.contains("300:")).await;
        until(&format!("cat {}", path.display()), |said| said.contains("rule from 10.5.0.0/16")).await;
        assert!(!sh("ip route").contains("10.6.0.0/16"));
        let log = fs::read_to_string(path).unwrap();
        assert_eq!(
            log.lines().filter(|line| line.contains("was removed by somebody else")).count(),
            2,
            "{log}"
        );
        kernel.finish().await;
    });
}

#[test]
fn packets_to_addresses_that_are_not_accepted_are_dropped() {
    isolated(
        "packets_to_addresses_that_are_not_accepted_are_dropped",
        &["ip", "nft"],
        |log, path| async move {
            sh("ip addr add 10.0.0.1/24 dev eth0; ip -6 addr add 2001:db8::1/64 dev eth0 nodad");
            let pings = |address: &str| sh(&format!("ping -n -c 1 -W 1 {address}")).contains(" 1 received");
            let has_ping = has_programs("packets_to_addresses_that_are_not_accepted_are_dropped", &["ping"]);
            assert!(!has_ping || pings("10.0.0.1"));
            let refusing = instance("no_accept\nvirtual_ipaddress_excluded {\n2001:db8::1/64\nfe80::5/64\n}");
            let mut kernel = Kernel::start(log, Recorder::default(), &Inventory::new());
            kernel.configure(&refusing);
            let list = "nft list table inet lb_failover";
            until(list, |said| said.contains("elements = { 10.0.0.1 }")).await;
            let table = sh(list);
            assert!(table.contains("elements = { 2001:db8::1 }"), "{table}");
            assert!(table.contains("fe80::5 . \"eth0\""), "{table}");
            if has_ping {
                assert!(!pings("10.0.0.1") && !pings("2001:db8::1") && pings("10.0.0.7"));
            }
            // Another name replaces the table; an owner accepts.
            let named = config(
                "global_defs {\nnftables mine\n}\nvrrp_instance A {\ninterface eth0\nvirtual_router_id 5\nno_accept\n\
             virtual_ipaddress {\n10.0.0.3/24\n}\n}\nvrrp_instance B {\ninterface eth0\nvirtual_router_id 6\nno_accept\n\
             priority 255\nvirtual_ipaddress {\n10.0.0.4/24\n}\n}\n",
            );
            kernel.configure(&named);
            until("nft list ruleset", |said| {
                said.contains("table inet mine") && !said.contains("lb_failover")
            })
            .await;
            assert!(sh("nft list ruleset").contains("elements = { 10.0.0.3 }"));
            kernel.finish().await;
            assert_eq!(sh("nft list ruleset"), "");
            assert_eq!(fs::read_to_string(path).unwrap_or_default(), "");
        },
    );
}

#[test]
fn promote_secondaries_is_set_and_set_back() {
    isolated("promote_secondaries_is_set_and_set_back", &["ip"], |log, _| async move {
        let read = "cat /proc/sys/net/ipv4/conf/eth0/promote_secondaries";
        sh("echo 0 > /proc/sys/net/ipv4/conf/eth0/promote_secondaries");
        assert_eq!(sh(read), "0\n");
        let mut kernel = Kernel::start(log, Recorder::default(), &Inventory::new());
        kernel.configure(&instance("promote_secondaries"));
        until(read, |said| said == "1\n").await;
        kernel.configure(&instance(""));
        until(read, |said| said == "0\n").await;
        kernel.finish().await;
    });
}
