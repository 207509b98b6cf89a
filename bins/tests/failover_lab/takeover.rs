//! A takeover as clients of a virtual server see it, with the relay.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use lb_bins::lab::{Host, Lab};
use serde_json::Value;

use crate::{
    node::{Kind::Ours, Node, instance, lab, nodes, settle},
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
        node.start_with(&["--data-plane", "relay"]);
    }
    settle(&a, &b, VIP);
    b.wait_for_line("Entering BACKUP STATE");
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
