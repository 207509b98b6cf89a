//! lb-failover's processes are killed: what becomes of its virtual services.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    guest::on_ipvs,
    node::Node,
    site::{Net, patiently},
};

const FOREIGN: &str = "TCP  10.0.0.9:80 wlc";

fn server(port: u16) -> String {
    format!(
        "virtual_server 10.0.0.1 {port} {{\n  lb_algo rr\n  lb_kind NAT\n  protocol TCP\n  \
         real_server 192.168.0.1 {port} {{\n    weight 3\n  }}\n}}\n"
    )
}

/// Waits until the services that the kernel lists are these.
fn services(net: &Net, node: &Node, expected: &[&str]) {
    patiently("the services", || {
        let listing = net.run("ipvsadm -L -n");
        let mut found: Vec<&str> = listing
            .lines()
            .skip(3)
            .filter(|line| !line.trim_start().starts_with("->"))
            .map(str::trim)
            .collect();
        found.sort_unstable();
        (found == expected).then_some(()).ok_or_else(|| format!("{listing}{}", node.supervisor.log()))
    });
}

#[test]
fn services_of_a_killed_daemon_are_removed_unless_its_successor_wants_them() {
    on_ipvs(|| {
        let net = Net::new("director");
        net.run("ipvsadm -A -t 10.0.0.9:80");
        let mut node = Node::start(&net, &(server(80) + &server(81)));
        services(&net, &node, &["TCP  10.0.0.1:80 rr", "TCP  10.0.0.1:81 rr", FOREIGN]);

        // The successor reads another file than the killed daemon did.
        node.configure(&(server(80) + &server(82)));
        let daemon = || i32::try_from(node.supervisor.status()["pid"].as_i64().unwrap()).unwrap();
        let killed = daemon();
        kill(Pid::from_raw(killed), Signal::SIGKILL).unwrap();
        patiently("the successor", || {
            let output = node.supervisor.lbctl(&["status", "--json"]);
            let answers = output.status.success() && daemon() != killed;
            answers.then_some(()).ok_or_else(|| node.supervisor.log())
        });
        services(&net, &node, &["TCP  10.0.0.1:80 rr", "TCP  10.0.0.1:82 rr", FOREIGN]);

        // The daemon dies while the supervisor is stopping it: the supervisor removes what is left.
        let last = daemon();
        kill(Pid::from_raw(last), Signal::SIGSTOP).unwrap();
        node.supervisor.signal(Signal::SIGTERM);
        kill(Pid::from_raw(last), Signal::SIGKILL).unwrap();
        node.stop();
        services(&net, &node, &[FOREIGN]);
    });
}
