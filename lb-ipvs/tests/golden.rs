//! What ipvsadm and the kernel said to each other, in both directions.
#![cfg(target_endian = "little")]
#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

use std::num::NonZeroU32;

use lb_ipvs::{
    Answer, Client, Command, Daemon, DaemonRole, Destination, ErrorKind, Family, Forwarding, Netmask,
    Protocol, Query, SchedulerKind, ServerKey, Service, ServiceFlags, ServiceKey, Thresholds, Timeouts,
    Tunnel, TunnelFlags, TunnelKind,
    transport::{Recorded, Replay},
};

const RECORDING: &str = include_str!("golden/ipvsadm-1.31.txt");

/// One run of ipvsadm: what it asked, and what it was answered.
struct Run {
    command: &'static str,
    exchanges: Vec<(Vec<u8>, Vec<Recorded>)>,
}

fn runs() -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for line in RECORDING.lines().filter(|line| !line.starts_with('#')) {
        if let Some(command) = line.strip_prefix("$ ipvsadm ") {
            runs.push(Run { command, exchanges: Vec::new() });
            continue;
        }
        let (sign, rest) = line.split_at(1);
        let exchanges = &mut runs.last_mut().unwrap().exchanges;
        match sign {
            ">" => exchanges.push((bytes(rest.trim()), Vec::new())),
            "<" => exchanges.last_mut().unwrap().1.push(Recorded::Message(bytes(rest.trim()))),
            "=" if rest.is_empty() => exchanges.last_mut().unwrap().1.push(Recorded::Done),
            "=" => {
                let end = Recorded::Acknowledged(rest.trim().parse().unwrap());
                exchanges.last_mut().unwrap().1.push(end);
            }
            _ => panic!("{line}"),
        }
    }
    runs
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// The only request of a run, and how it ended.
fn run(command: &str) -> (Vec<u8>, i32) {
    let all = runs();
    let run =
        all.iter().find(|run| run.command == command).unwrap_or_else(|| panic!("{command} was not recorded"));
    let [(request, answers)] = &run.exchanges[..] else { panic!("{command} asked several things") };
    let [Recorded::Acknowledged(end)] = answers[..] else { panic!("{command} was answered at length") };
    (request.clone(), end)
}

fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

fn service(text: &str, scheduler: SchedulerKind) -> Service {
    Service::new(key(text), scheduler)
}

fn server(text: &str, forwarding: Forwarding) -> Destination {
    Destination::new(text.parse().unwrap(), forwarding)
}

fn persistent(mut service: Service, seconds: u32, netmask: Netmask) -> Service {
    service.netmask = netmask;
    service.persistent(NonZeroU32::new(seconds).unwrap())
}

fn flagged(mut service: Service, flags: ServiceFlags) -> Service {
    service.flags |= flags;
    service
}

fn tunnelled(text: &str, tunnel: Tunnel) -> Destination {
    let mut server = server(text, Forwarding::Tunnel);
    server.tunnel = tunnel;
    server
}

fn limited(mut server: Destination, upper: u32, lower: u32) -> Destination {
    server.thresholds = Thresholds { upper, lower };
    server
}

fn wide(text: &str) -> Netmask {
    Netmask::V4(text.parse().unwrap())
}

