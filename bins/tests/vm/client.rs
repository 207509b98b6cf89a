//! The client of `lb-ipvs` beside ipvsadm, on one table.

use std::{
    net::TcpStream, num::NonZeroU32, os::unix::process::CommandExt as _, process::Command as Program, thread,
    time::Duration,
};

use lb_ipvs::{
    Client, Command, Daemon, DaemonRole, Destination, ErrorKind, Forwarding, Namespace, Netmask,
    SchedulerKind, Service, ServiceFlags, ServiceKey, Thresholds, Timeouts, Tunnel, TunnelFlags, TunnelKind,
    connections,
    sysctl::{self, Sysctl},
};

use crate::{
    guest::{alone_on_ipvs, on_ipvs},
    site::{Net, Site, VIP},
};

pub(crate) fn client(net: &Net) -> Client {
    net.on(Client::open).unwrap()
}

pub(crate) fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

fn server(text: &str, forwarding: Forwarding) -> Destination {
    Destination::new(text.parse().unwrap(), forwarding)
}

/// Services and servers of every kind, and what ipvsadm saves of them.
fn every_kind() -> (Vec<(Service, Vec<Destination>)>, &'static str) {
    let plain = |text: &str, scheduler: &str| Service::new(key(text), scheduler.parse().unwrap());
    let seconds = |number| NonZeroU32::new(number).unwrap();
    let mut hashed = plain("fwmark:7", "sh");
    hashed.flags = ServiceFlags::SCHEDULER_1 | ServiceFlags::SCHEDULER_2;
    let mut dns = plain("udp:10.0.0.1:53", "rr");
    dns.flags = ServiceFlags::ONE_PACKET;
    let mut sip = plain("udp:10.0.0.1:5060", "rr").persistent(seconds(60));
    sip.engine = Some("sip".parse().unwrap());
    let mut wide = plain("tcp:10.0.0.1:0", "wrr").persistent(seconds(600));
    wide.netmask = Netmask::V4("255.255.255.0".parse().unwrap());
    let mut wide6 = plain("tcp:[2001:db8::1]:443", "wlc").persistent(seconds(300));
    wide6.netmask = Netmask::V6(64);
    let mut limited = server("192.168.0.2:8080", Forwarding::Masquerade).with_weight(70_000);
    limited.thresholds = Thresholds { upper: 100, lower: 50 };
    let tunnel = |text, kind, port, flags| {
        let mut server = server(text, Forwarding::Tunnel);
        server.tunnel = Tunnel::new(kind, port, flags);
        server
    };
    let all = vec![
        (wide, vec![]),
        (
            plain("tcp:10.0.0.1:80", "wlc"),
            vec![server("192.168.0.1:80", Forwarding::Direct).with_weight(0), limited],
        ),
        (
            dns,
            vec![
                tunnel("192.168.0.1:53", TunnelKind::Gue, 6080, TunnelFlags::CHECKSUM),
                tunnel("192.168.0.2:53", TunnelKind::Gre, 0, TunnelFlags::EMPTY),
                tunnel("[2001:db8::53]:53", TunnelKind::Ipip, 0, TunnelFlags::EMPTY),
            ],
        ),
        (sip, vec![]),
        (plain("sctp:10.0.0.1:9999", "lc"), vec![]),
        (wide6, vec![server("[2001:db8::11]:443", Forwarding::Masquerade)]),
        (hashed, vec![server("192.168.0.1:0", Forwarding::Direct)]),
        (plain("fwmark:8/ipv6", "mh"), vec![]),
    ];
    let saved = "\
-A -t 10.0.0.1:0 -s wrr -p 600 -M 255.255.255.0
-A -t 10.0.0.1:80 -s wlc
-a -t 10.0.0.1:80 -r 192.168.0.1:80 -g -w 0
-a -t 10.0.0.1:80 -r 192.168.0.2:8080 -m -w 70000
-A -u 10.0.0.1:53 -s rr -o
-a -u 10.0.0.1:53 -r 192.168.0.1:53 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum
-a -u 10.0.0.1:53 -r 192.168.0.2:53 -i -w 1 --tun-type gre --tun-nocsum
-a -u 10.0.0.1:53 -r [2001:db8::53]:53 -i -w 1 --tun-type ipip
-A -u 10.0.0.1:5060 -s rr -p 60 --pe sip
-A --sctp-service 10.0.0.1:9999 -s lc
-A -t [2001:db8::1]:443 -s wlc -p 300 -M 64
-a -t [2001:db8::1]:443 -r [2001:db8::11]:443 -m -w 1
-A -f 7 -s sh -b sh-fallback,sh-port
-a -f 7 -r 192.168.0.1:0 -g -w 1
-A -f 8 -6 -s mh
";
    (all, saved)
}

