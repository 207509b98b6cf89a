//! The daemons of others.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    Authentication, Case, Kind, PASSWORD,
    lab::{Lab, ip, run, signal, until},
};

pub(crate) struct Peer {
    kind: Kind,
    /// The daemon itself first.
    children: Vec<Child>,
    folder: PathBuf,
}

impl Peer {
    pub(crate) fn start(lab: &Lab, case: &Case, priority: u8) -> Self {
        let children = match case.kind {
            Kind::Keepalived => vec![keepalived(lab, case, priority)],
            Kind::Frr => frr(lab, case, priority),
        };
        Self { kind: case.kind, children, folder: lab.folder.path().to_owned() }
    }

    /// Whether it has the addresses and answers for them.
    pub(crate) fn is_active(&self, lab: &Lab, case: &Case) -> bool {
        match self.kind {
            Kind::Keepalived => lab.theirs.has(case.addresses()[0]),
            // Its addresses are there always, on an interface that is kept down.
            Kind::Frr => self.frr_status(case.family) == "Master",
        }
    }

    fn frr_status(&self, family: u8) -> String {
        let mut vtysh = Command::new("vtysh");
        vtysh.arg("--vty_socket").arg(&self.folder).args(["-c", "show vrrp json"]);
        let output = vtysh.output().unwrap();
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        status[0][format!("v{family}")]["status"].as_str().unwrap_or_default().to_owned()
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) {
        signal(&self.children[0], Signal::SIGTERM);
        self.children[0].wait().unwrap();
    }

    /// Ends it without a chance to say anything.
    pub(crate) fn kill(mut self) {
        if self.kind == Kind::Keepalived {
            let pid = std::fs::read_to_string(self.folder.join("keepalived.vrrp.pid")).unwrap();
            let pid = Pid::from_raw(pid.trim().parse().unwrap());
            // Its child would resign when the parent ends, and be started anew when it ends first.
            kill(pid, Signal::SIGSTOP).unwrap();
            self.children[0].kill().unwrap();
            kill(pid, Signal::SIGKILL).unwrap();
        } else {
            self.children[0].kill().unwrap();
        }
        self.children[0].wait().unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            for name in ["keepalived.log", "zebra.log", "vrrpd.log"] {
                let log = std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
                println!("{name}:\n{log}");
            }
        }
    }
}

fn logged(lab: &Lab, name: &str, command: &mut Command) {
    let log = std::fs::File::options().create(true).append(true).open(lab.file(name)).unwrap();
    command.stderr(log.try_clone().unwrap()).stdout(log);
}

fn keepalived(lab: &Lab, case: &Case, priority: u8) -> Child {
    let interval = f64::from(case.interval_cs()) / 100.0;
    let mut more = String::new();
    if let Some(authentication) = case.authentication {
        let kind = if authentication == Authentication::Text { "PASS" } else { "AH" };
        more.push_str(&format!(
            "  authentication {{\n    auth_type {kind}\n    auth_pass {PASSWORD}\n  }}\n"
        ));
    }
    if case.unicast {
        let (from, to) = (case.their_address(), case.our_address());
        more.push_str(&format!("  unicast_src_ip {from}\n  unicast_peer {{\n    {to}\n  }}\n"));
    }
    if case.virtual_mac {
        more.push_str("  use_vmac\n");
    }
    let addresses = case.addresses().join("\n    ");
    let version = case.version;
    let text = format!(
        "global_defs {{\n  vrrp_version {version}\n}}\nvrrp_instance it {{\n  interface eth0\n  state BACKUP\n  \
         virtual_router_id 51\n  priority {priority}\n  advert_int {interval}\n  virtual_ipaddress {{\n    \
         {addresses}\n  }}\n{more}}}\n"
    );
    std::fs::write(lab.file("keepalived.conf"), text).unwrap();
    let mut command = Command::new("keepalived");
    command.args(["--dont-fork", "--vrrp", "--log-console", "--log-detail"]);
    command.arg("--use-file").arg(lab.file("keepalived.conf"));
    command.arg("--pid").arg(lab.file("keepalived.pid"));
    command.arg("--vrrp_pid").arg(lab.file("keepalived.vrrp.pid"));
    logged(lab, "keepalived.log", &mut command);
    lab.theirs.spawn(command)
}

/// FRR wants macvlan devices with the virtual Ethernet address and the addresses, made by hand.
fn frr(lab: &Lab, case: &Case, priority: u8) -> Vec<Child> {
    let family = case.family;
    let device = format!("vrrp{family}-51");
    let is_there = lab.theirs.has(case.addresses()[0]);
    if !is_there {
        let block = if family == 4 { 1 } else { 2 };
        let mut batch = format!(
            "link add {device} link eth0 type macvlan mode bridge\nlink set {device} address 00:00:5e:00:0{block}:33\n"
        );
        for address in case.addresses() {
            batch.push_str(&format!("addr add {address} dev {device}\n"));
        }
        batch.push_str(&format!("link set {device} up\n"));
        lab.theirs.run(move || ip(&batch));
        let_frr_run_as_root(lab);
    }
    let interval = u32::from(case.interval_cs()) * 10;
    let version = case.version;
    let word = if family == 4 { "ip" } else { "ipv6" };
    let mut text = format!(
        "interface eth0\n vrrp 51 version {version}\n vrrp 51 priority {priority}\n vrrp 51 advertisement-interval \
         {interval}\n"
    );
    for address in case.addresses() {
        text.push_str(&format!(" vrrp 51 {word} {address}\n"));
    }
    std::fs::write(lab.file("vrrpd.conf"), text).unwrap();
    std::fs::write(lab.file("zebra.conf"), "").unwrap();
    let start = |name: &str| {
        let mut command = Command::new(format!("/usr/lib/frr/{name}"));
        command.args(["-u", "root", "-g", "root", "-P", "0", "-z"]).arg(lab.file("zserv"));
        command.arg("-i").arg(lab.file(&format!("{name}.pid")));
        command.arg("--vty_socket").arg(lab.folder.path());
        command.arg("-f").arg(lab.file(&format!("{name}.conf")));
        command.stdin(Stdio::null());
        logged(lab, &format!("{name}.log"), &mut command);
        lab.theirs.spawn(command)
    };
    let _ = std::fs::remove_file(lab.file("zserv"));
    let zebra = start("zebra");
    until("zebra listens", || lab.file("zserv").exists());
    let vrrpd = start("vrrpd");
    until("vrrpd listens", || lab.file("vrrpd.vty").exists());
    vec![vrrpd, zebra]
}

/// In a user namespace there is no other user than root, and FRR wants it in the group of its terminal.
fn let_frr_run_as_root(lab: &Lab) {
    let groups = std::fs::read_to_string("/etc/group").unwrap();
    let groups: Vec<&str> = groups.lines().filter(|line| !line.starts_with("frrvty:")).collect();
    std::fs::write(lab.file("group"), format!("{}\nfrrvty:x:0:root\n", groups.join("\n"))).unwrap();
    run(Command::new("mount").arg("--bind").arg(lab.file("group")).arg("/etc/group"));
    for folder in ["/var/tmp", "/etc/frr"] {
        run(Command::new("mount").args(["-t", "tmpfs", "tmpfs", folder]));
    }
}
