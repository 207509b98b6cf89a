//! Two nodes and a client at one switch.

use std::{net::IpAddr, process::Command};

use lb_lab::{Host, Lab, Process};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{has_programs, skip, wait};

/// Whose daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Keepalived,
}

/// What is started as keepalived.
pub(crate) const KEEPALIVED: &str = "/usr/sbin/keepalived";

/// A host with a daemon, or without one for the time being.
pub(crate) struct Node {
    pub(crate) host: Host,
    kind: Kind,
    daemon: Option<Process>,
}

/// An empty lab; none where something is missing that it needs.
pub(crate) fn lab(test: &str, programs: &[&str]) -> Option<Lab> {
    if !has_programs(test, programs) {
        return None;
    }
    match Lab::new() {
        Ok(lab) => Some(lab),
        Err(error) => {
            skip(test, &error.to_string());
            None
        }
    }
}

/// Two nodes at the switch `lan`: `a` with 10.0.0.1, `b` with 10.0.0.2.
pub(crate) fn nodes(lab: &Lab, kinds: [Kind; 2]) -> [Node; 2] {
    lab.switch("lan").unwrap();
    [("a", 1, kinds[0]), ("b", 2, kinds[1])].map(|(name, number, kind)| {
        let host = lab.host(name).unwrap();
        let nets = [format!("10.0.0.{number}/24"), format!("fd00::{number}/64")];
        lab.link(&host, "lan", "eth0", &nets.map(|net| net.parse().unwrap())).unwrap();
        Node::new(host, kind)
    })
}

impl Node {
    pub(crate) fn new(host: Host, kind: Kind) -> Self {
        Self { host, kind, daemon: None }
    }

    pub(crate) fn configure(&self, text: &str) {
        self.host.write("/etc/keepalived/keepalived.conf", text).unwrap();
    }

    /// Starts its daemon.
    pub(crate) fn start(&mut self) {
        self.start_with(&[]);
    }

    /// The same with more arguments.
    pub(crate) fn start_with(&mut self, arguments: &[&str]) {
        let command = match self.kind {
            Kind::Ours => Command::new(env!("CARGO_BIN_EXE_lb-failover")),
            Kind::Keepalived => Command::new(KEEPALIVED),
        };
        self.spawn(command, arguments);
    }

    /// Starts a daemon of ours that may not add addresses.
    pub(crate) fn start_without_net_admin(&mut self) {
        let mut command = Command::new("setpriv");
        command.args([
            "--bounding-set=-net_admin",
            "--inh-caps=-net_admin",
            env!("CARGO_BIN_EXE_lb-failover"),
        ]);
        self.spawn(command, &[]);
    }

    fn spawn(&mut self, mut command: Command, arguments: &[&str]) {
        command.args(["-n", "-l", "-D"]).args(arguments);
        self.daemon = Some(self.host.spawn(&command).unwrap());
    }

    /// Starts another program in the place of its daemon.
    pub(crate) fn start_program(&mut self, program: &std::path::Path, arguments: &[&str]) {
        self.daemon = Some(self.host.spawn(Command::new(program).args(arguments)).unwrap());
    }

    pub(crate) fn daemon(&mut self) -> &mut Process {
        self.daemon.as_mut().unwrap()
    }

    /// Everything that the daemon has said.
    pub(crate) fn log(&self) -> String {
        self.daemon.as_ref().map_or_else(String::new, Process::log)
    }

    /// How often the daemon has said this.
    pub(crate) fn said(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// Asserts that the daemon says this as often, and no more often then.
    pub(crate) fn assert_said(&self, text: &str, times: usize) {
        let what = format!("{} to say `{text}` {times} times", self.host.name());
        wait(&what, || (self.said(text) >= times).then_some(()));
        assert_eq!(self.said(text), times, "`{text}` in {}", self.log());
    }

    pub(crate) fn wait_for_line(&self, text: &str) {
        wait(&format!("{} to say `{text}`", self.host.name()), || (self.said(text) > 0).then_some(()));
    }

    pub(crate) fn has(&self, address: &str) -> bool {
        self.host.has(address.parse::<IpAddr>().unwrap()).unwrap()
    }

    /// Waits until it has the address, or has not.
    pub(crate) fn wait_for(&self, address: &str, there: bool) {
        let what = format!("{} with {address}: {there}", self.host.name());
        wait(&what, || (self.has(address) == there).then_some(()));
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        self.daemon().signal(signal).unwrap();
    }

    /// What `lbctl` prints in the host, if it ends well.
    pub(crate) fn lbctl(&self, arguments: &[&str]) -> String {
        self.host.run(Command::new(env!("CARGO_BIN_EXE_lbctl")).args(arguments)).unwrap()
    }

    /// What `lbctl` prints in the host on both streams, if it ends with exit status 1.
    pub(crate) fn lbctl_fails(&self, arguments: &[&str]) -> String {
        let output = self.host.output(Command::new(env!("CARGO_BIN_EXE_lbctl")).args(arguments)).unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        text
    }

    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.lbctl(&["status", "--json"])).unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let addresses = self.host.addresses().unwrap_or_default();
            let addresses: Vec<String> =
                addresses.iter().map(|one| format!("{} {}", one.interface, one.net)).collect();
            eprintln!("--- {} has {addresses:?}; its daemon said\n{}", self.host.name(), self.log());
        }
    }
}

/// Waits until the first node has the address and the second has not.
pub(crate) fn settle(with: &Node, without: &Node, address: &str) {
    with.wait_for(address, true);
    without.wait_for(address, false);
}

/// Two nodes of ours with one address, which the first one has.
pub(crate) fn settled(lab: &Lab, address: &str) -> [Node; 2] {
    let [mut a, mut b] = nodes(lab, [Kind::Ours; 2]);
    for (node, priority) in [(&mut a, 150), (&mut b, 100)] {
        node.configure(&instance("web", 51, priority, &format!("{address}/24"), ""));
        node.start();
    }
    settle(&a, &b, address);
    [a, b]
}

/// An instance of VRRP version 3 on eth0 with adverts five times a second.
pub(crate) fn instance(name: &str, id: u8, priority: u8, address: &str, more: &str) -> String {
    format!(
        "vrrp_instance {name} {{\n  state BACKUP\n  interface eth0\n  virtual_router_id {id}\n  priority {priority}\n  \
         version 3\n  advert_int 0.2\n  {more}\n  virtual_ipaddress {{\n    {address}\n  }}\n}}\n"
    )
}
