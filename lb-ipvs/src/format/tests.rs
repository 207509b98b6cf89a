//! The files in `golden/` are the output of ipvsadm 1.31 on Linux 6.1.192 for the table that `table()` builds,
//! by the command that stands at each use.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use lb_core::{
    dataplane::{Connection, ServerCounters, ServiceCounters, Traffic},
    model::{
        Persistence, Protocol, SchedulerFlags, ServerKey, ServerSpec, Service, ServiceSpec, ServiceTable,
        Thresholds, Tunnel, TunnelChecksum, TunnelKind, Weight,
    },
};

use super::*;
use crate::wire::{DaemonRole, Destination, ServiceFlags, Version};

fn servers(text: &str) -> BTreeMap<ServerKey, ServerSpec> {
    text.split_terminator(';')
        .map(|server| {
            let words: Vec<&str> = server.split_whitespace().collect();
            let tunnel = |kind, checksum| lb_core::model::Forwarding::Tunnel(Tunnel { kind, checksum });
            let forwarding = match words[1] {
                "gue" => tunnel(TunnelKind::Gue(6080.try_into().unwrap()), TunnelChecksum::Full),
                "gre" => tunnel(TunnelKind::Gre, TunnelChecksum::None),
                word => lb_core::model::Forwarding::parse(word).unwrap(),
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

fn render(view: View, counters: &BTreeMap<ServiceKey, ServiceCounters>, names: Names<'_>) -> String {
    let info = Info { version: Version { major: 1, minor: 2, patch: 1 }, connection_table_size: 4096 };
    let listing = Listing { names, view, exact: false };
    header(&info) + "\n" + &listing.render(&entries(&table(), counters))
}

/// Names that hosts and services have.
struct Hosts<'a>(&'a [(&'a str, &'a str)]);

impl Known for Hosts<'_> {
    fn host(&self, address: IpAddr) -> Option<String> {
        let known = self.0.iter().find(|(ip, _)| ip.parse() == Ok(address));
        known.map(|(_, name)| (*name).to_owned())
    }

    fn port(&self, port: u16, protocol: Protocol) -> Option<String> {
        let name = match (port, protocol) {
            (80, Protocol::Tcp) => "http",
            (8080, Protocol::Tcp) => "http-alt",
            (53, _) => "domain",
            (443, _) => "https",
            // Port 0 is no service, whatever the system calls it.
            (0, _) => "reserved",
            _ => return None,
        };
        Some(name.to_owned())
    }
}

/// A numeric listing back into what it shows.
fn read(listing: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in listing.lines().skip(3) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0] == "->" {
            let forwarding = match words[2] {
                "Masq" => Forwarding::Masquerade,
                "Tunnel" => Forwarding::Tunnel,
                _ => Forwarding::Direct,
            };
            let mut destination = Destination::new(words[1].parse().unwrap(), forwarding);
            destination.weight = words[3].parse().unwrap();
            let (service, mut servers) = entries.pop().unwrap();
            servers.extend(entry(service.service.clone(), [destination]).1);
            entries.push((service, servers));
            continue;
        }
        let family = if words[2] == "IPv6" { Family::V6 } else { Family::V4 };
        let (key, options) = match words[0] {
            "FWM" => {
                let mark = words[1].parse::<i32>().unwrap().cast_unsigned().try_into().unwrap();
                (ServiceKey::FwMark { mark, family }, &words[if family == Family::V6 { 3 } else { 2 }..])
            }
            protocol => {
                let protocol = protocol.to_lowercase().parse().unwrap();
                (ServiceKey::new(protocol, words[1].parse().unwrap()), &words[2..])
            }
        };
        let mut service = crate::wire::Service::new(key, options[0].parse().unwrap());
        if options.get(1) == Some(&"persistent") {
            service = service.persistent(options[2].parse().unwrap());
        }
        if options.get(3) == Some(&"mask") {
            service.netmask = Netmask::V4(options[4].parse::<Ipv4Addr>().unwrap());
        }
        entries.push(entry(service, []));
    }
    entries
}

fn numeric(view: View) -> Listing<'static> {
    Listing { names: Names::Numeric, view, exact: false }
}

#[test]
fn listings_are_those_of_ipvsadm() {
    let numeric = |view| render(view, &stats(), Names::Numeric);
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
    let rate = render(View::Rate, &rates(), Names::Numeric);
    assert_eq!(rate, include_str!("golden/rate.txt"), "ipvsadm -L -n --rate");
}

#[test]
fn ports_have_names_unless_asked_for_numbers() {
    let named = render(View::Table, &stats(), Names::Known(&Hosts(&[])));
    assert_eq!(named, include_str!("golden/named.txt"), "ipvsadm -L");
}

