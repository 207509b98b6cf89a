//! The kernel's schedulers beside those of lb-core: random histories of a service, and each pick is the same.

mod arena;

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
    num::NonZeroU32,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use lb_core::{
    Time,
    model::{Family, SchedulerFlags, SchedulerKind, ServerKey, ServerSpec, ServiceKey, Thresholds, Weight},
    schedule::{Balancer, Flow, Load},
};
use lb_ipvs::{Command, Destination, Forwarding, Service, ServiceFlags};

use self::arena::{Arena, Connection, client_address, servers, service_address};
use crate::{guest::on_ipvs, random::Random, site::patiently};

/// Each history goes on until so many connections were opened or refused.
const PICKS: usize = 200;

/// What becomes of the connections of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Each datagram is scheduled by itself, and forgotten.
    OnePacket,
    /// They stay, and are inactive.
    Udp,
    /// They stay, and are active until the server closes its side.
    Tcp,
}
use Kind::{OnePacket, Tcp, Udp};

#[test]
fn rr() {
    on_ipvs(|| compare("rr", 0, &[(Udp, Family::V4), (OnePacket, Family::V6), (Tcp, Family::V4)]));
}

#[test]
fn wrr() {
    on_ipvs(|| compare("wrr", 0, &[(Udp, Family::V4), (OnePacket, Family::V6), (Tcp, Family::V4)]));
}

#[test]
fn lc() {
    on_ipvs(|| compare("lc", 0, &[(Tcp, Family::V4), (Udp, Family::V6)]));
}

#[test]
fn wlc() {
    on_ipvs(|| compare("wlc", 0, &[(Tcp, Family::V4), (Udp, Family::V4), (Tcp, Family::V6)]));
}

#[test]
fn sed() {
    on_ipvs(|| compare("sed", 0, &[(Tcp, Family::V4), (Tcp, Family::V6)]));
}

#[test]
fn nq() {
    on_ipvs(|| compare("nq", 0, &[(Tcp, Family::V4), (Tcp, Family::V6)]));
}

#[test]
fn fo() {
    on_ipvs(|| compare("fo", 0, &[(Udp, Family::V4), (Tcp, Family::V6)]));
}

#[test]
fn ovf() {
    // Many are refused, and by IPv6 the client misses each refusal until it tries again after a second.
    on_ipvs(|| compare("ovf", 0, &[(Tcp, Family::V4)]));
}

#[test]
fn lblc() {
    on_ipvs(|| compare("lblc", 0, &[(Tcp, Family::V4), (Tcp, Family::V6)]));
}

#[test]
fn lblcr() {
    on_ipvs(|| compare("lblcr", 0, &[(Tcp, Family::V4), (Tcp, Family::V6)]));
}

#[test]
fn dh() {
    on_ipvs(|| compare("dh", 0, &[(OnePacket, Family::V4), (Udp, Family::V6)]));
}

#[test]
fn sh() {
    on_ipvs(|| (0..4).for_each(|flags| compare("sh", flags, &[(OnePacket, Family::V4), (Udp, Family::V6)])));
}

#[test]
fn mh() {
    on_ipvs(|| (0..4).for_each(|flags| compare("mh", flags, &[(OnePacket, Family::V4), (Udp, Family::V6)])));
}

/// Histories of this scheduler, one for each kind and family.
fn compare(scheduler: &str, flags: u8, histories: &[(Kind, Family)]) {
    static ARENA: OnceLock<Mutex<Arena>> = OnceLock::new();
    let arena = ARENA.get_or_init(|| Mutex::new(Arena::new()));
    let mut arena = arena.lock().unwrap_or_else(PoisonError::into_inner);
    for (kind, family) in histories {
        let mut history = History::new(&mut arena, scheduler, flags, *kind, *family);
        let refused = history.run();
        println!("{}: {PICKS} picks compared, {refused} of them of no server", history.title);
    }
}

/// A service of the kernel's and a balancer of lb-core's.
struct History<'a> {
    arena: &'a mut Arena,
    mark: u8,
    key: ServiceKey,
    kind: Kind,
    family: Family,
    balancer: Balancer,
    /// A server that is added again has its old connections, as from the kernel's trash.
    loads: HashMap<ServerKey, Arc<Load>>,
    present: BTreeSet<ServerKey>,
    open: Vec<(ServerKey, Connection)>,
    random: Random,
    title: String,
    /// Everything that was done.
    steps: String,
}

impl<'a> History<'a> {
    fn new(arena: &'a mut Arena, scheduler: &str, flags: u8, kind: Kind, family: Family) -> Self {
        let scheduler: SchedulerKind = scheduler.parse().unwrap();
        let mark = arena.mark();
        let key = ServiceKey::FwMark { mark: NonZeroU32::new(mark.into()).unwrap(), family };
        let mut service = Service::new(key, scheduler.clone());
        service.flags = ServiceFlags::from_bits(u32::from(flags) << 3);
        if kind == OnePacket {
            service.flags |= ServiceFlags::ONE_PACKET;
        }
        arena.director.add_service(&service).unwrap();
        let title = format!("{scheduler}, flags {flags}, {kind:?}, {family}");
        Self {
            arena,
            mark,
            key,
            kind,
            family,
            balancer: Balancer::new(&scheduler, SchedulerFlags::from_bits(flags), 0).unwrap(),
            loads: HashMap::new(),
            present: BTreeSet::new(),
            open: Vec::new(),
            random: Random::new(&title),
            title,
            steps: String::new(),
        }
    }

