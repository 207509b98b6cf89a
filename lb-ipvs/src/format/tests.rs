//! The files in `golden/` are the output of ipvsadm 1.31 on Linux 6.1.192 for the table that `table()` builds,
//! by the command that stands at each use.

use std::{collections::BTreeMap, time::Duration};

use lb_core::{
    dataplane::{ServerCounters, ServiceCounters, Traffic},
    model::*,
};

use super::*;

fn servers(text: &str) -> BTreeMap<ServerKey, ServerSpec> {
    text.split_terminator(';')
        .map(|server| {
            let words: Vec<&str> = server.split_whitespace().collect();
            let tunnel = |kind, checksum| Forwarding::Tunnel(Tunnel { kind, checksum });
            let forwarding = match words[1] {
                "gue" => tunnel(TunnelKind::Gue(6080.try_into().unwrap()), TunnelChecksum::Full),
                "gre" => tunnel(TunnelKind::Gre, TunnelChecksum::None),
                word => Forwarding::parse(word).unwrap(),
            };
            let thresholds = match words.get(3) {
                Some(upper) => Thresholds { upper: upper.parse().unwrap(), lower: words[4].parse().unwrap() },
                None => Thresholds::NONE,
            };
            let weight = Weight::new(words[2].parse().unwrap());
            (words[0].parse().unwrap(), ServerSpec { weight, forwarding, thresholds })
        })
        .collect()
}

fn table() -> ServiceTable {
    let persistent = |seconds: u32, prefix| {
        Some(Persistence { prefix, ..Persistence::seconds(seconds.try_into().unwrap()) })
    };
    let both = SchedulerFlags::FALLBACK.union(SchedulerFlags::PORT);
    let none = SchedulerFlags::EMPTY;
    [
        (
            "tcp:10.0.0.100:80",
            "wlc",
            none,
            None,
            false,
            "192.168.0.1:80 masq 1;192.168.0.2:80 masq 2 100 50;192.168.0.3:80 masq 0;",
        ),
        ("tcp:10.0.0.100:0", "rr", none, persistent(600, Some(24)), false, "192.168.0.1:0 gate 1;"),
        (
            "udp:10.0.0.100:53",
            "rr",
            none,
            None,
            true,
            "192.168.0.1:53 gue 1;192.168.0.2:53 gre 1;192.168.0.3:53 ipip 1;",
        ),
        ("fwmark:7", "sh", both, None, false, "192.168.0.1:0 gate 1;"),
        ("fwmark:8/ipv6", "mh", SchedulerFlags::PORT, persistent(360, None), false, ""),
        (
            "tcp:[2001:db8::1]:443",
            "wrr",
            none,
            persistent(300, Some(64)),
            false,
            "[2001:db8::11]:443 masq 1;",
        ),
        ("sctp:10.0.0.100:9999", "lc", none, None, false, ""),
    ]
    .into_iter()
    .fold(ServiceTable::new(), |table, (key, scheduler, flags, persistence, one_packet, list)| {
        let spec = ServiceSpec { scheduler: scheduler.parse().unwrap(), flags, persistence, one_packet };
        table.with_service(key.parse().unwrap(), Service { spec, servers: servers(list) })
    })
}

/// Counters of `service` and its servers: connections, packets and bytes in and out, then what is open.
fn count(
    all: &mut BTreeMap<ServiceKey, ServiceCounters>,
    service: &str,
    total: [u64; 5],
    servers: &[(&str, [u64; 5], [u32; 3])],
) {
    let traffic = |[connections, in_packets, out_packets, in_bytes, out_bytes]: [u64; 5]| Traffic {
        connections,
        in_packets,
        out_packets,
        in_bytes,
        out_bytes,
    };
    let servers = servers.iter().map(|(server, numbers, [active, inactive, persistent])| {
        let (active, inactive, persistent) = (*active, *inactive, *persistent);
        let traffic = traffic(*numbers);
        (server.parse().unwrap(), ServerCounters { active, inactive, persistent, traffic, failed: 0 })
    });
    let servers = servers.collect();
    all.insert(service.parse().unwrap(), ServiceCounters { traffic: traffic(total), refused: 0, servers });
}

fn stats() -> BTreeMap<ServiceKey, ServiceCounters> {
    let mut all = BTreeMap::new();
    let one = [1, 2, 0, 120, 0];
    count(&mut all, "tcp:10.0.0.100:0", one, &[("192.168.0.1:0", one, [1, 0, 1])]);
    let web = [
        ("192.168.0.1:80", [3, 27, 24, 1509, 1956], [0, 3, 0]),
        ("192.168.0.2:80", [6, 53, 48, 2966, 3912], [0, 6, 0]),
    ];
    count(&mut all, "tcp:10.0.0.100:80", [9, 80, 72, 4475, 5868], &web);
    all
}

