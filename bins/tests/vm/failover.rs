//! Two directors, one after the other: what becomes of connections that are open.

use lb_ipvs::{
    Client, Daemon, DaemonRole, Destination, Forwarding, Namespace, SchedulerKind, connections::connections,
};

use crate::{
    guest::on_ipvs,
    site::{Net, VIP, patiently, tcp},
    support::{Connection, Web},
};

const CONNECTIONS: usize = 50;

#[test]
fn connections_that_were_copied_survive_a_failover() {
    on_ipvs(|| {
        let survivors = [true, false].map(fail_over);
        println!(
            "of {CONNECTIONS} connections {} survived with copies, {} without",
            survivors[0], survivors[1]
        );
        assert_eq!(survivors, [CONNECTIONS, 0]);
    });
}

/// How many connections get an answer from the second director that were made by the first.
fn fail_over(copied: bool) -> usize {
    let (outside, inside) = (Net::new("outside"), Net::new("inside"));
    let join = |switch: &Net, net: &Net, interface: &str, addresses: &str| {
        switch.link(net.name(), net, interface);
        net.ip(&format!("{addresses}\nlink set {interface} up"));
        switch.ip(&format!("link set {} master bridge up", net.name()));
    };
    for switch in [&outside, &inside] {
        switch.ip("link add bridge type bridge\nlink set bridge up");
    }
    let (client, server) = (Net::new("client"), Net::new("server"));
    join(&outside, &client, "eth0", "addr add 10.0.0.2/24 dev eth0");
    join(&inside, &server, "eth0", "addr add 192.168.0.1/24 dev eth0\naddr add 192.168.0.2/24 dev eth0");
    server.ip("route add default via 192.168.0.254");
    let service = tcp("10.0.0.1:80", SchedulerKind::RoundRobin);
    let mut directors = [1, 2].map(|number| {
        let net = Net::new(&format!("director{number}"));
        join(&outside, &net, "eth0", &format!("addr add 10.0.0.25{number}/24 dev eth0"));
        join(&inside, &net, "eth1", &format!("addr add 192.168.0.25{number}/24 dev eth1"));
        net.sysctl("ipv4.ip_forward", "1");
        let mut ipvs = net.on(Client::open).unwrap();
        ipvs.add_service(&service).unwrap();
        for server in ["192.168.0.1:80", "192.168.0.2:80"] {
            let server = Destination::new(server.parse().unwrap(), Forwarding::Masquerade);
            ipvs.add_destination(&service.key, &server).unwrap();
        }
        (net, ipvs)
    });
    if copied {
        let [(_, first), (_, second)] = &mut directors;
        first.start_daemon(&Daemon::new(DaemonRole::Master, "eth1", 1)).unwrap();
        second.start_daemon(&Daemon::new(DaemonRole::Backup, "eth1", 1)).unwrap();
    }
    let [(first, _), (second, ipvs)] = &mut directors;
    let active = format!("addr add {VIP}/32 dev eth0\naddr add 192.168.0.254/32 dev eth1");
    first.ip(&active);

    let _webs = ["192.168.0.1:80", "192.168.0.2:80"]
        .map(|address| server.on(|| Web::at(address.parse().unwrap(), address)));
    let address = format!("{VIP}:80").parse().unwrap();
    let mut open: Vec<(Connection, String)> = (0..CONNECTIONS)
        .map(|_| {
            let mut connection = client.on(|| Connection::open(address)).unwrap();
            let name = connection.ask("").unwrap();
            (connection, name)
        })
        .collect();
    if copied {
        patiently("the copies", || {
            let copies = second.on(|| connections(&Namespace::own(), 1000)).unwrap();
            let (copies, listed) = (copies.len(), ipvs.destinations(&service.key).unwrap());
            let active: u32 = listed.iter().map(|entry| entry.active + entry.inactive).sum();
            let all = (copies, active as usize) == (CONNECTIONS, CONNECTIONS);
            all.then_some(()).ok_or_else(|| format!("{copies} copies, {active} of servers"))
        });
    }

    first.ip(&active.replace("add ", "del "));
    second.ip(&active);
    client.ip("neigh flush dev eth0");
    server.ip("neigh flush dev eth0");
    open.iter_mut()
        .filter_map(|(connection, name)| Some(connection.ask("").ok()? == *name))
        .filter(|same| *same)
        .count()
}
