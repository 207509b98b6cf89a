//! lb-director on nftables in a network namespace: a daemon that is killed, and a ruleset that is flushed.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{
    collections::BTreeSet,
    io::Write as _,
    process::Command,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use lb_lab::{Host, Lab, Process};
use nix::sys::signal::Signal;
use support::{skip, wait};

const CONFIG: &str = "/etc/ha.d/web.cf";

/// A host on which packets are passed on, where nft can be used.
fn host(test: &str) -> Option<(Lab, Host)> {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(error) => {
            skip(test, &error.to_string());
            return None;
        }
    };
    let host = lab.host("director").unwrap();
    if host.sh("nft list ruleset && echo 1 >/proc/sys/net/ipv4/ip_forward").is_err() {
        skip(test, "nft (apt-get install nftables), and /proc/sys that can be written to");
        return None;
    }
    Some((lab, host))
}

/// A configuration with one virtual service for each of these ports, and no checks.
fn configure(host: &Host, config: &str, ports: &BTreeSet<u16>) {
    let service =
        |port| format!("virtual=10.0.0.1:{port}\n\treal=10.0.1.1:80 masq\n\tscheduler=rr\n\tchecktype=on\n");
    // As editors do: whoever reads sees the old or the new one.
    host.write("/etc/ha.d/new", ports.iter().map(service).collect::<String>()).unwrap();
    host.sh(&format!("mv /etc/ha.d/new {config}")).unwrap();
}

/// The ports for which there are chains, in whatever table.
fn translated(host: &Host) -> BTreeSet<u16> {
    let ruleset = host.sh("nft list ruleset").unwrap();
    let chains = ruleset.lines().filter_map(|line| line.trim().strip_prefix("chain tcp-10.0.0.1-"));
    chains.filter_map(|rest| rest.strip_suffix(" {")?.parse().ok()).collect()
}

fn socket(config: &str) -> String {
    format!("{config}.sock")
}

/// A daemon that answers. It reads the whole data plane at its start and then only when the kernel reports a change.
fn start(host: &Host, config: &str) -> Process {
    start_with(host, config, "3600s")
}

/// A daemon that answers, and reads the whole data plane so often.
fn start_with(host: &Host, config: &str, interval: &str) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb-director"));
    command.args(["--data-plane", "nft", "--sync-interval", interval, "--socket", &socket(config), config]);
    let mut daemon = host.spawn(&command).unwrap();
    let mut status = Command::new(env!("CARGO_BIN_EXE_lbctl"));
    status.args(["--socket", &socket(config), "status"]);
    wait("the daemon", || {
        let ended = daemon.ended();
        assert!(ended.is_none(), "{ended:?}: {}", daemon.log());
        host.output(&status).unwrap().status.success().then_some(())
    });
    daemon
}

fn wait_for(host: &Host, ports: &BTreeSet<u16>, what: &str) {
    let mut seen = BTreeSet::new();
    let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait(what, || {
            seen = translated(host);
            (seen == *ports).then_some(())
        });
    }));
    assert!(waited.is_ok(), "{what}: {seen:?} instead of {ports:?}");
}

/// A sequence of numbers that a seed determines.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        // Knuth's linear congruential generator; its high bits are good enough here.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// `LB_NFT_KILLS` is how many times (default 12), `LB_SEED` repeats a run.
#[test]
fn a_daemon_that_is_killed_while_it_reloads_leaves_nothing_behind() {
    const NAME: &str = "a_daemon_that_is_killed_while_it_reloads_leaves_nothing_behind";
    let Some((_lab, host)) = host(NAME) else { return };
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let seed = number("LB_SEED").unwrap_or_else(|| clock() as u64);
    let _ = writeln!(std::io::stderr(), "{NAME}: LB_SEED={seed}");
    let mut random = Random(seed);
    let ports = |random: &mut Random| (80..92).filter(|_| random.below(2) == 0).chain([443]).collect();
    configure(&host, CONFIG, &ports(&mut random));
    let mut daemon = start(&host, CONFIG);
    for round in 1..=number("LB_NFT_KILLS").unwrap_or(12) {
        configure(&host, CONFIG, &ports(&mut random));
        daemon.signal(Signal::SIGHUP).unwrap();
        thread::sleep(Duration::from_millis(random.below(60)));
        let wanted = ports(&mut random);
        configure(&host, CONFIG, &wanted);
        daemon.kill().unwrap();
        daemon = start(&host, CONFIG);
        wait_for(&host, &wanted, &format!("what the configuration says after kill {round}"));
    }
    daemon.stop().unwrap();
    assert_eq!(host.sh("nft list ruleset").unwrap(), "", "the hooks go with the last service");
}

#[test]
fn two_daemons_leave_each_other_alone() {
    let Some((_lab, host)) = host("two_daemons_leave_each_other_alone") else { return };
    let [one, two] = ["/etc/ha.d/one.cf", "/etc/ha.d/two.cf"];
    configure(&host, one, &BTreeSet::from([80]));
    configure(&host, two, &BTreeSet::from([81]));
    let (mut first, mut second) = (start(&host, one), start(&host, two));
    wait_for(&host, &BTreeSet::from([80, 81]), "both services");
    second.kill().unwrap();
    configure(&host, two, &BTreeSet::from([82]));
    let mut second_again = start(&host, two);
    wait_for(&host, &BTreeSet::from([80, 82]), "the service of the one, and what the other has now");
    first.stop().unwrap();
    wait_for(&host, &BTreeSet::from([82]), "what is left");
    second_again.stop().unwrap();
    assert_eq!(host.sh("nft list ruleset").unwrap(), "");
}