    /// How many of the picks were of no server.
    fn run(&mut self) -> usize {
        (0..3).for_each(|_| self.set());
        let (mut picks, mut refused) = (0, 0);
        while picks < PICKS {
            match self.random.below(100) {
                0..10 => self.set(),
                10..14 => self.remove(),
                14..22 => self.fade(),
                _ => {
                    refused += usize::from(!self.pick());
                    picks += 1;
                    if picks % 20 == 0 {
                        self.compare_counts();
                    }
                }
            }
        }
        self.arena.director.delete_service(&self.key).unwrap();
        refused
    }

    /// Adds a server, or edits it.
    fn set(&mut self) {
        let key = self.any_server();
        let weight = match self.random.below(10) {
            0 => 0,
            1..5 => 1 + self.random.below(3),
            5..9 => 6 * (1 + self.random.below(4)),
            _ => 1 + self.random.below(400),
        };
        let mut thresholds = Thresholds::NONE;
        // What is forgotten at once never reaches one.
        if self.kind != OnePacket && self.random.below(4) == 0 {
            thresholds.upper = 1 + self.random.below(40);
            thresholds.lower = self.random.below(thresholds.upper + 1);
        }
        let Thresholds { upper, lower } = thresholds;
        writeln!(self.steps, "set {key} weight {weight} upper {upper} lower {lower}").unwrap();
        let mut destination = Destination::new(key, Forwarding::Masquerade).with_weight(weight);
        destination.thresholds = thresholds;
        let command =
            if self.present.insert(key) { Command::AddDestination } else { Command::EditDestination };
        self.arena.director.execute(&command(self.key, destination)).unwrap();
        let spec = ServerSpec { thresholds, ..ServerSpec::masq(Weight::new(weight.try_into().unwrap())) };
        self.balancer.set(key, spec, Some(self.loads.entry(key).or_default().clone()));
    }

    fn remove(&mut self) {
        let key = self.any_server();
        if self.present.len() > 1 && self.present.remove(&key) {
            writeln!(self.steps, "remove {key}").unwrap();
            self.arena.director.delete_destination(&self.key, &key).unwrap();
            self.balancer.remove(&key).unwrap();
        }
    }

    /// A connection becomes inactive.
    fn fade(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let index = self.random.below(self.open.len().try_into().unwrap());
        let (key, connection) = self.open.swap_remove(index.try_into().unwrap());
        writeln!(self.steps, "fade {key}").unwrap();
        connection.half_close();
        self.loads[&key].set_active(false);
        self.compare_counts();
    }

    /// Opens a connection, in the kernel and in lb-core; whether a server got it.
    fn pick(&mut self) -> bool {
        let port = self.arena.port();
        let source = (client_address(self.family, self.random.byte()), port).into();
        let destination = (service_address(self.family, self.mark, self.random.byte() % 4), 80).into();
        let picked = self.balancer.pick(&Flow { source, destination, now: Time::ZERO });
        let picked = picked.map(|server| server.key());
        let answered = if self.kind == Tcp {
            self.arena.connect(source, destination).map(|(key, connection)| {
                self.open.push((key, connection));
                key
            })
        } else {
            self.arena.datagram(source, destination)
        };
        assert_eq!(
            answered, picked,
            "kernel, lb-core: {}: {source} to {destination} after\n{}",
            self.title, self.steps
        );
        let named = picked.map_or("nobody".to_owned(), |key| key.to_string());
        writeln!(self.steps, "pick {source} {destination}: {named}").unwrap();
        if let Some(key) = picked.filter(|_| self.kind != OnePacket) {
            self.loads[&key].open(self.kind == Tcp);
        }
        picked.is_some()
    }

    /// Waits until the kernel counts as many connections; what is on its way is counted when it is through.
    fn compare_counts(&mut self) {
        if self.kind == OnePacket {
            return;
        }
        patiently("the same counts", || {
            let listed = self.arena.director.destinations(&self.key).unwrap();
            assert_eq!(listed.len(), self.present.len());
            let same = listed.iter().all(|entry| {
                let load = &self.loads[&entry.destination.key];
                (entry.active, entry.inactive) == (load.active(), load.inactive())
            });
            same.then_some(()).ok_or_else(|| format!("{listed:#?} in {} after\n{}", self.title, self.steps))
        });
    }

    fn any_server(&mut self) -> ServerKey {
        let index = self.random.below(arena::SERVERS.into());
        servers(self.family).nth(index.try_into().unwrap()).unwrap()
    }
}
