//! lb-director and connections that are open: it finds them when it starts, and keeps them when it is told something else.

mod crowd;
mod told;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};

use lb_control::protocol::Request;
use lb_core::{
    model::{self, ServiceTable},
    overrides::Action,
};
use lb_ipvs::{Forwarding, SchedulerKind, ServerKey};
use lb_runtime::limits;

use self::{
    crowd::{CLIENTS, Crowd, Greeters, Place},
    told::{Told, announced, carried_out, planned},
    wanted::{PORTS, SERVERS, Wanted},
};
use crate::{
    guest::on_ipvs,
    random::Random,
    site::{Site, VIP, patiently, tcp},
    support::{Connection, Daemon, Lab},
};

const CONNECTIONS: usize = 200;
const CHANGES: usize = 100;
/// Connections that are asked while a change is made: those that have waited longest.
const ASKED: u64 = 50;

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

/// The kernel resets connections of servers that have left as soon as their clients send something. Some are asked during every
/// change, all in turn; each that breaks must be one of a server whose leaving the daemon has told, in its journal and,
/// where there was a reload, in the plan that was asked for before. `LB_VM_CHANGES` is how many changes there are.
#[test]
fn changes_break_only_connections_of_servers_whose_leaving_was_announced() {
    on_ipvs(|| {
        let changes = std::env::var("LB_VM_CHANGES").map_or(CHANGES, |count| count.parse().unwrap());
        let mut trial = Trial::start();
        for change in 1..=changes {
            trial.change(change);
        }
        trial.crowd.ask(CONNECTIONS as u64);
        trial.crowd.wait();
        let found = trial.read();
        trial.compare(&BTreeSet::new(), found, "the last look");
        let Trial { kinds, plans, tables, left, crowd, .. } = trial;
        let (opened, asked) = crowd.totals();
        println!("{changes} changes: {kinds:?}");
        println!(
            "{plans} plans carried out as announced, {tables} tables compared; of {opened} connections, \
             which answered {asked} times, {left} announced as cut, 0 others"
        );
        assert!(left > 0, "no server with connections was taken out");
    });
}

/// The kernel's table, and connections that each server was given.
type Found = (ServiceTable, BTreeMap<Place, u64>);

/// A director, its daemon, and what becomes of connections.
struct Trial {
    site: Site,
    lab: Lab,
    wanted: Wanted,
    director: Daemon,
    told: Told,
    crowd: Crowd,
    table: ServiceTable,
    /// Connections that each server was given, as the kernel counts.
    counted: BTreeMap<Place, u64>,
    random: Random,
    kinds: BTreeMap<&'static str, usize>,
    plans: usize,
    tables: usize,
    left: usize,
}

impl Trial {
    fn start() -> Self {
        limits::raise_open_files();
        let site = Site::nat(SERVERS + 2);
        site.director.sysctl("ipv4.vs.expire_nodest_conn", "1");
        // Else clients go on to servers without weight, also to those that they can not reach.
        site.director.sysctl("ipv4.vs.expire_quiescent_template", "1");
        let address = |address| format!("addr add {address}/24 dev eth0\n");
        site.client.ip(&CLIENTS[1..].iter().map(address).collect::<String>());
        let mut greeters = Greeters::default();
        for (number, net) in (1..).zip(&site.servers) {
            PORTS.for_each(|port| greeters.listen(net, port, number));
        }
        let wanted = Wanted::new();
        let lab = Lab::new(&wanted.config());
        let director = site.director.on(|| lab.start("ipvs"));
        let mut trial = Self {
            told: Told::by(&lab),
            site,
            lab,
            wanted,
            director,
            crowd: Crowd::start(greeters),
            table: ServiceTable::new(),
            counted: BTreeMap::new(),
            random: Random::new("changes"),
            kinds: BTreeMap::new(),
            plans: 0,
            tables: 0,
            left: 0,
        };
        trial.told.settled();
        trial.told.news();
        (trial.table, trial.counted) = trial.read();
        trial
    }