#[test]
fn services_return_at_once_when_the_ruleset_is_flushed() {
    let Some((_lab, host)) = host("services_return_at_once_when_the_ruleset_is_flushed") else { return };
    let ports = BTreeSet::from([80, 81]);
    configure(&host, CONFIG, &ports);
    let mut daemon = start(&host, CONFIG);
    for round in 1..=5 {
        wait_for(&host, &ports, &format!("the services before flush {round}"));
        host.sh("nft flush ruleset").unwrap();
    }
    wait_for(&host, &ports, "the services after the last flush");
    daemon.stop().unwrap();
}

#[test]
fn a_failover_daemon_removes_what_its_predecessor_balanced() {
    let Some((_lab, host)) = host("a_failover_daemon_removes_what_its_predecessor_balanced") else { return };
    let server = "virtual_server 10.0.0.1 80 {\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n \
        real_server 10.0.1.1 80 {\n }\n}\n";
    let path = "/etc/keepalived/keepalived.conf";
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb-failover"));
    command.args(["-n", "-l", "--data-plane", "nft"]);
    host.write(path, server).unwrap();
    let mut daemon = host.spawn(&command).unwrap();
    wait_for(&host, &BTreeSet::from([80]), "the virtual server");
    daemon.kill_family().unwrap();
    let instance =
        "vrrp_instance one {\n interface lo\n virtual_router_id 7\n virtual_ipaddress {\n 10.0.0.9\n }\n}\n";
    host.write(path, instance).unwrap();
    let mut daemon = host.spawn(&command).unwrap();
    wait_for(&host, &BTreeSet::new(), "the end of what is not configured any more");
    daemon.stop().unwrap();
}

#[test]
fn a_filter_that_drops_what_is_forwarded_is_a_problem_until_its_rule_is_added() {
    let name = "a_filter_that_drops_what_is_forwarded_is_a_problem_until_its_rule_is_added";
    let Some((lab, director)) = host(name) else { return };
    let (client, server) = (lab.host("client").unwrap(), lab.host("server").unwrap());
    let address = |text: &str| [text.parse().unwrap()];
    for (switch, ends) in [
        ("outside", [(&client, "10.0.0.2/24"), (&director, "10.0.0.254/24")]),
        ("inside", [(&server, "10.0.1.1/24"), (&director, "10.0.1.254/24")]),
    ] {
        lab.switch(switch).unwrap();
        for (host, text) in ends {
            lab.link(host, switch, switch, &address(text)).unwrap();
        }
    }
    director.sh("ip address add 10.0.0.1/32 dev outside").unwrap();
    server.sh("ip route add default via 10.0.1.254").unwrap();
    configure(&director, CONFIG, &BTreeSet::from([80]));
    let mut daemon = start_with(&director, CONFIG, "1s");
    // Nobody listens there: the server says so, if it is reached.
    let reaches = || {
        let connect = "timeout 1 bash -c 'exec 3<>/dev/tcp/10.0.0.1/80' 2>&1 || true";
        client.sh(connect).unwrap().contains("refused").then_some(())
    };
    let mut lbctl = Command::new(env!("CARGO_BIN_EXE_lbctl"));
    lbctl.args(["--socket", &socket(CONFIG), "status"]);
    let problem = || {
        let status = String::from_utf8(director.output(&lbctl).unwrap().stdout).unwrap();
        status.lines().find(|line| line.contains("PROBLEM: ")).map(str::to_owned)
    };
    wait("an answer of the server", reaches);
    assert_eq!(problem(), None);

    // As Docker has it, with other names.
    director
        .sh("nft add table ip foreign; nft 'add chain ip foreign FORWARD { type filter hook forward priority 0; policy drop; }'; \
             nft add rule ip foreign FORWARD oifname docker0 ct state related,established accept; \
             nft add rule ip foreign FORWARD iifname docker0 accept")
        .unwrap();
    let line = wait("the problem", problem);
    let remedy = "nft insert rule ip foreign FORWARD ct status dnat accept";
    let expected = format!(
        "chain FORWARD of table ip foreign drops connections that are forwarded to 10.0.1.1:80 (policy drop): add `{remedy}`"
    );
    assert!(line.ends_with(&expected), "{line}");
    assert_eq!(reaches(), None);
    wait("the log line", || daemon.log().contains(&expected).then_some(()));

    director.sh(remedy).unwrap();
    wait("the end of the problem", || problem().is_none().then_some(()));
    wait("an answer of the server", reaches);
    wait("the log line", || daemon.log().contains(&format!("Resolved: {expected}")).then_some(()));
    daemon.stop().unwrap();
    assert_eq!(daemon.log().matches(&expected).count(), 2, "{}", daemon.log());
}
