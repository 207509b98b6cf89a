//! A configuration that changes at random.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{random::Random, site::VIP};

/// Real servers that there are, by number; the two after them stand in when none is left.
pub(super) const SERVERS: u8 = 5;

/// Ports of services.
pub(super) const PORTS: std::ops::Range<u16> = 80..86;

/// What the configuration says of each port.
pub(super) struct Wanted(BTreeMap<u16, Service>);

struct Service {
    scheduler: &'static str,
    persistence: &'static str,
    quiescent: bool,
    fallback: Option<u8>,
    servers: BTreeMap<u8, Server>,
}

struct Server {
    weight: u32,
    forwarding: &'static str,
}

impl Wanted {
    /// Two services, which share servers.
    pub(super) fn new() -> Self {
        Self([(80, Service::new([1, 2, 3])), (81, Service::new([3, 4, 5]))].into())
    }

    /// Makes one change; what kind of it. A service is taken out only if `services` says that this may be.
    pub(super) fn change(&mut self, random: &mut Random, services: bool) -> &'static str {
        let port = PORTS.start + random.below(PORTS.len() as u32) as u16;
        let services = services && self.0.len() > 2;
        let Some(service) = self.0.get_mut(&port) else {
            let servers = (0..3).map(|_| 1 + random.below(SERVERS.into()) as u8).collect::<Vec<_>>();
            self.0.insert(port, Service::new(servers));
            return "service added";
        };
        let number = 1 + random.below(SERVERS.into()) as u8;
        match random.below(12) {
            0 if services => {
                self.0.remove(&port);
                "service removed"
            }
            0 | 1 => {
                const ALL: [&str; 7] = ["rr", "wrr", "lc", "wlc", "sed", "nq", "lblc"];
                service.scheduler = ALL[random.below(7) as usize];
                "scheduler"
            }
            2 => {
                const ALL: [&str; 3] =
                    ["", "persistent = 60\n", "persistent = 60\nnetmask = 255.255.255.224\n"];
                service.persistence = ALL[random.below(3) as usize];
                "persistence"
            }
            3 => {
                service.quiescent = !service.quiescent;
                "quiescent"
            }
            4 => {
                let stand_in = SERVERS + 1 + random.below(2) as u8;
                service.fallback = Some(stand_in).filter(|new| service.fallback != Some(*new));
                "fallback"
            }
            5 | 6 => match service.servers.remove(&number) {
                Some(_) => "server removed",
                None => {
                    service.servers.clear();
                    "all servers removed"
                }
            },
            _ => {
                let weight = random.below(4);
                // What is already connected goes on by the old method; nobody new gets there, since no server of this
                // site answers by itself.
                let forwarding = if weight == 0 && random.below(2) == 0 { "gate" } else { "masq" };
                match service.servers.insert(number, Server { weight, forwarding }) {
                    Some(before) if before.forwarding != forwarding => "forwarding",
                    Some(_) => "weight",
                    None => "server added",
                }
            }
        }
    }

    /// As text.
    pub(super) fn config(&self) -> String {
        let mut text = String::new();
        for (port, service) in &self.0 {
            let quiescent = if service.quiescent { "yes" } else { "no" };
            let mut lines = format!(
                "checktype = on\nscheduler = {}\nquiescent = {quiescent}\n{}",
                service.scheduler, service.persistence
            );
            for (number, Server { weight, forwarding }) in &service.servers {
                writeln!(lines, "real = 192.168.0.{number}:{port} {forwarding} {weight}").unwrap();
            }
            if let Some(number) = service.fallback {
                writeln!(lines, "fallback = 192.168.0.{number}:{port} masq").unwrap();
            }
            writeln!(text, "virtual = {VIP}:{port}").unwrap();
            lines.lines().for_each(|line| writeln!(text, "        {line}").unwrap());
        }
        text
    }

    /// One of the real servers, with its port.
    pub(super) fn some_server(&self, random: &mut Random) -> Option<String> {
        let all: Vec<(u16, u8)> = self
            .0
            .iter()
            .flat_map(|(port, service)| service.servers.keys().map(|number| (*port, *number)))
            .collect();
        let count = u32::try_from(all.len()).unwrap();
        let (port, number) = (count > 0).then(|| all[random.below(count) as usize])?;
        Some(format!("192.168.0.{number}:{port}"))
    }
}

impl Service {
    fn new(servers: impl IntoIterator<Item = u8>) -> Self {
        let servers = servers.into_iter().map(|number| (number, Server { weight: 1, forwarding: "masq" }));
        Self {
            scheduler: "rr",
            persistence: "",
            quiescent: false,
            fallback: None,
            servers: servers.collect(),
        }
    }
}