/// Services, timeouts and sync daemons are asked for in ipvsadm's very bytes.
#[test]
fn services_timeouts_and_daemons_are_sent_as_by_ipvsadm() {
    use Command::{AddService, EditService, SetTimeouts, StartDaemon, StopDaemon};
    use SchedulerKind::{
        LeastConnection, Maglev, RoundRobin, SourceHash, WeightedLeastConnection, WeightedRoundRobin,
    };
    let (web, all, dns, sip) =
        ("tcp:10.0.0.100:80", "tcp:10.0.0.100:0", "udp:10.0.0.100:53", "udp:10.0.0.100:5060");
    let mut with_engine = persistent(service(sip, RoundRobin), 60, wide("255.255.255.255"));
    with_engine.engine = Some("sip".parse().unwrap());
    let backup = {
        let mut daemon = Daemon::new(DaemonRole::Backup, "dummy0", 9);
        daemon.max_length = Some(1400);
        daemon.group = Some("239.1.2.3".parse().unwrap());
        daemon.port = Some(9000);
        daemon.ttl = Some(3);
        daemon
    };
    let master = Daemon::new(DaemonRole::Master, "dummy0", 7);
    let mut master6 = master.clone();
    master6.group = Some("ff02::81".parse().unwrap());
    let expected = [
        ("-A -t 10.0.0.100:80 -s wlc", AddService(service(web, WeightedLeastConnection))),
        (
            "-A -t 10.0.0.100:0 -s rr -p 600 -M 255.255.255.0",
            AddService(persistent(service(all, RoundRobin), 600, wide("255.255.255.0"))),
        ),
        (
            "-E -t 10.0.0.100:0 -s wrr -p 900 -M 255.255.0.0",
            EditService(persistent(service(all, WeightedRoundRobin), 900, wide("255.255.0.0"))),
        ),
        (
            "-A -u 10.0.0.100:53 -s rr -o",
            AddService(flagged(service(dns, RoundRobin), ServiceFlags::ONE_PACKET)),
        ),
        ("-A -u 10.0.0.100:5060 -s rr -p 60 --pe sip", AddService(with_engine)),
        (
            "-E -u 10.0.0.100:5060 -s rr -p 60",
            EditService(persistent(service(sip, RoundRobin), 60, wide("255.255.255.255"))),
        ),
        (
            "-A -f 7 -s sh -b sh-port,sh-fallback",
            AddService(flagged(
                service("fwmark:7", SourceHash),
                ServiceFlags::SCHEDULER_1 | ServiceFlags::SCHEDULER_2,
            )),
        ),
        (
            "-A -f 8 -6 -s mh -b mh-port -p",
            AddService(persistent(
                flagged(service("fwmark:8/ipv6", Maglev), ServiceFlags::SCHEDULER_2),
                360,
                Netmask::V6(128),
            )),
        ),
        (
            "-A -t [2001:db8::1]:443 -s wrr -p 300 -M 64",
            AddService(persistent(
                service("tcp:[2001:db8::1]:443", WeightedRoundRobin),
                300,
                Netmask::V6(64),
            )),
        ),
        (
            "-A --sctp-service 10.0.0.100:9999 -s lc",
            AddService(service("sctp:10.0.0.100:9999", LeastConnection)),
        ),
        ("--set 900 120 300", SetTimeouts(Timeouts { tcp: 900, tcp_fin: 120, udp: 300 })),
        ("--set 0 0 400", SetTimeouts(Timeouts { tcp: 0, tcp_fin: 0, udp: 400 })),
        ("--start-daemon master --mcast-interface dummy0 --syncid 7", StartDaemon(master)),
        (
            "--start-daemon backup --mcast-interface dummy0 --syncid 9 --sync-maxlen 1400 --mcast-group 239.1.2.3 \
             --mcast-port 9000 --mcast-ttl 3",
            StartDaemon(backup),
        ),
        (
            "--start-daemon master --mcast-interface dummy0 --syncid 7 --mcast-group ff02::81",
            StartDaemon(master6),
        ),
        ("--stop-daemon backup", StopDaemon(DaemonRole::Backup)),
        ("-Z", Command::Zero(None)),
        ("-C", Command::Flush),
    ];
    for (recorded, command) in expected {
        let (request, end) = run(recorded);
        assert_eq!(end, 0, "{recorded}");
        assert_eq!(Command::decode(&request).unwrap(), command, "{recorded}");
        assert_eq!(command.encode().unwrap(), request, "{recorded}");
    }
}

