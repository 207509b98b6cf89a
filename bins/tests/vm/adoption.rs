//! lb-director and connections that are open: it finds them when it starts, and keeps them when it is told something else.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use lb_bins::control::{client::Client as Control, protocol::Request};
use lb_ipvs::{Destination, Forwarding, SchedulerKind, ServerKey, ServiceKey};

use crate::{
    guest::on_ipvs,
    random::Random,
    site::{Site, VIP, patiently, tcp},
    support::{Connection, Lab},
};

const CONNECTIONS: usize = 200;
/// Connections that are asked after each change; all are when the last is made.
const ASKED: u32 = 10;

#[test]
fn a_table_is_adopted_with_its_connections() {
    on_ipvs(|| {
        let mut site = Site::nat(3);
        let _webs = site.webs(80);
        let service = tcp("10.0.0.1:80", SchedulerKind::WeightedRoundRobin);
        let webs = ["192.168.0.1:80", "192.168.0.2:80", "192.168.0.3:80"];
        site.serve(&service, Forwarding::Masquerade, &webs[..2]);
        let foreign = tcp("10.0.0.1:8080", SchedulerKind::RoundRobin);
        site.serve(&foreign, Forwarding::Masquerade, &webs);
        let mut open = connections(&site, CONNECTIONS);

        let lab = Lab::new(
            "virtual = 10.0.0.1:80\n        real = 192.168.0.1:80 masq 5\n        real = 192.168.0.2:80 masq\n        \
             real = 192.168.0.3:80 masq\n        checktype = connect\n",
        );
        for _ in 0..2 {
            let mut director = site.director.on(|| lab.start("ipvs"));
            let mut weights = BTreeMap::new();
            patiently("the third server", || {
                let servers = site.ipvs.destinations(&service.key).unwrap();
                let entry =
                    |entry: &lb_ipvs::DestinationEntry| (entry.destination.key, entry.destination.weight);
                weights = servers.iter().map(entry).collect::<BTreeMap<ServerKey, u32>>();
                (weights.len() == 3).then_some(()).ok_or_else(|| director.log())
            });
            assert_eq!(weights.into_values().collect::<Vec<_>>(), [5, 1, 1]);
            answer_as_before(&mut open);
            // The kernel forgets what it has counted of a server that is taken out, even for a moment. It counts every two seconds.
            patiently("what was counted before", || {
                let servers = site.ipvs.destinations(&service.key).unwrap();
                let active: u32 = servers.iter().map(|server| server.active).sum();
                let counted: u64 = servers.iter().map(|server| server.stats.total.connections).sum();
                let all = active as usize >= CONNECTIONS && counted as usize >= CONNECTIONS;
                all.then_some(()).ok_or_else(|| format!("{servers:#?}"))
            });
            assert_eq!(site.ipvs.destinations(&foreign.key).unwrap().len(), 3, "not ours to touch");
            // The second time it finds what one that was killed has left.
            director.child.kill().unwrap();
            director.child.wait().unwrap();
        }
        answer_as_before(&mut open);
    });
}

/// With `LB_VM_CHANGES=1000`, so many changes.
#[test]
fn changes_reset_only_connections_of_servers_that_are_taken_out() {
    on_ipvs(|| {
        let changes = std::env::var("LB_VM_CHANGES").map_or(100, |count| count.parse().unwrap());
        let mut site = Site::nat(5);
        let _webs = site.webs(80);
        let mut wanted = Wanted::new();
        let lab = Lab::new(&wanted.config());
        let _director = site.director.on(|| lab.start("ipvs"));
        wanted.wait_for(&mut site);
        let mut control = Control::connect(&lab.socket()).unwrap();
        let mut random = Random::new("changes");
        let mut open = connections(&site, CONNECTIONS);
        let mut cut = 0;
        for _ in 0..changes {
            wanted.change(&mut random);
            lab.configure(&wanted.config());
            control.ask(&Request::Reload).unwrap();
            wanted.wait_for(&mut site);
            // These were announced, and are made anew.
            let before = open.len();
            open.retain(|(_, server)| wanted.has(server));
            cut += before - open.len();
            open.extend(connections(&site, CONNECTIONS - open.len()));
            for _ in 0..ASKED {
                let one = random.below(CONNECTIONS.try_into().unwrap()) as usize;
                answer_as_before(&mut open[one..=one]);
            }
        }
        answer_as_before(&mut open);
        assert!(cut > 0, "no server with connections was taken out");
        println!(
            "{changes} changes, tables compared after each; {cut} connections announced as cut, none other"
        );
    });
}

