//! Two directors side by side, between a client and servers: whoever is active has the address.

use lb_ipvs::{Client, Namespace, ServiceKey, connections::connections};

use crate::{
    site::{Net, VIP, patiently},
    support::{Connection, Web},
};

/// Where the servers are, in the order in which they are added.
pub(crate) const SERVERS: [&str; 2] = ["192.168.0.1:80", "192.168.0.2:80"];
/// The servers' way out, which the active director has.
pub(crate) const WAY_OUT: &str = "192.168.0.254";

/// The client is 10.0.0.2. The directors are 10.0.0.251 and 10.0.0.252 on eth0, and 192.168.0.251 and 192.168.0.252 on eth1.
pub(crate) struct Pair {
    outside: Net,
    inside: Net,
    pub(crate) client: Net,
    pub(crate) server: Net,
    pub(crate) directors: [Net; 2],
    _webs: [Web; 2],
}

impl Pair {
    pub(crate) fn new() -> Self {
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
        server.ip(&format!("route add default via {WAY_OUT}"));
        let directors = [1, 2].map(|number| {
            let net = Net::new(&format!("director{number}"));
            join(&outside, &net, "eth0", &format!("addr add 10.0.0.25{number}/24 dev eth0"));
            join(&inside, &net, "eth1", &format!("addr add 192.168.0.25{number}/24 dev eth1"));
            net.sysctl("ipv4.ip_forward", "1");
            net
        });
        let webs = SERVERS.map(|address| server.on(|| Web::at(address.parse().unwrap(), address)));
        Self { outside, inside, client, server, directors, _webs: webs }
    }

    /// Connections to the service, each with the name of its server.
    pub(crate) fn connect(&self, count: usize) -> Vec<(Connection, String)> {
        let address = format!("{VIP}:80").parse().unwrap();
        let connect = |_| {
            let mut connection = self.client.on(|| Connection::open(address)).unwrap();
            let name = connection.ask("").unwrap();
            (connection, name)
        };
        (0..count).map(connect).collect()
    }

    /// Waits until the second director has copies of so many connections.
    pub(crate) fn await_copies(&self, count: usize) {
        let second = &self.directors[1];
        let mut ipvs = second.on(Client::open).unwrap();
        let service = ServiceKey::tcp(format!("{VIP}:80").parse().unwrap());
        patiently("the copies", || {
            let copies = second.on(|| connections(&Namespace::own(), 1000)).unwrap();
            let (copies, listed) = (copies.len(), ipvs.destinations(&service).unwrap());
            let active: u32 = listed.iter().map(|entry| entry.active + entry.inactive).sum();
            let all = (copies, active as usize) == (count, count);
            all.then_some(()).ok_or_else(|| format!("{copies} copies, {active} of servers"))
        });
    }

    /// Takes the first director off its cables.
    pub(crate) fn cut_off_the_first(&self) {
        let line = format!("link set {} down", self.directors[0].name());
        self.outside.ip(&line);
        self.inside.ip(&line);
    }
}

/// How many connections get an answer from the server that they had.
pub(crate) fn survivors(open: &mut [(Connection, String)]) -> usize {
    let same = |(connection, name): &mut (Connection, String)| Some(connection.ask("").ok()? == *name);
    open.iter_mut().filter_map(same).filter(|same| *same).count()
}