    fn change(&mut self, number: usize) {
        let usable = |service: &model::Service| service.servers.values().any(|spec| !spec.weight.is_zero());
        let services = self.table.services.iter().filter(|(_, service)| usable(service));
        let ports: Vec<u16> = services.filter_map(|(key, _)| Some(key.address()?.port())).collect();
        self.crowd.fill(&self.site.client, &ports, CONNECTIONS);
        self.crowd.during(number);
        self.crowd.ask(ASKED);
        let kind = match self.random.below(100) {
            0 => self.restart(),
            1..=9 => self.order(),
            _ => self.reload(),
        };
        *self.kinds.entry(kind).or_default() += 1;
        self.crowd.wait();
    }

    /// Another configuration; what it does is planned first.
    fn reload(&mut self) -> &'static str {
        let kind = self.wanted.change(&mut self.random, true);
        self.lab.configure(&self.wanted.config());
        let at = self.crowd.places();
        // The kernel takes a moment to forget who has just left.
        let plan = patiently("a plan that counts the connections that there are", || {
            let plan = self.told.plan();
            let (places, count) = planned(&plan, &self.table);
            let ours: u32 = places.iter().filter_map(|place| at.get(place)).sum();
            self.crowd.leave(&BTreeSet::new())?;
            (count == ours).then_some(plan).ok_or_else(|| format!("{count}, and there are {ours}"))
        });
        self.told.order(&Request::Reload);
        let expected = carried_out(&plan, &self.table);
        let found = patiently("the table that was planned", || {
            let found = self.read();
            if found.0 == expected { Ok(found) } else { Err(format!("{expected:#?}\nfound {:#?}", found.0)) }
        });
        self.tables += 1;
        let announced = self.announced();
        assert_eq!(announced, planned(&plan, &self.table).0, "what is told is what was planned: {plan:#?}");
        self.plans += 1;
        self.compare(&announced, found, kind);
        kind
    }

    /// What the operator says of a server.
    fn order(&mut self) -> &'static str {
        let Some(server) = self.wanted.some_server(&mut self.random) else { return "none" };
        let server = server.parse().unwrap();
        let (kind, action) = match self.random.below(3) {
            0 => ("drain", Some(Action::Drain)),
            1 => ("maintenance", Some(Action::Maintenance)),
            _ => ("resume", None),
        };
        self.told.order(&Request::Order {
            server,
            service: None,
            action,
            reason: kind.into(),
            lasting: None,
        });
        let announced = self.announced();
        let found = self.read();
        self.compare(&announced, found, kind);
        kind
    }

    /// The daemon is killed, and the next one finds another configuration. Services that it does not name are none of its business.
    fn restart(&mut self) -> &'static str {
        self.director.child.kill().unwrap();
        self.director.child.wait().unwrap();
        self.wanted.change(&mut self.random, false);
        self.lab.configure(&self.wanted.config());
        self.director = self.site.director.on(|| self.lab.start("ipvs"));
        self.told = Told::by(&self.lab);
        self.told.settled();
        let announced = self.announced();
        let found = self.read();
        self.compare(&announced, found, "restart");
        "restart"
    }

    /// Who has left since the table was compared.
    fn announced(&mut self) -> BTreeSet<Place> {
        announced(&self.told.news(), &self.table)
    }

    /// Nobody else has left, nor come back meanwhile: the kernel counts on, and connections work.
    fn compare(&mut self, announced: &BTreeSet<Place>, (table, counted): Found, kind: &str) {
        match self.crowd.leave(announced) {
            Ok(left) => self.left += left,
            Err(broken) => panic!("{kind}, not announced: {broken}\n{}", self.director.log()),
        }
        for (place, before) in self.counted.iter().filter(|(place, _)| !announced.contains(place)) {
            let now = counted.get(place);
            assert!(now >= Some(before), "{kind}: {place:?} has had {before} connections, and now {now:?}");
        }
        (self.table, self.counted) = (table, counted);
    }

    fn read(&mut self) -> Found {
        let (mut table, mut counted) = (ServiceTable::new(), BTreeMap::new());
        for (key, (service, servers)) in self.site.ipvs.table().unwrap() {
            let mut entry = model::Service::new(service.service.spec());
            for server in servers {
                entry.servers.insert(server.destination.key, server.destination.spec());
                counted.insert((key, server.destination.key), server.stats.total.connections);
            }
            table.services.insert(key, entry);
        }
        (table, counted)
    }
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