/// Requests about servers, and those that name a service only, carry less of the service than ipvsadm's, which sends an
/// empty scheduler too. The server itself is sent in the same bytes.
#[test]
fn servers_are_sent_as_by_ipvsadm() {
    use Command::{AddDestination, DeleteDestination, DeleteService, EditDestination, Zero};
    use Forwarding::{Direct, Masquerade, Tunnel as Tunnelled};
    let (web, dns) = (key("tcp:10.0.0.100:80"), key("udp:10.0.0.100:53"));
    let three = ServerKey::new("192.168.0.3".parse().unwrap(), 80);
    let gue = |port, flags| Tunnel::new(TunnelKind::Gue, port, flags);
    let expected = [
        (
            "-a -t 10.0.0.100:80 -r 10.0.0.100:8080 -m -w 1",
            AddDestination(web, server("10.0.0.100:8080", Masquerade)),
        ),
        (
            "-a -t 10.0.0.100:80 -r 192.168.0.2:80 -m -w 2 -x 100 -y 50",
            AddDestination(web, limited(server("192.168.0.2:80", Masquerade).with_weight(2), 100, 50)),
        ),
        (
            "-a -t 10.0.0.100:80 -r 192.168.0.3 -g -w 0",
            AddDestination(web, server("192.168.0.3:80", Direct).with_weight(0)),
        ),
        (
            "-e -t 10.0.0.100:80 -r 192.168.0.2:80 -m -w 5 -x 100 -y 50",
            EditDestination(web, limited(server("192.168.0.2:80", Masquerade).with_weight(5), 100, 50)),
        ),
        (
            "-a -u 10.0.0.100:53 -r 192.168.0.1 -i --tun-type gue --tun-port 6080 --tun-csum",
            AddDestination(dns, tunnelled("192.168.0.1:53", gue(6080, TunnelFlags::CHECKSUM))),
        ),
        (
            "-a -u 10.0.0.100:53 -r 192.168.0.2 -i --tun-type gre",
            AddDestination(
                dns,
                tunnelled("192.168.0.2:53", Tunnel::new(TunnelKind::Gre, 0, TunnelFlags::EMPTY)),
            ),
        ),
        (
            "-a -u 10.0.0.100:53 -r 192.168.0.3 -i --tun-type gue --tun-port 6081 --tun-remcsum",
            AddDestination(dns, tunnelled("192.168.0.3:53", gue(6081, TunnelFlags::REMOTE_CHECKSUM))),
        ),
        (
            "-a -u 10.0.0.100:53 -r [2001:db8::53]:53 -i",
            AddDestination(dns, server("[2001:db8::53]:53", Tunnelled)),
        ),
        ("-a -f 7 -r 192.168.0.1 -g", AddDestination(key("fwmark:7"), server("192.168.0.1:0", Direct))),
        (
            "-a -t [2001:db8::1]:443 -r [2001:db8::11]:443 -m",
            AddDestination(key("tcp:[2001:db8::1]:443"), server("[2001:db8::11]:443", Masquerade)),
        ),
        ("-d -t 10.0.0.100:80 -r 192.168.0.3", DeleteDestination(web, three)),
        ("-D -f 7", DeleteService(key("fwmark:7"))),
        ("-Z -t 10.0.0.100:80", Zero(Some(web))),
    ];
    for (recorded, command) in expected {
        let (request, end) = run(recorded);
        assert_eq!(end, 0, "{recorded}");
        assert_eq!(Command::decode(&request).unwrap(), command, "{recorded}");
        let ours = command.encode().unwrap();
        assert_eq!(ours[..4], request[..4], "{recorded}");
        assert_eq!(Command::decode(&ours).unwrap(), command, "{recorded}");
        if let AddDestination(..) | EditDestination(..) = command {
            // From the attribute DEST (2, nested) to the end.
            let dest = request.windows(2).rposition(|pair| pair == [0x02, 0x80]).unwrap() - 2;
            assert!(ours.ends_with(&request[dest..]), "{recorded}");
        }
    }
}

/// Whatever the kernel said in the recording, we would say in the same bytes.
#[test]
fn answers_are_the_same_bytes_when_sent_back() {
    let mut seen = 0;
    for run in runs() {
        for (_, answers) in run.exchanges {
            for answer in answers {
                if let Recorded::Message(message) = answer {
                    let decoded = Answer::decode(&message, Family::V4).unwrap();
                    assert_eq!(decoded.encode(), message, "{}: {decoded:?}", run.command);
                    seen += 1;
                }
            }
        }
    }
    assert_eq!(seen, 25);
}

