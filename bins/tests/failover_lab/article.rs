//! Two Squid proxies, two virtual addresses, each node Active for one of them: the configurations as they stand, through a
//! dead inner interface, a dead outer interface, and a stopped Squid; and back.

use std::process::Command;

use lb_lab::{Host, Process, Right};

use crate::{
    node::{Kind, Node, lab, settle},
    support::wait,
};

const SQUID: &str = "/usr/sbin/squid";
const FIRST: &str = "192.168.2.101";
const SECOND: &str = "192.168.2.102";

#[test]
fn two_proxies_go_through_three_failures_and_back() {
    let test = "two_proxies_go_through_three_failures_and_back";
    let Some(lab) = lab(test, &[SQUID, "curl"]) else { return };
    for switch in ["lan", "outside"] {
        lab.switch(switch).unwrap();
    }
    let client = lab.host("client").unwrap();
    lab.link(&client, "lan", "eth0", &["192.168.2.10/24".parse().unwrap()]).unwrap();
    let configurations = [
        include_str!("../../../examples/configs/keepalived/proxy-serv01.conf"),
        include_str!("../../../examples/configs/keepalived/proxy-serv02.conf"),
    ];
    let [(one, mut squid), (two, _other)] = [1, 2].map(|number| {
        let host = lab.host(&format!("proxy-serv0{number}")).unwrap();
        lab.link(&host, "lan", "eth0", &[format!("192.168.2.25{number}/24").parse().unwrap()]).unwrap();
        lab.link(&host, "outside", "eth1", &[format!("198.51.100.{number}/24").parse().unwrap()]).unwrap();
        let squid = proxy(&host, lab.right());
        let mut node = Node::new(host, Kind::Ours);
        node.configure(configurations[number - 1]);
        node.start();
        (node, squid)
    });
    let as_usual = || {
        settle(&one, &two, FIRST);
        settle(&two, &one, SECOND);
        for address in [FIRST, SECOND] {
            answers(&client, address);
        }
    };
    let all_on_second = || {
        settle(&two, &one, FIRST);
        settle(&two, &one, SECOND);
        for address in [FIRST, SECOND] {
            answers(&client, address);
        }
    };
    as_usual();
    let labels = one.host.addresses().unwrap();
    assert!(labels.iter().any(|found| found.label.as_deref() == Some("eth0:1")), "{labels:?}");

    for interface in ["eth0", "eth1"] {
        one.host.set_link(interface, false).unwrap();
        all_on_second();
        one.host.set_link(interface, true).unwrap();
        as_usual();
    }
    squid.kill_family().unwrap();
    all_on_second();
    let _squid = proxy(&one.host, lab.right());
    as_usual();
}

/// Squid on a host, as soon as it is there for `squid -k check`.
fn proxy(host: &Host, right: Right) -> Process {
    let settings = "http_port 0.0.0.0:3128\nhttp_access allow all\npid_filename /run/squid/squid.pid\ncache deny all\n\
                    access_log none\ncache_log /run/squid/cache.log\nlogfile_rotate 0\nshutdown_lifetime 0 seconds\n\
                    visible_hostname proxy\npinger_enable off\nnetdb_filename none\n";
    host.write("/etc/squid/squid.conf", settings).unwrap();
    host.sh("mkdir -p /run/squid; rm -f /run/squid/squid.pid; chown proxy:proxy /run/squid 2>/dev/null || chmod 777 /run/squid")
        .unwrap();
    let mut command = match right {
        Right::Root => Command::new(SQUID),
        // It wants to be another user than root, and there is none in a user namespace.
        Right::User => {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-user=13", "--map-group=13", SQUID]);
            command
        }
    };
    let squid = host.spawn(command.arg("-N")).unwrap();
    wait("Squid", || host.sh("/usr/sbin/squid -k check 2>/dev/null").ok());
    squid
}

/// Waits until a proxy answers on the address.
fn answers(client: &Host, address: &str) {
    let ask = format!("curl -sS -o /dev/null -w '%{{http_code}}' --max-time 2 http://{address}:3128/");
    // Whatever Squid says to a request without a host in it, it says it.
    wait(&format!("Squid on {address}"), || client.sh(&ask).ok().filter(|code| code != "000"));
}
