//! A takeover as clients of a virtual server see it, with the relay.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use lb_lab::{Host, Lab};
use serde_json::Value;

use crate::{
    node::{
        KEEPALIVED,
        Kind::{Keepalived, Ours},
        Node, instance, lab, nodes, settle, settled,
    },
    support::wait,
};

const VIP: &str = "10.0.0.100";
const VIP6: &str = "fd00::100";
/// Clients that ask at the same time, each on a connection of its own for each request.
const CLIENTS: usize = 8;

/// A program of ours on a host; it ends with this.
struct Role {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Role {
    fn start(host: &Host, arguments: &[&str]) -> Self {
        let mut command = host.enter(Command::new(env!("CARGO_BIN_EXE_lbctl")).args(arguments));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut role = Self { child, stdin, stdout };
        role.line();
        role
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "it has ended");
        line
    }

    fn ask(&mut self) -> Value {
        self.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        serde_json::from_str(&self.line()).unwrap()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}

/// Clients that ask again and again.
struct Clients(Role);

impl Clients {
    fn start(host: &Host, address: &str) -> Self {
        Self(Role::start(host, &["lab", "load", address]))
    }

    /// How many requests were answered, and what went wrong with the others.
    fn seen(&mut self) -> (u64, Vec<String>) {
        let seen = self.0.ask();
        let answered = seen["by_server"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        let failures = seen["failures"].as_array().unwrap();
        (answered, failures.iter().map(|failure| failure[1].as_str().unwrap().to_owned()).collect())
    }

    /// Waits until a hundred more were answered; returns all failures until then.
    fn go_on(&mut self) -> Vec<String> {
        let (before, _) = self.seen();
        wait("a hundred answers", || {
            let (answered, failures) = self.seen();
            (answered >= before + 100).then_some(failures)
        })
    }
}

fn refused(failures: &[String]) -> usize {
    failures.iter().filter(|why| why.contains("refused")).count()
}

/// Two nodes that balance, a web server, and a client at one switch.
struct Site {
    nodes: [Node; 2],
    client: Host,
    _web: Role,
}

/// The first node has the addresses when this returns; the second one never had them.
fn site(lab: &Lab) -> Site {
    let Site { nodes: [a, mut b], client, _web } = prepared(lab);
    start(&mut b);
    b.wait_for_line("Entering BACKUP STATE");
    Site { nodes: [a, b], client, _web }
}

fn start(node: &mut Node) {
    node.start_with(&["--data-plane", "relay"]);
}

/// The second node is not started yet.
fn prepared(lab: &Lab) -> Site {
    let [mut a, mut b] = nodes(lab, [Ours, Ours]);
    let [web, client] = [("web", 20), ("client", 10)].map(|(name, number)| {
        let host = lab.host(name).unwrap();
        let nets = [format!("10.0.0.{number}/24"), format!("fd00::{number}/64")];
        lab.link(&host, "lan", "eth0", &nets.map(|net| net.parse().unwrap())).unwrap();
        host
    });
    let web = Role::start(&web, &["lab", "web", "one", "[::]:80"]);
    let server = |address: &str, real: &str| {
        format!(
            "virtual_server {address} 80 {{\n  protocol TCP\n  lvs_sched rr\n  lvs_method NAT\n  \
             real_server {real} 80 {{\n  }}\n}}\n"
        )
    };
    for (node, priority) in [(&mut a, 150), (&mut b, 100)] {
        let more = format!("virtual_ipaddress_excluded {{\n    {VIP6}/64\n  }}");
        let text = instance("web", 51, priority, &format!("{VIP}/24"), &more);
        node.configure(&format!("{text}{}{}", server(VIP, "10.0.0.20"), server(VIP6, "fd00::20")));
    }
    start(&mut a);
    settle(&a, &b, VIP);
    Site { nodes: [a, b], client, _web: web }
}

#[test]
fn a_standby_that_was_never_master_refuses_no_client_after_a_planned_switch() {
    let Some(lab) = lab("a_standby_that_was_never_master_refuses_no_client_after_a_planned_switch", &[])
    else {
        return;
    };
    let Site { nodes: [a, b], client, _web } = site(&lab);
    let status = b.lbctl(&["status"]);
    assert!(!status.contains("PROBLEM"), "a healthy BACKUP has no problem:\n{status}");

    let mut clients = Clients::start(&client, &format!("{VIP}:80"));
    let mut clients6 = Clients::start(&client, &format!("[{VIP6}]:80"));
    clients.go_on();
    clients6.go_on();
    for (from, to) in [(&a, &b), (&b, &a)] {
        from.lbctl(&["failover", "web"]);
        settle(to, from, VIP);
        for clients in [&mut clients, &mut clients6] {
            let failures = clients.go_on();
            assert_eq!(refused(&failures), 0, "{failures:?}");
        }
    }
    // A connection that is open when the address moves is the only one that can end with it.
    for clients in [&mut clients, &mut clients6] {
        let (answered, failures) = clients.seen();
        eprintln!("{answered} answered, failed: {failures:?}");
        assert!(failures.len() <= 2 * CLIENTS, "{failures:?}");
    }
}

#[test]
fn a_standby_that_was_never_master_refuses_no_client_after_a_crash() {
    let Some(lab) = lab("a_standby_that_was_never_master_refuses_no_client_after_a_crash", &[]) else {
        return;
    };
    let Site { nodes: [mut a, b], client, _web } = site(&lab);
    let mut clients = Clients::start(&client, &format!("{VIP}:80"));
    let mut clients6 = Clients::start(&client, &format!("[{VIP6}]:80"));
    clients.go_on();
    clients6.go_on();
    // The cable first: the host that dies must not refuse clients either.
    a.host.set_link("eth0", false).unwrap();
    a.daemon().kill_family().unwrap();
    b.wait_for(VIP, true);
    for clients in [&mut clients, &mut clients6] {
        let failures = clients.go_on();
        assert_eq!(refused(&failures), 0, "{failures:?}");
    }
    let status = b.lbctl(&["status"]);
    assert!(!status.contains("PROBLEM"), "{status}");
}

#[test]
fn without_a_peer_nothing_is_handed_over_and_no_request_fails() {
    let Some(lab) = lab("without_a_peer_nothing_is_handed_over_and_no_request_fails", &[]) else { return };
    let Site { nodes: [a, b], client, _web } = prepared(&lab);
    let mut clients = Clients::start(&client, &format!("{VIP}:80"));
    clients.go_on();
    for order in [["failover", "web"].as_slice(), &["failover", "--all"], &["maintenance", "on"]] {
        let said = a.lbctl_fails(order);
        assert!(said.contains("nobody took over web: this node stays MASTER"), "{order:?}: {said}");
        assert_eq!(said.contains("lbctl maintenance on --force"), order[0] == "maintenance", "{said}");
    }
    assert_eq!(clients.go_on(), [""; 0]);
    let status = a.status();
    assert_eq!(status["instances"][0]["state"], "MASTER", "{status}");
    assert!(status["maintenance"].is_null() && status["instances"][0]["handed_over"].is_null(), "{status}");
    wait("its own priority", || (a.status()["instances"][0]["priority"] == 150).then_some(()));
    assert_eq!(
        (a.said("Entering MASTER STATE"), a.said("Entering BACKUP STATE"), a.said("removed")),
        (1, 1, 0)
    );

    a.lbctl(&["maintenance", "on", "--force"]);
    a.wait_for(VIP, false);
    assert!(!a.status()["maintenance"].is_null());
    // Who has nothing is in maintenance at once.
    a.lbctl(&["maintenance", "on", "--reason", "more"]);
    assert!(!b.has(VIP));
}

#[test]
fn who_hands_over_learns_who_took_over_and_others_are_answered_at_once() {
    let Some(lab) = lab("who_hands_over_learns_who_took_over_and_others_are_answered_at_once", &[]) else {
        return;
    };
    let [a, b] = settled(&lab, VIP);
    let said = b.lbctl_fails(&["failover", "web"]);
    assert!(said.contains("web is not MASTER"), "{said}");
    assert_eq!(a.lbctl(&["failover", "web"]).trim(), "10.0.0.2 took over web");
    b.wait_for(VIP, true);
    a.wait_for_line("Entering BACKUP STATE (handed over to 10.0.0.2)");
    assert_eq!(b.lbctl(&["maintenance", "on"]).trim(), "in maintenance; 10.0.0.1 took over web");
    settle(&a, &b, VIP);
    let said = b.lbctl_fails(&["failover", "web"]);
    assert!(said.contains("web is not MASTER"), "in FAULT: {said}");
    // The other node does not take over now.
    let said = a.lbctl_fails(&["maintenance", "on"]);
    assert!(said.contains("nobody took over web") && a.has(VIP), "{said}");
    b.lbctl(&["maintenance", "off"]);
    b.wait_for_line("Entering BACKUP STATE");
    assert_eq!(a.lbctl(&["failover", "--all"]).trim(), "10.0.0.2 took over web");
}

#[test]
fn a_sync_group_is_handed_over_as_a_whole_or_not_at_all() {
    let Some(lab) = lab("a_sync_group_is_handed_over_as_a_whole_or_not_at_all", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    let (first, second) = (VIP, "10.0.0.101");
    for (node, priority) in [(&mut a, 150), (&mut b, 100)] {
        let slow = instance("two", 52, priority, &format!("{second}/24"), "")
            .replace("advert_int 0.2", "advert_int 1");
        node.configure(&format!(
            "vrrp_sync_group both {{\n  group {{\n    one\n    two\n  }}\n}}\n{}{slow}",
            instance("one", 51, priority, &format!("{first}/24"), "")
        ));
    }
    a.start();
    a.wait_for(first, true);
    a.wait_for(second, true);
    let said = a.lbctl_fails(&["failover", "both"]);
    assert!(said.contains("nobody took over one, two: this node stays MASTER"), "{said}");
    assert_eq!(a.said("addresses removed") + a.said("address removed"), 0);
    b.start();
    b.wait_for_line("(two) Entering BACKUP STATE");
    // One member takes the other along.
    assert_eq!(a.lbctl(&["failover", "two"]).trim(), "10.0.0.2 took over one, two");
    for address in [first, second] {
        settle(&b, &a, address);
    }
}

#[test]
fn keepalived_takes_over_what_is_handed_over() {
    let Some(lab) = lab("keepalived_takes_over_what_is_handed_over", &[KEEPALIVED]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Keepalived]);
    for (node, priority) in [(&a, 150), (&b, 100)] {
        node.configure(&instance("web", 51, priority, &format!("{VIP}/24"), ""));
    }
    a.start();
    a.wait_for(VIP, true);
    let said = a.lbctl_fails(&["failover", "web"]);
    assert!(said.contains("nobody took over web"), "{said}");
    b.start();
    b.wait_for_line("Entering BACKUP STATE");
    assert_eq!(a.lbctl(&["failover", "web"]).trim(), "10.0.0.2 took over web");
    settle(&b, &a, VIP);
    assert!(b.daemon().stop().unwrap().success());
    settle(&a, &b, VIP);
    b.start();
    b.wait_for_line("Entering BACKUP STATE");
    assert_eq!(a.lbctl(&["maintenance", "on"]).trim(), "in maintenance; 10.0.0.2 took over web");
    settle(&b, &a, VIP);
}

#[test]
fn a_master_that_may_not_add_its_address_is_in_fault_and_another_node_has_it() {
    let test = "a_master_that_may_not_add_its_address_is_in_fault_and_another_node_has_it";
    let Some(lab) = lab(test, &["setpriv"]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    for (node, priority) in [(&a, 150), (&b, 100)] {
        node.configure(&instance("web", 51, priority, &format!("{VIP}/24"), ""));
    }
    a.start_without_net_admin();
    a.wait_for_line("(web) Entering FAULT STATE");
    b.start();
    settle(&b, &a, VIP);
    let status = a.status();
    assert_eq!(status["instances"][0]["state"], "FAULT", "{status}");
    let told = a.lbctl(&["explain", "web"]);
    assert!(told.contains("no address can be added") && told.contains("CAP_NET_ADMIN"), "{told}");
}