/// A client that replays one run.
fn replay(command: &str) -> Client<Replay> {
    let run = runs().into_iter().rfind(|run| run.command == command).unwrap();
    let replay = run
        .exchanges
        .into_iter()
        .fold(Replay::new(), |replay, (request, answers)| replay.expect(&request, answers));
    Client::with_transport(replay).unwrap()
}

#[test]
fn a_table_is_read_with_the_requests_of_ipvsadm() {
    let mut client = replay("-L -n --stats");
    let table = client.table().unwrap();
    assert!(client.transport().is_exhausted());
    let names: Vec<String> = table.keys().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "tcp:10.0.0.100:0",
            "tcp:10.0.0.100:80",
            "udp:10.0.0.100:53",
            "udp:10.0.0.100:5060",
            "sctp:10.0.0.100:9999",
            "tcp:[2001:db8::1]:443",
            "fwmark:7",
            "fwmark:8/ipv6"
        ]
    );
    // ipvsadm printed: TCP  10.0.0.100:80                       3       14       12      930     1051
    let (web, servers) = &table[&key("tcp:10.0.0.100:80")];
    let total = web.stats.total;
    let printed = [total.connections, total.in_packets, total.out_packets, total.in_bytes, total.out_bytes];
    assert_eq!(printed, WEB, "{web:?}");
    assert!(web.service.flags.contains(ServiceFlags::HASHED));
    assert_eq!(web.service.netmask, wide("255.255.255.255"));
    // The newest first.
    let found: Vec<_> =
        servers.iter().map(|entry| (entry.destination.key.to_string(), entry.destination.weight)).collect();
    assert_eq!(
        found,
        [("192.168.0.3:80".into(), 0), ("192.168.0.2:80".into(), 5), ("10.0.0.100:8080".into(), 1)]
    );
    assert_eq!(servers[1].destination.thresholds, Thresholds { upper: 100, lower: 50 });
    // One of two connections that came to a server that is there, and one that never was answered.
    assert_eq!((servers[1].active, servers[2].inactive), (1, 2));
    let (dns, tunnels) = &table[&key("udp:10.0.0.100:53")];
    assert!(dns.service.flags.contains(ServiceFlags::ONE_PACKET));
    assert_eq!(tunnels[0].destination.key.to_string(), "[2001:db8::53]:53");
    assert_eq!(tunnels[3].destination.tunnel, Tunnel::new(TunnelKind::Gue, 6080, TunnelFlags::CHECKSUM));
    assert_eq!(key("udp:10.0.0.100:53").protocol(), Some(Protocol::Udp));
}

/// Where ipvsadm asks with the same bytes.
#[test]
fn questions_are_those_of_ipvsadm() {
    let asked = |command: &str, at: usize| {
        runs().into_iter().rfind(|run| run.command == command).unwrap().exchanges.swap_remove(at).0
    };
    assert_eq!(Query::Services.encode(), asked("-L -n", 0));
    assert_eq!(Query::Timeouts.encode(), asked("-L --timeout", 0));
    assert_eq!(Query::Daemons.encode(), asked("-L -n --daemon", 0));
    assert_eq!(Query::Destinations(key("tcp:10.0.0.100:80")).encode(), asked("-L -n -t 10.0.0.100:80", 1));
}

/// Totals of the first web service, as printed by `ipvsadm -L -n --stats` in the recording.
const WEB: [u64; 5] = [3, 14, 12, 930, 1051];

#[test]
fn timeouts_and_daemons_are_read_with_the_requests_of_ipvsadm() {
    assert_eq!(replay("-L --timeout").timeouts().unwrap(), Timeouts { tcp: 900, tcp_fin: 120, udp: 400 });
    assert_eq!(replay("-L -n --daemon").daemons().unwrap(), []);
    // ipvsadm printed: master sync daemon (mcast=dummy0, syncid=7, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)
    let both = runs().into_iter().filter(|run| run.command == "-L -n --daemon").nth(1).unwrap();
    let [(request, answers)] = both.exchanges.try_into().unwrap_or_else(|_| panic!());
    let daemons = Client::with_transport(Replay::new().expect(&request, answers)).unwrap().daemons().unwrap();
    let mut master = Daemon::new(DaemonRole::Master, "dummy0", 7);
    master.max_length = Some(1472);
    master.group = Some("224.0.0.81".parse().unwrap());
    master.port = Some(8848);
    master.ttl = Some(1);
    let mut backup = Daemon::new(DaemonRole::Backup, "dummy0", 9);
    backup.max_length = Some(1400);
    backup.group = Some("239.1.2.3".parse().unwrap());
    backup.port = Some(9000);
    backup.ttl = Some(3);
    assert_eq!(daemons, [master, backup]);
}