/// Everything in one batch.
fn add(client: &mut Client, all: &[(Service, Vec<Destination>)]) {
    let mut batch = Vec::new();
    for (service, servers) in all {
        batch.push(Command::AddService(service.clone()));
        batch.extend(servers.iter().map(|server| Command::AddDestination(service.key, server.clone())));
    }
    let refused = client.apply(&batch).unwrap();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn what_is_added_is_what_the_kernel_has_and_what_ipvsadm_saves() {
    on_ipvs(|| {
        let net = Net::new("director");
        let mut client = client(&net);
        let (all, saved) = every_kind();
        add(&mut client, &all);
        let table = client.table().unwrap();
        for (service, servers) in &all {
            let (entry, found) = &table[&service.key];
            let mut listed = entry.service.clone();
            assert!(listed.flags.contains(ServiceFlags::HASHED));
            listed.flags = listed.flags.without(ServiceFlags::HASHED);
            assert_eq!(&listed, service);
            assert_eq!(client.service(&service.key).unwrap(), *entry);
            // The newest first.
            let found: Vec<_> = found.iter().rev().map(|entry| entry.destination.clone()).collect();
            assert_eq!(&found, servers);
        }
        assert_eq!(table.len(), all.len());
        assert_eq!(net.run("ipvsadm -S -n"), saved);

        // And what is listed can be added again, just as it is.
        client.flush().unwrap();
        assert_eq!(client.services().unwrap(), []);
        for (entry, servers) in table.values() {
            client.add_service(&entry.service).unwrap();
            for server in servers.iter().rev() {
                client.add_destination(&entry.service.key, &server.destination).unwrap();
            }
        }
        assert_eq!(net.run("ipvsadm -S -n"), saved);
    });
}

#[test]
fn what_ipvsadm_adds_is_read() {
    on_ipvs(|| {
        let net = Net::new("director");
        let (all, saved) = every_kind();
        net.feed("ipvsadm -R", saved);
        let table = client(&net).table().unwrap();
        for (service, servers) in all {
            let (entry, found) = &table[&service.key];
            assert_eq!(entry.service.flags.without(ServiceFlags::HASHED), service.flags);
            assert_eq!((&entry.service.netmask, &entry.service.engine), (&service.netmask, &service.engine));
            for server in servers {
                let mut found =
                    found.iter().find(|entry| entry.destination.key == server.key).unwrap().clone();
                // Which it does not save.
                found.destination.thresholds = server.thresholds;
                assert_eq!(found.destination, server);
            }
        }
    });
}

#[test]
fn edits_and_deletions_hit_what_they_name() {
    on_ipvs(|| {
        let net = Net::new("director");
        let mut client = client(&net);
        let (all, _) = every_kind();
        add(&mut client, &all);
        let web = key("tcp:10.0.0.1:80");
        let mut limited = all[1].1[1].clone();
        limited.weight = 3;
        client.edit_destination(&web, &limited).unwrap();
        client.edit_service(&Service::new(web, SchedulerKind::RoundRobin)).unwrap();
        let (entry, servers) = client.table().unwrap().remove(&web).unwrap();
        assert_eq!(entry.service.scheduler, SchedulerKind::RoundRobin);
        let found = servers.iter().find(|entry| entry.destination.key == limited.key).unwrap();
        assert_eq!(found.destination, limited, "with its thresholds");
        // An edit without an engine takes it away.
        let sip = key("udp:10.0.0.1:5060");
        let mut edited = client.service(&sip).unwrap().service;
        edited.engine = None;
        client.edit_service(&edited).unwrap();
        assert_eq!(client.service(&sip).unwrap().service.engine, None);
        // Only the flags in the mask change.
        let mark = key("fwmark:7");
        let mut edited = client.service(&mark).unwrap().service;
        (edited.flags, edited.mask) = (ServiceFlags::EMPTY, ServiceFlags::SCHEDULER_1);
        client.edit_service(&edited).unwrap();
        let flags = client.service(&mark).unwrap().service.flags;
        assert_eq!(flags.without(ServiceFlags::HASHED), ServiceFlags::SCHEDULER_2);

        client.delete_destination(&web, &limited.key).unwrap();
        assert_eq!(client.destinations(&web).unwrap().len(), 1);
        client.delete_service(&web).unwrap();
        assert_eq!(client.service(&web).unwrap_err().kind(), ErrorKind::NoSuchService);
        assert_eq!(
            client.destinations(&web).unwrap(),
            [],
            "the kernel says no more of a service that is not there"
        );
    });
}

#[test]
fn refusals_have_their_kind_and_the_rest_of_a_batch_is_made() {
    alone_on_ipvs(|| {
        let net = Net::new("director");
        let mut client = client(&net);
        let rr =
            |port| Service::new(ServiceKey::tcp(([10, 0, 0, 1], port).into()), SchedulerKind::RoundRobin);
        let mut batch: Vec<Command> = (1..=600).map(|port| Command::AddService(rr(port))).collect();
        let web = rr(1).key;
        let faults = [
            (Command::AddService(rr(1)), ErrorKind::Exists),
            (
                Command::AddService(Service::new(rr(9999).key, SchedulerKind::Other("nosuch".to_owned()))),
                ErrorKind::NoSuchScheduler,
            ),
            (Command::DeleteService(rr(9999).key), ErrorKind::NoSuchService),
            (
                Command::EditDestination(web, server("10.0.0.9:80", Forwarding::Direct)),
                ErrorKind::NoSuchServer,
            ),
            (Command::AddDestination(web, server("224.0.0.1:80", Forwarding::Direct)), ErrorKind::Invalid),
            (
                Command::AddDestination(web, server("10.0.0.9:80", Forwarding::Direct).with_weight(u32::MAX)),
                ErrorKind::Range,
            ),
            (Command::StopDaemon(DaemonRole::Master), ErrorKind::NoDaemon),
            (Command::StartDaemon(Daemon::new(DaemonRole::Master, "nosuch0", 0)), ErrorKind::NoDevice),
        ];
        for (at, (command, _)) in faults.iter().enumerate() {
            batch.insert(at * 70 + 35, command.clone());
        }
        let refused = client.apply(&batch).unwrap();
        let found: Vec<_> = refused.iter().map(|refused| (refused.index, refused.error.kind())).collect();
        let expected: Vec<_> =
            faults.iter().enumerate().map(|(at, (_, kind))| (at * 70 + 35, *kind)).collect();
        assert_eq!(found, expected, "{refused:?}");
        assert_eq!(client.services().unwrap().len(), 600);
    });
}

#[test]
fn namespaces_have_tables_of_their_own() {
    on_ipvs(|| {
        let (one, other) = (Net::new("one"), Net::new("other"));
        let path = one.on(|| std::fs::File::open("/proc/thread-self/ns/net").unwrap());
        let namespace = Namespace::from_fd(path.into());
        let mut there = Client::open_in(&namespace).unwrap();
        there.add_service(&Service::new(key("tcp:10.0.0.1:80"), SchedulerKind::RoundRobin)).unwrap();
        assert_eq!(one.run("ipvsadm -S -n"), "-A -t 10.0.0.1:80 -s rr\n");
        assert_eq!(other.run("ipvsadm -S -n"), "");
        assert_eq!(client(&other).services().unwrap(), []);

        let before = sysctl::replace(&namespace, Sysctl::ExpireNodestConn, 1).unwrap();
        assert_eq!(before, 0);
        let settings = sysctl::read_all(&namespace).unwrap();
        assert_eq!(settings[0].value, Some(1));
        assert_eq!(one.run("cat /proc/sys/net/ipv4/vs/expire_nodest_conn"), "1\n");
        assert_eq!(other.run("cat /proc/sys/net/ipv4/vs/expire_nodest_conn"), "0\n");
        assert!(settings.iter().all(|setting| setting.value.is_some()), "{settings:?}");
    });
}

#[test]
fn timeouts_statistics_and_sync_daemons_are_set_and_read() {
    on_ipvs(|| {
        let site = Site::nat(1);
        let net = &site.director;
        let mut client = client(net);
        let info = client.info().unwrap();
        assert!(net.run("ipvsadm -L -n").starts_with(&format!(
            "IP Virtual Server version {} (size={})\n",
            info.version, info.connection_table_size
        )));
        client.set_timeouts(Timeouts { tcp: 0, tcp_fin: 60, udp: 0 }).unwrap();
        assert_eq!(client.timeouts().unwrap(), Timeouts { tcp: 900, tcp_fin: 60, udp: 300 });

        let mut backup = Daemon::new(DaemonRole::Backup, "eth1", 9);
        (backup.max_length, backup.port, backup.ttl) = (Some(1400), Some(9000), Some(3));
        backup.group = Some("239.1.2.3".parse().unwrap());
        client.start_daemon(&Daemon::new(DaemonRole::Master, "eth1", 7)).unwrap();
        client.start_daemon(&backup).unwrap();
        assert_eq!(client.start_daemon(&backup).unwrap_err().kind(), ErrorKind::Exists);
        let daemons = client.daemons().unwrap();
        assert_eq!(
            (daemons[0].role, daemons[0].sync_id, daemons[0].port),
            (DaemonRole::Master, 7, Some(8848))
        );
        assert_eq!(daemons[1], backup);
        assert_eq!(
            net.run("ipvsadm -L --daemon").lines().nth(1),
            Some("backup sync daemon (mcast=eth1, syncid=9, maxlen=1400, group=239.1.2.3, port=9000, ttl=3)")
        );
        client.stop_daemon(DaemonRole::Master).unwrap();
        client.stop_daemon(DaemonRole::Backup).unwrap();
        assert_eq!(client.daemons().unwrap(), []);

        let web = key(&format!("tcp:{VIP}:80"));
        client.add_service(&Service::new(web, SchedulerKind::RoundRobin)).unwrap();
        client.add_destination(&web, &server("192.168.0.1:80", Forwarding::Masquerade)).unwrap();
        let _webs = site.webs(80);
        site.ask(&format!("{VIP}:80"), 5);
        let stats = until(|| client.service(&web).unwrap().stats, |stats| stats.total.connections == 5);
        assert!(stats.total.in_bytes > 0 && stats.total.out_bytes > stats.total.out_packets, "{stats:?}");
        assert_eq!(client.destinations(&web).unwrap()[0].stats.total.connections, 5);
        client.zero(Some(&web)).unwrap();
        assert_eq!(client.service(&web).unwrap().stats.total.connections, 0);
        client.zero(None).unwrap();
    });
}

#[test]
fn connections_are_those_that_ipvsadm_lists() {
    on_ipvs(|| {
        let site = Site::nat(2);
        let _webs = site.webs(80);
        site.director.feed(
            "ipvsadm -R",
            &format!(
                "-A -t {VIP}:80 -s rr -p 60\n-a -t {VIP}:80 -r 192.168.0.1:80 -m\n-A -f 7 -s rr -p 60\n\
             -a -f 7 -r 192.168.0.2:0 -m\n"
            ),
        );
        let mark = "table ip marks {
            chain first {
                type filter hook prerouting priority -150
                tcp dport 81 meta mark set 7
            }
        }\n";
        site.director.feed("nft -f -", mark);
        site.ask(&format!("{VIP}:80"), 2);
        // The mark's server does not answer at that port.
        let _refused = site.client.on(|| TcpStream::connect((VIP, 81)).is_err());
        let namespace = Namespace::from_fd(
            site.director.on(|| std::fs::File::open("/proc/thread-self/ns/net").unwrap()).into(),
        );
        let found = connections::connections(&namespace, 100).unwrap();
        let listed = site.director.run("ipvsadm -L -n -c");
        assert_eq!(found.len(), listed.lines().count() - 2, "{found:?}\n{listed}");
        for entry in &found {
            let line = listed.lines().find(|line| {
                line.starts_with(&format!("{:<4}", entry.protocol))
                    && line.contains(&format!(" {} ", entry.source))
            });
            let line = line.unwrap_or_else(|| panic!("{entry:?} is not in\n{listed}"));
            assert!(line.contains(&format!(" {} ", entry.state)), "{entry:?}: {line}");
            assert!(line.trim_end().ends_with(&entry.destination.to_string()), "{entry:?}: {line}");
        }
        assert!(found.iter().any(|entry| entry.protocol == "IP" && entry.to_model().is_none()), "{listed}");
        assert_eq!(connections::connections(&namespace, 1).unwrap().len(), 1);
    });
}

