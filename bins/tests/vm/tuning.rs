//! The kernel's settings: explained, set when asked, and said to be better otherwise where they would be.

use std::process::Command;

use lb_ipvs::{
    Namespace,
    sysctl::{self, Sysctl},
};

use crate::{
    guest::on_ipvs,
    node::Node,
    site::{Net, VIP, patiently},
    support::{Daemon, Lab},
};

fn value(net: &Net, sysctl: Sysctl) -> i64 {
    net.on(|| sysctl::read(&Namespace::own(), sysctl)).unwrap().unwrap()
}

#[test]
fn lbctl_explains_settings_and_sets_them() {
    on_ipvs(|| {
        let net = Net::new("director");
        let lbctl = env!("CARGO_BIN_EXE_lbctl");
        let listed = net.run(&format!("{lbctl} ipvs sysctl"));
        assert_eq!(listed.lines().count(), Sysctl::ALL.len(), "{listed}");
        assert!(listed.starts_with("expire_nodest_conn = 0: packets of a connection"), "{listed}");
        assert!(listed.contains("(recommended is 1: a client of a server that is gone"), "{listed}");
        let set = net.run(&format!("{lbctl} ipvs sysctl expire_nodest_conn=1 net.ipv4.vs.conntrack=0"));
        // Whether the kernel tracks connections by default is its builder's choice.
        assert!(set.starts_with("expire_nodest_conn: from 0 to 1\nconntrack: from "), "{set}");
        assert_eq!(value(&net, Sysctl::ExpireNodestConn), 1);
        let one = net.run(&format!("{lbctl} ipvs sysctl expire_nodest_conn"));
        assert!(
            one.starts_with("expire_nodest_conn = 1: the first packet") && !one.contains("recommended"),
            "{one}"
        );
        assert_eq!(one.lines().count(), 1, "{one}");
    });
}

fn answers(daemon: &Daemon) {
    patiently("the socket", || {
        daemon.lbctl(&["status"]).status.success().then_some(()).ok_or_else(|| daemon.log())
    });
}

/// Waits for a status that has all of these and nothing of those.
fn status(daemon: &Daemon, with: &[&str], without: &[&str]) {
    patiently("a status", || {
        let status = daemon.told(&["status"]);
        let good = with.iter().all(|text| status.contains(text))
            && !without.iter().any(|text| status.contains(text));
        good.then_some(()).ok_or(status)
    });
}

const NODEST: &str = "advice: expire_nodest_conn is 0: packets";
const QUIESCENT: &str = "advice: expire_quiescent_template is 0: a client";

#[test]
fn lb_director_advises_what_fits_its_services_and_sets_what_it_is_asked_for() {
    on_ipvs(|| {
        let net = Net::new("director");
        let config = |lines: &str| {
            format!("virtual = {VIP}:80\n        real = 192.168.0.1:80 masq\n        checktype = on\n{lines}")
        };
        let lab = Lab::new(&config(""));
        let mut director = net.on(|| lab.start("ipvs"));
        status(&director, &[NODEST], &[QUIESCENT]);
        director.wait_for_line("consider `lbctl ipvs sysctl expire_nodest_conn=1`");
        // Somebody follows the advice.
        net.on(|| sysctl::replace(&Namespace::own(), Sysctl::ExpireNodestConn, 1)).unwrap();
        status(&director, &[], &["advice"]);
        lab.configure(&config("        quiescent = yes\n        persistent = 60\n"));
        director.told(&["reload"]);
        status(&director, &[QUIESCENT], &[NODEST]);
        director.wait_for_line("expire_quiescent_template is 0");
        director.assert_logged("expire_nodest_conn is 0", 1);
        assert_eq!(value(&net, Sysctl::ExpireQuiescentTemplate), 0, "nobody asked for it");
        director.stop();

        let mut command = lab.director("ipvs");
        command.args(["--ipvs-sysctl", "expire_quiescent_template=1", "--ipvs-sysctl=conn_reuse_mode=2"]);
        command.arg(lab.config());
        let director = net.on(|| lab.spawn(command));
        answers(&director);
        director.wait_for_line("sysctl expire_quiescent_template: from 0 to 1");
        director.wait_for_line("sysctl conn_reuse_mode: from 1 to 2");
        let values =
            [Sysctl::ExpireQuiescentTemplate, Sysctl::ConnReuseMode].map(|sysctl| value(&net, sysctl));
        assert_eq!(values, [1, 2]);
        status(&director, &["data plane ipvs"], &["advice", "PROBLEM"]);
    });
}

#[test]
fn lb_failover_advises_and_sets_too() {
    on_ipvs(|| {
        let net = Net::new("director");
        let config = format!(
            "virtual_server {VIP} 80 {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\npersistence_timeout 60\n\
             real_server 192.168.0.1 80 {{\ninhibit_on_failure\n}}\nreal_server 192.168.0.2 80 {{\n}}\n}}\n"
        );
        let options = ["--ipvs-sysctl", "expire_nodest_conn=1"];
        let node = Node::start_with(&net, &config, &options);
        status(&node.supervisor, &["data plane ipvs", QUIESCENT], &[NODEST, "PROBLEM"]);
        node.supervisor.wait_for_line("sysctl expire_nodest_conn: from 0 to 1");
        assert_eq!(value(&net, Sysctl::ExpireNodestConn), 1);
    });
}

/// Where it can not be set, that is one line, and the rest goes on.
#[test]
fn what_can_not_be_set_is_said() {
    on_ipvs(|| {
        let net = Net::new("director");
        let lab = Lab::new(&format!(
            "virtual = {VIP}:80\n        real = 192.168.0.1:80 masq\n        checktype = on\n"
        ));
        // A view of /proc/sys that is read only, as containers have it.
        let script = "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec \"$@\"";
        let inner = lab.director("ipvs");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(inner.get_program()).args(inner.get_args());
        command.args(["--ipvs-sysctl=expire_nodest_conn=1"]).arg(lab.config());
        let director = net.on(|| lab.spawn(command));
        let line = "sysctl expire_nodest_conn=1 is not set: /proc/sys/net/ipv4/vs/expire_nodest_conn: Read-only file system";
        answers(&director);
        director.wait_for_line(line);
        status(&director, &[&format!("PROBLEM: {line}"), NODEST, "192.168.0.1:80"], &[]);
    });
}