#[test]
fn the_order_is_that_of_ipvsadm_with_its_circles() {
    let mut entries = read(include_str!("golden/unsorted.txt"));
    let body = |text: &'static str| text.split_once('\n').unwrap().1;
    let unsorted = body(include_str!("golden/unsorted.txt"));
    assert_eq!(numeric(View::Table).render(&entries), unsorted, "ipvsadm -L -n --nosort");
    sort(&mut entries);
    let sorted = body(include_str!("golden/sorted.txt"));
    assert_eq!(numeric(View::Table).render(&entries), sorted, "ipvsadm -L -n");
}

#[test]
fn names_of_hosts_are_cut_where_ipvsadm_cuts_them() {
    const LONG: &str = "a-host-name-with-many-many-many-letters-in-it.and.a.domain.example.org";
    let hosts = [
        ("10.0.0.1", "a-host-name-of-forty-characters-in-total."),
        ("10.0.0.2", "twenty-three-characters"),
        ("10.0.0.3", "twenty-four-characters-x"),
        ("10.0.0.4", "twenty-two-characters"),
        ("10.0.0.5", LONG),
        ("2001:db8::5", LONG),
        ("2001:db8::4", "twenty-two-characters"),
        ("2001:db8::3", "twenty-four-characters-x"),
        ("10.0.0.6", "alias.is.second"),
        ("10.0.0.7", "Upper.Case"),
    ];
    let hosts = Hosts(&hosts);
    let mut entries = read(include_str!("golden/hosts-unsorted.txt"));
    sort(&mut entries);
    let listed = |view| Listing { names: Names::Known(&hosts), view, exact: false }.render(&entries);
    let body = |text: &'static str| text.split_once('\n').unwrap().1;
    assert_eq!(listed(View::Table), body(include_str!("golden/hosts.txt")), "ipvsadm -L");
    assert_eq!(listed(View::Stats), body(include_str!("golden/hosts-stats.txt")), "ipvsadm -L --stats");
    assert_eq!(save(&entries, Names::Known(&hosts)), include_str!("golden/hosts-save.txt"), "ipvsadm -S");
}

#[test]
fn the_saved_form_is_that_of_ipvsadm() {
    let saved = save(&entries(&table(), &BTreeMap::new()), Names::Numeric);
    assert_eq!(saved, include_str!("golden/save.txt"), "ipvsadm -S -n");
}

#[test]
fn the_complete_form_loses_nothing() {
    let key = "fwmark:4000000000/ipv6".parse().unwrap();
    let mut service = crate::wire::Service::new(key, SchedulerKind::SourceHash);
    service.flags |= ServiceFlags::SCHEDULER_1 | ServiceFlags::SCHEDULER_3;
    let server = |text: &str, upper| {
        let mut destination = Destination::new(text.parse().unwrap(), Forwarding::Masquerade);
        destination.thresholds.upper = upper;
        destination
    };
    let entries = [entry(service, [server("[fd00::2]:80", 9), server("[fd00::1]:80", 0)])];
    assert_eq!(
        save_complete(&entries),
        "-A -f 4000000000 -6 -s sh -b sh-fallback,flag-3\n\
         -a -f 4000000000 -6 -r [fd00::1]:80 -m -w 1\n\
         -a -f 4000000000 -6 -r [fd00::2]:80 -m -w 1 -x 9 -y 0\n"
    );
    // Recorded for such a service: `-A -f 3000000000`, and `-b flag-3` with sh.
    let lossy = save(&entries, Names::Numeric);
    assert_eq!(lossy.lines().next(), Some("-A -f -294967296 -6 -s sh -b sh-fallback"));
}

#[test]
fn large_numbers_are_shortened_unless_exact() {
    let listing = |exact| Listing { names: Names::Numeric, view: View::Stats, exact };
    assert_eq!(listing(false).number(99_999_999), " 99999999");
    assert_eq!(listing(false).number(100_000_000), "  100000K");
    assert_eq!(listing(false).number(123_456_789_012_345), "  123456G");
    assert_eq!(listing(true).number(100_000_000), " 100000000");
}