fn rates() -> BTreeMap<ServiceKey, ServiceCounters> {
    let mut all = BTreeMap::new();
    let one = [0, 0, 0, 8, 0];
    count(&mut all, "tcp:10.0.0.100:0", one, &[("192.168.0.1:0", one, [0; 3])]);
    let web =
        [("192.168.0.1:80", [0, 1, 1, 61, 79], [0; 3]), ("192.168.0.2:80", [0, 2, 2, 126, 170], [0; 3])];
    count(&mut all, "tcp:10.0.0.100:80", [0, 3, 3, 188, 250], &web);
    all
}

fn render(view: View, counters: &BTreeMap<ServiceKey, ServiceCounters>, ports: Ports<'_>) -> String {
    let header = "IP Virtual Server version 1.2.1 (size=4096)";
    Listing { header, table: &table(), counters, ports, view, exact: false }.render()
}

#[test]
fn listings_are_those_of_ipvsadm() {
    let numeric = |view| render(view, &stats(), Ports::Numeric);
    assert_eq!(numeric(View::Table), include_str!("golden/table.txt"), "ipvsadm -L -n");
    assert_eq!(numeric(View::Stats), include_str!("golden/stats.txt"), "ipvsadm -L -n --stats");
    assert_eq!(
        numeric(View::Thresholds),
        include_str!("golden/thresholds.txt"),
        "ipvsadm -L -n --thresholds"
    );
    assert_eq!(
        numeric(View::Persistent),
        include_str!("golden/persistent.txt"),
        "ipvsadm -L -n --persistent-conn"
    );
    assert_eq!(numeric(View::Tunnels), include_str!("golden/tunnels.txt"), "ipvsadm -L -n --tun-info");
    assert_eq!(
        render(View::Rate, &rates(), Ports::Numeric),
        include_str!("golden/rate.txt"),
        "ipvsadm -L -n --rate"
    );
}

#[test]
fn ports_have_names_unless_asked_for_numbers() {
    let lookup = |port, _| match port {
        80 => Some("http".to_owned()),
        53 => Some("domain".to_owned()),
        443 => Some("https".to_owned()),
        _ => None,
    };
    let named = render(View::Table, &stats(), Ports::Named(&lookup));
    assert_eq!(named, include_str!("golden/named.txt"), "ipvsadm -L");
}

#[test]
fn the_saved_form_is_that_of_ipvsadm() {
    assert_eq!(save(&table(), Ports::Numeric), include_str!("golden/save.txt"), "ipvsadm -S -n");
}

#[test]
fn large_numbers_are_shortened_unless_exact() {
    let (table, counters) = (ServiceTable::new(), BTreeMap::new());
    let listing = |exact| {
        let ports = Ports::Numeric;
        Listing { header: "", table: &table, counters: &counters, ports, view: View::Stats, exact }
    };
    assert_eq!(listing(false).number(99_999_999), " 99999999");
    assert_eq!(listing(false).number(100_000_000), "  100000K");
    assert_eq!(listing(false).number(123_456_789_012_345), "  123456G");
    assert_eq!(listing(true).number(100_000_000), " 100000000");
}

#[test]
fn connections_are_listed_as_by_ipvsadm() {
    let entry = |expires, state: &str, source: &str, virtual_address: &str, destination: &str| Connection {
        protocol: Protocol::Tcp,
        state: state.to_owned(),
        expires: Duration::from_secs(expires),
        source: source.parse().unwrap(),
        virtual_address: virtual_address.parse().unwrap(),
        destination: destination.parse().unwrap(),
    };
    let listed = connections(
        &[
            entry(111, "TIME_WAIT", "10.0.0.2:52422", "10.0.0.100:80", "192.168.0.2:80"),
            entry(592, "NONE", "10.0.0.0:0", "10.0.0.100:0", "192.168.0.1:0"),
        ],
        Ports::Numeric,
    );
    let golden = include_str!("golden/connections.txt");
    let lines: Vec<&str> = golden.lines().collect();
    let expected = [lines[0], lines[1], lines[2], lines.iter().find(|line| line.contains("NONE")).unwrap()];
    assert_eq!(listed.lines().collect::<Vec<_>>(), expected, "ipvsadm -L -n -c");
}
