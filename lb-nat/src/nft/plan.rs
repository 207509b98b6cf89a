//! What a table and its services are to consist of. Pure: a service and the configuration in, objects out.

use std::{fmt::Write, net::IpAddr};

use lb_core::model::{
    Family, Persistence, Protocol, SchedulerFlags, SchedulerKind, ServerKey, ServerSpec, Service, ServiceKey,
    ServiceSpec, Weight,
};

use super::{
    config::NftConfig,
    name,
    objects::{Chain, Objects, Rule, Set},
    slots,
};

/// Longest round of turns that is written down slot by slot; above it, turns are drawn at random by weight.
const LONGEST_ROUND: u64 = 1024;
/// Slots for `sh` and `dh`, near the kernel's 256; a prime.
pub(super) const HASH_SLOTS: u32 = 251;
/// For `jhash`: any fixed number, so that all balancers agree.
const SEED: u32 = 1;

/// What every table has: hooks, maps from addresses to services, the marker.
pub(super) fn base(config: &NftConfig) -> Objects {
    let mut objects = Objects::default();
    let mut lookups = Vec::new();
    let mut postrouting = Vec::new();
    for family in [Family::V4, Family::V6] {
        let (ip, digit) = (ip(family), name::digit(family));
        let address = format!("{family}_addr");
        let maps = [
            ("mark", "mark".to_owned(), format!("meta nfproto {family} meta mark")),
            (
                "service",
                format!("{address} . inet_proto . inet_service"),
                format!("{ip} daddr . meta l4proto . th dport"),
            ),
            ("address", format!("{address} . inet_proto"), format!("{ip} daddr . meta l4proto")),
        ];
        for (map, key, lookup) in maps {
            let map = format!("{map}{digit}");
            if config.snat {
                let body = format!("type {key};");
                objects.sets.insert(name::snat_set(&map), Set { kind: "set", body });
            }
            lookups.push(Rule::from(format!("{lookup} vmap @{map}")));
            objects.sets.insert(map, Set { kind: "map", body: format!("type {key} : verdict;") });
        }
        let original = format!("ct original {ip} daddr . meta l4proto");
        postrouting.push(format!("meta nfproto {family} meta mark @snat-mark{digit}"));
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
            let port = format!("{original} . ct original proto-dst @snat-service{digit}");
            postrouting.push(format!("meta l4proto {protocol} {port}"));
        }
        postrouting.push(format!("{original} @snat-address{digit}"));
    }
    // Naming the state turns connection tracking on even while there is no server yet.
    let jump = vec![Rule::from("ct state new jump dispatch".to_owned())];
    let hook = |hook: &str, priority: i32| format!("type nat hook {hook} priority {priority}");
    let mut chain = |name: &str, hook: String, rules: Vec<Rule>| {
        objects.chains.insert(name.to_owned(), Chain { hook, rules });
    };
    chain(name::MARKER, String::new(), Vec::new());
    chain("dispatch", String::new(), lookups);
    chain("prerouting", hook("prerouting", -100), jump.clone());
    chain("output", hook("output", -100), jump);
    if config.snat {
        let masquerade = |text: String| Rule::from(format!("ct status dnat {text} masquerade"));
        let rules = postrouting.into_iter().map(masquerade).collect();
        chain("postrouting", hook("postrouting", 100), rules);
    }
    objects
}

/// What a service consists of. The service must have passed [`support`](super::support).
pub(super) fn service(key: &ServiceKey, service: &Service, config: &NftConfig) -> Objects {
    let mut objects = Objects::default();
    let chain = name::service(key);
    let refused = name::refused(&chain);
    let (map, element) = name::element(key);
    if config.snat {
        objects.elements.insert((name::snat_set(&map), element.clone()), None);
    }
    objects.elements.insert((map, element), Some(chain.clone()));
    objects.counters.extend([chain.clone(), refused.clone()]);

    let comment = name::service_comment(key, &service.spec);
    let mut rules = vec![Rule::with_comment(format!("counter name \"{chain}\""), comment)];
    for (server, spec) in &service.servers {
        let target = name::server(&chain, server);
        let mut own = Vec::new();
        if let Some(persistence) = &service.spec.persistence {
            let client = client(key.family(), persistence);
            if !spec.weight.is_zero() || config.quiescent_keeps_clients {
                rules.push(Rule::from(format!("{client} @{target} goto {target}")));
            }
            own.push(Rule::from(format!("update @{target} {{ {client} timeout {}s }}", persistence.timeout)));
            let address = if key.family() == Family::V4 { "ipv4_addr" } else { "ipv6_addr" };
            let size = config.persistent_clients;
            let body = format!("type {address}; flags dynamic,timeout; size {size};");
            objects.sets.insert(target.clone(), Set { kind: "set", body });
        }
        own.extend(translation(key, server, spec, &target));
        objects.chains.insert(target.clone(), Chain { hook: String::new(), rules: own });
        objects.counters.insert(target);
    }
    rules.push(match choice(key, service, config) {
        Some(choice) => choice.rule(&chain),
        None => Rule::from(format!("counter name \"{refused}\" reject")),
    });
    objects.chains.insert(chain, Chain { hook: String::new(), rules });
    objects
}

/// The rules that rewrite the destination; the first carries the server's spec.
fn translation(service: &ServiceKey, server: &ServerKey, spec: &ServerSpec, target: &str) -> Vec<Rule> {
    let (ip, address, port) = (ip(service.family()), server.address, server.port);
    let comment = name::server_comment(server, spec);
    let whole = format!("counter name \"{target}\" dnat {ip} to {address}");
    if port == 0 {
        return vec![Rule::with_comment(whole, comment)];
    }
    let to = match address {
        IpAddr::V4(address) => format!("{address}:{port}"),
        IpAddr::V6(address) => format!("[{address}]:{port}"),
    };
    let with_port =
        |protocols: &str| format!("meta l4proto {protocols} counter name \"{target}\" dnat {ip} to {to}");
    match service.protocol() {
        Some(protocol) => vec![Rule::with_comment(with_port(protocol.name()), comment)],
        None => vec![Rule::with_comment(with_port("{ sctp, tcp, udp }"), comment), Rule::from(whole)],
    }
}