#[test]
fn timeouts_and_daemons_are_listed_as_by_ipvsadm() {
    let kept = Timeouts { tcp: 900, tcp_fin: 120, udp: 300 };
    // `ipvsadm -L --timeout`, `ipvsadm -L --daemon`.
    assert_eq!(timeouts(&kept), "Timeout (tcp tcpfin udp): 900 120 300\n");
    let mut master = Daemon::new(DaemonRole::Master, "br0", 7);
    let mut backup = Daemon::new(DaemonRole::Backup, "br0", 7);
    (master.max_length, master.port, master.ttl) = (Some(1472), Some(8848), Some(1));
    master.group = Some("224.0.0.81".parse().unwrap());
    (backup.max_length, backup.port, backup.ttl) = (Some(1452), Some(9000), Some(3));
    backup.group = Some("ff02::77".parse().unwrap());
    assert_eq!(
        daemons(&[master, backup]),
        "master sync daemon (mcast=br0, syncid=7, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)\n\
         backup sync daemon (mcast=br0, syncid=7, maxlen=1452, group=ff02::77, port=9000, ttl=3)\n"
    );
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
    let all = [
        entry(111, "TIME_WAIT", "10.0.0.2:52422", "10.0.0.100:80", "192.168.0.2:80"),
        entry(592, "NONE", "10.0.0.0:0", "10.0.0.100:0", "192.168.0.1:0"),
    ];
    let listed = connections(rows(&all), Names::Numeric, false);
    let golden = include_str!("golden/connections.txt");
    let lines: Vec<&str> = golden.lines().collect();
    let expected = [lines[0], lines[1], lines[2], lines.iter().find(|line| line.contains("NONE")).unwrap()];
    assert_eq!(listed.lines().collect::<Vec<_>>(), expected, "ipvsadm -L -n -c");
}

#[test]
fn what_a_persistence_engine_goes_by_is_listed_as_by_ipvsadm() {
    let row = Row {
        protocol: "UDP",
        expires: Duration::from_secs(2859),
        state: "NONE",
        source: "10.0.0.2:0".parse().unwrap(),
        virtual_address: "10.0.0.1:5060".parse().unwrap(),
        destination: "192.168.0.1:5060".parse().unwrap(),
        engine: Some(("sip", "7@phone")),
    };
    let last = |engines| connections([row], Names::Numeric, engines).lines().last().map(str::to_owned);
    let line = "UDP 47:39  NONE        10.0.0.2:0         10.0.0.1:5060      192.168.0.1:5060";
    assert_eq!(
        last(true),
        Some(format!("{line} sip                7@phone")),
        "ipvsadm -L -n -c --persistent-conn"
    );
    assert_eq!(last(false).as_deref(), Some(line), "ipvsadm -L -n -c");
}

/// The kernel never lists a server with the last two, so that no recording has them.
#[test]
fn each_way_to_a_server_has_a_word() {
    use Forwarding::{Bypass, Direct, Local, Masquerade, Other, Tunnel};
    let words = [Masquerade, Tunnel, Direct, Other(5), Local, Bypass].map(forwarding_name);
    assert_eq!(words, ["Masq", "Tunnel", "Route", "Route", "Local", "Bypass"]);
}

#[test]
fn totals_and_rates_are_not_mixed_up() {
    let service = crate::Service::new("tcp:10.0.0.1:80".parse().unwrap(), "rr".parse().unwrap());
    let mut entries = [entry(service, [])];
    entries[0].0.stats.total.connections = 111;
    entries[0].0.stats.rate.connections = 222;
    let listed = |view| Listing { names: Names::Numeric, view, exact: true }.render(&entries);
    let (totals, rates) = (listed(View::Stats), listed(View::Rate));
    assert!(totals.contains("111") && !totals.contains("222"), "{totals}");
    assert!(rates.contains("222") && !rates.contains("111"), "{rates}");
}

#[test]
fn the_third_flag_of_a_scheduler_is_saved_where_nothing_is_to_be_lost() {
    let saved = |flags| {
        let mut service = crate::Service::new("tcp:10.0.0.1:80".parse().unwrap(), "sh".parse().unwrap());
        service.flags = flags;
        let entries = [entry(service, [])];
        [save(&entries, Names::Numeric), save_complete(&entries)]
    };
    let line = |options: &str| format!("-A -t 10.0.0.1:80 -s sh{options}\n");
    let (port, third) = (ServiceFlags::SCHEDULER_2, ServiceFlags::SCHEDULER_3);
    assert_eq!(saved(port), [line(" -b sh-port"), line(" -b sh-port")]);
    assert_eq!(saved(port | third), [line(" -b sh-port"), line(" -b sh-port,flag-3")]);
}

#[test]
fn addresses_are_written_as_by_the_c_library_and_no_service_has_port_0() {
    let shown =
        |address: &str| Names::Known(&Hosts(&[])).socket(address.parse().unwrap(), Some(Protocol::Tcp));
    assert_eq!(shown("[::5:80]:443"), "[::0.5.0.128]:https");
    assert_eq!(shown("[::80]:443"), "[::80]:https");
    assert_eq!(shown("10.0.0.1:0"), "10.0.0.1:0");
}