/// So many connections, each with the name of its server.
fn connections(site: &Site, count: usize) -> Vec<(Connection, String)> {
    let address = format!("{VIP}:80").parse().unwrap();
    let connect = || {
        let mut connection = Connection::open(address).unwrap();
        let server = connection.ask("").unwrap();
        (connection, server)
    };
    site.client.on(|| (0..count).map(|_| connect()).collect())
}

fn answer_as_before(open: &mut [(Connection, String)]) {
    for (connection, server) in open {
        assert_eq!(connection.ask("").unwrap(), *server);
    }
}

/// What the configuration says.
struct Wanted {
    scheduler: &'static str,
    persistent: bool,
    /// Weights of the servers, by number.
    servers: BTreeMap<u32, u32>,
    /// Ports of more services with the same servers.
    others: BTreeSet<u32>,
}

impl Wanted {
    fn new() -> Self {
        let servers = (1..=3).map(|number| (number, 1)).collect();
        Self { scheduler: "rr", persistent: false, servers, others: BTreeSet::new() }
    }

    fn change(&mut self, random: &mut Random) {
        match random.below(10) {
            0 => {
                const SCHEDULERS: [&str; 6] = ["rr", "wrr", "lc", "wlc", "sed", "nq"];
                self.scheduler = SCHEDULERS[random.below(6) as usize];
            }
            1 => self.persistent = !self.persistent,
            2 | 3 => {
                let port = 8000 + random.below(5);
                if !self.others.remove(&port) {
                    self.others.insert(port);
                }
            }
            4 => {
                let number = 1 + random.below(5);
                if self.servers.len() > 2 {
                    self.servers.remove(&number);
                }
            }
            _ => {
                // One at least takes connections.
                let number = 1 + random.below(5);
                let others = self.servers.iter().any(|(other, weight)| *other != number && *weight > 0);
                self.servers.insert(number, random.below(4).max(u32::from(!others)));
            }
        }
        if self.servers.values().all(|weight| *weight == 0) {
            self.servers.values_mut().for_each(|weight| *weight = 1);
        }
    }

    fn config(&self) -> String {
        let mut text = String::new();
        for port in [80].iter().chain(&self.others) {
            writeln!(text, "virtual = {VIP}:{port}").unwrap();
            for (number, weight) in &self.servers {
                writeln!(text, "        real = 192.168.0.{number}:80 masq {weight}").unwrap();
            }
            writeln!(text, "        scheduler = {}\n        checktype = on", self.scheduler).unwrap();
            if self.persistent {
                text += "        persistent = 60\n";
            }
        }
        text
    }

    fn has(&self, server: &str) -> bool {
        self.servers.keys().any(|number| server == format!("web{number}"))
    }

    /// Waits until the director's table is that.
    fn wait_for(&self, site: &mut Site) {
        let servers: BTreeMap<ServerKey, u32> = self
            .servers
            .iter()
            .map(|(number, weight)| (format!("192.168.0.{number}:80").parse().unwrap(), *weight))
            .collect();
        let ports = [80].iter().chain(&self.others);
        let timeout = if self.persistent { 60 } else { 0 };
        let wanted: BTreeMap<ServiceKey, _> = ports
            .map(|port| {
                let key = ServiceKey::tcp(format!("{VIP}:{port}").parse().unwrap());
                (key, (self.scheduler.to_owned(), timeout, servers.clone()))
            })
            .collect();
        patiently("the table", || {
            let table = site.ipvs.table().unwrap().into_iter();
            let weights = |servers: Vec<lb_ipvs::DestinationEntry>| {
                let weight = |server: Destination| (server.key, server.weight);
                servers.into_iter().map(|entry| weight(entry.destination)).collect::<BTreeMap<_, _>>()
            };
            let found: BTreeMap<ServiceKey, _> = table
                .map(|(key, (service, servers))| {
                    let service = service.service;
                    (key, (service.scheduler.to_string(), service.timeout, weights(servers)))
                })
                .collect();
            (found == wanted).then_some(()).ok_or_else(|| format!("wanted {wanted:?}, found {found:?}"))
        });
    }
}