/// How the server of a new connection is chosen.
struct Choice {
    /// `numgen inc mod 3`
    index: String,
    /// Runs of slots: first, last, server.
    runs: Vec<(u32, u32, ServerKey)>,
}

impl Choice {
    fn rule(&self, chain: &str) -> Rule {
        let mut text = format!("{} vmap {{", self.index);
        for (position, (first, last, server)) in self.runs.iter().enumerate() {
            let comma = if position > 0 { "," } else { "" };
            let target = name::server(chain, server);
            let _ = match first == last {
                true => write!(text, "{comma} {first} : goto {target}"),
                false => write!(text, "{comma} {first}-{last} : goto {target}"),
            };
        }
        text.push_str(" }");
        Rule::from(text)
    }
}

fn choice(key: &ServiceKey, service: &Service, config: &NftConfig) -> Option<Choice> {
    let usable = || service.servers.iter().filter(|(_, spec)| !spec.weight.is_zero());
    let (mut servers, mut weights): (Vec<ServerKey>, Vec<u32>) =
        usable().map(|(key, spec)| (*key, u32::from(spec.weight.get()))).unzip();
    let heaviest = *weights.iter().max()?;
    match service.spec.scheduler {
        SchedulerKind::RoundRobin => weights.fill(1),
        SchedulerKind::Failover => {
            servers = vec![servers[weights.iter().position(|weight| *weight == heaviest)?]];
            weights = vec![1];
        }
        _ => weights = slots::reduced(&weights),
    }
    let ip = ip(key.family());
    let port = if service.spec.flags.contains(SchedulerFlags::PORT) { " . th sport" } else { "" };
    let hashed = |field: String, size: u32| Choice {
        index: format!("jhash {field} mod {size} seed {SEED:#x}"),
        runs: runs(&slots::maglev(&servers, &weights, size), &servers),
    };
    Some(match service.spec.scheduler {
        SchedulerKind::SourceHash => hashed(format!("{ip} saddr{port}"), HASH_SLOTS),
        SchedulerKind::DestinationHash => hashed(format!("{ip} daddr"), HASH_SLOTS),
        SchedulerKind::Maglev => hashed(format!("{ip} saddr{port}"), slots::prime(config.maglev_slots)),
        _ => taken_in_turn(&servers, &weights),
    })
}

fn taken_in_turn(servers: &[ServerKey], weights: &[u32]) -> Choice {
    let total: u64 = weights.iter().copied().map(u64::from).sum();
    if total <= LONGEST_ROUND.max(servers.len() as u64) {
        let runs = runs(&slots::turns(weights), servers);
        return Choice { index: format!("numgen inc mod {total}"), runs };
    }
    let mut next = 0;
    let run = |(server, weight): (&ServerKey, &u32)| {
        let first = next;
        next += weight;
        (first, next - 1, *server)
    };
    let runs = servers.iter().zip(weights).map(run).collect();
    Choice { index: format!("numgen random mod {total}"), runs }
}

/// Slots that follow each other and have the same owner, as one.
fn runs(table: &[usize], servers: &[ServerKey]) -> Vec<(u32, u32, ServerKey)> {
    let mut runs: Vec<(u32, u32, ServerKey)> = Vec::new();
    for (slot, &index) in (0..).zip(table) {
        match runs.last_mut() {
            Some((_, last, server)) if *server == servers[index] => *last = slot,
            _ => runs.push((slot, slot, servers[index])),
        }
    }
    runs
}

/// The client by which persistence groups: `ip saddr`, `ip saddr & 255.255.255.0`.
fn client(family: Family, persistence: &Persistence) -> String {
    let source = format!("{} saddr", ip(family));
    let bits = persistence.prefix.unwrap_or(family.bits());
    let network = match family {
        Family::V4 => {
            ipnet::Ipv4Net::new(std::net::Ipv4Addr::UNSPECIFIED, bits).map(|net| net.netmask().into())
        }
        Family::V6 => {
            ipnet::Ipv6Net::new(std::net::Ipv6Addr::UNSPECIFIED, bits).map(|net| net.netmask().into())
        }
    };
    match network {
        Ok(mask) if bits < family.bits() => format!("{source} & {}", IpAddr::to_string(&mask)),
        _ => source,
    }
}

/// nft's word for the header.
const fn ip(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

/// One of everything, to ask the kernel whether it has it all.
pub(super) fn sample(config: &NftConfig) -> Objects {
    let mut objects = base(config);
    let persistence = Persistence::seconds(std::num::NonZeroU32::MIN);
    let keys = ["tcp:192.0.2.1:1", "udp:[2001:db8::1]:1"].map(str::parse::<ServiceKey>);
    let servers = ["192.0.2.2:1", "[2001:db8::2]:1"].map(str::parse::<ServerKey>);
    let schedulers = [SchedulerKind::RoundRobin, SchedulerKind::SourceHash];
    for ((key, server), scheduler) in keys.into_iter().zip(servers).zip(schedulers) {
        let (Ok(key), Ok(server)) = (key, server) else { continue };
        let one = Service::new(ServiceSpec::new(scheduler).persistent(persistence.clone()));
        let one = one.with_server(server, ServerSpec::masq(Weight::ONE));
        objects.extend(&service(&key, &one, config));
    }
    objects
}