/// What the kernel refused to ipvsadm, by kind and in our words.
#[test]
fn refusals_have_a_kind_and_say_what_was_being_done() {
    let expected = [
        (
            "-A -t 10.0.0.100:81 -s nosuch",
            ErrorKind::NoSuchScheduler,
            "add service TCP 10.0.0.100:81 with scheduler nosuch: the kernel has no scheduler `nosuch`: run `modprobe \
             ip_vs_nosuch`",
        ),
        (
            "-A -t 10.0.0.100:80 -s rr",
            ErrorKind::Exists,
            "add service TCP 10.0.0.100:80 with scheduler rr: it is there already",
        ),
        (
            "-a -t 10.0.0.100:80 -r 10.0.0.100:8080 -m",
            ErrorKind::Exists,
            "add server 10.0.0.100:8080 to TCP 10.0.0.100:80: it is there already",
        ),
        (
            "-a -t 10.0.0.100:99 -r 192.168.0.1:80 -m",
            ErrorKind::NoSuchService,
            "add server 192.168.0.1:80 to TCP 10.0.0.100:99: there is no such service",
        ),
        (
            "-e -t 10.0.0.100:80 -r 192.168.0.9:80 -m",
            ErrorKind::NoSuchServer,
            "edit server 192.168.0.9:80 of TCP 10.0.0.100:80: the service has no such server",
        ),
        (
            "-d -t 10.0.0.100:80 -r 192.168.0.9:80",
            ErrorKind::NoSuchServer,
            "delete server 192.168.0.9:80 from TCP 10.0.0.100:80: the service has no such server",
        ),
        (
            "-D -t 10.0.0.100:99",
            ErrorKind::NoSuchService,
            "delete service TCP 10.0.0.100:99: there is no such service",
        ),
        (
            "-a -t 10.0.0.100:80 -r 224.0.0.1:80 -m",
            ErrorKind::Invalid,
            "add server 224.0.0.1:80 to TCP 10.0.0.100:80: the kernel takes only a unicast address",
        ),
        (
            "-a -t 10.0.0.100:80 -r 192.168.0.7:80 -m -x 10 -y 20",
            ErrorKind::Range,
            "add server 192.168.0.7:80 to TCP 10.0.0.100:80: the weight must be below 2^31, and the lower threshold",
        ),
        (
            "-Z -t 10.0.0.100:99",
            ErrorKind::NoSuchService,
            "zero the statistics of TCP 10.0.0.100:99: there is no such service",
        ),
        (
            "--start-daemon master --mcast-interface nosuch0",
            ErrorKind::NoDevice,
            "start the master sync daemon on nosuch0: there is no such network interface",
        ),
        ("--stop-daemon master", ErrorKind::NoDaemon, "stop the master sync daemon: it does not run"),
    ];
    for (recorded, kind, words) in expected {
        let (request, end) = run(recorded);
        let command = Command::decode(&request).unwrap();
        let replay = Replay::new().expect(&command.encode().unwrap(), [Recorded::Acknowledged(end)]);
        let error = Client::with_transport(replay).unwrap().execute(&command).unwrap_err();
        assert_eq!((error.kind(), error.errno()), (kind, Some(end)), "{recorded}");
        assert!(error.to_string().starts_with(words), "{error}");
        assert_eq!(error.operation(), command.to_string());
        assert!(!error.to_string().contains('\n'));
    }
    let (request, _) = run("--start-daemon master --mcast-interface nosuch0");
    let command = Command::decode(&request).unwrap();
    let replay = Replay::new().expect(&request, [Recorded::Acknowledged(17)]);
    let error = Client::with_transport(replay).unwrap().execute(&command).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
    assert!(error.to_string().ends_with("it runs already"), "{error}");
}