/// The program runs once more as somebody without privilege, and this same test says what it is told.
#[test]
fn without_the_capability_it_is_one_clear_line() {
    const MARK: &str = "LB_WITHOUT_CAPABILITY";
    if std::env::var_os(MARK).is_some() {
        let mut client = Client::open().unwrap();
        let error = client.info().unwrap_err();
        println!("denied: {:?}: {error}", error.kind());
        return;
    }
    on_ipvs(|| {
        let mut again = Program::new(std::env::current_exe().unwrap());
        again.args(["--exact", "client::without_the_capability_it_is_one_clear_line", "--nocapture"]);
        let output = again.env(MARK, "1").uid(65534).gid(65534).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let expected = "denied: Denied: read version and table size: CAP_NET_ADMIN is needed, and in the initial user \
                        namespace";
        assert!(text.contains(expected), "{text}{}", String::from_utf8_lossy(&output.stderr));
    });
}

/// A table that changes all the time is read without an error. The kernel resumes a long listing by position, so a service
/// may be missing from one while another is taken away beside it.
#[test]
fn a_table_that_others_change_is_read_nevertheless() {
    alone_on_ipvs(|| {
        let net = Net::new("director");
        let (mut reader, mut writer) = (client(&net), client(&net));
        let service =
            |port| Service::new(ServiceKey::tcp(([10, 0, 0, 1], port).into()), SchedulerKind::RoundRobin);
        add(&mut reader, &(1..=300).map(|port| (service(port), vec![])).collect::<Vec<_>>());
        let (mut listings, mut short) = (0, 0);
        thread::scope(|scope| {
            let writing = scope.spawn(|| {
                for _ in 0..300 {
                    writer.add_service(&service(1000)).unwrap();
                    writer
                        .add_destination(&service(1000).key, &server("10.0.0.2:80", Forwarding::Direct))
                        .unwrap();
                    writer.delete_service(&service(1000).key).unwrap();
                }
            });
            while !writing.is_finished() {
                let found = reader.table().unwrap();
                assert!((290..=301).contains(&found.len()), "{}", found.len());
                listings += 1;
                short += usize::from(found.len() < 300);
            }
        });
        println!("{listings} listings, {short} of them lacked a service");
        // Other cases go on to change their tables.
        until(|| reader.services().unwrap().len(), |count| *count == 300);
    });
}

/// The first value that fits; statistics are up to two seconds old.
fn until<T: std::fmt::Debug>(mut value: impl FnMut() -> T, fits: impl Fn(&T) -> bool) -> T {
    for _ in 0..200 {
        let found = value();
        if fits(&found) {
            return found;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("it stayed {:?}", value());
}
