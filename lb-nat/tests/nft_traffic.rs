//! Real connections through the nftables data plane.
#![cfg(feature = "nft")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "as in any test")]

mod nft_lab;

use std::{collections::BTreeSet, num::NonZeroU32};

use lb_core::{
    Change, DataPlane,
    model::{Persistence, SchedulerFlags, SchedulerKind, ServerSpec, Service, Weight},
};
use lb_nat::nft::NftConfig;
use nft_lab::{
    Lab, Plane, ask_udp, isolated, key, lists_connections, nft, nft_list, server, service, table, until,
};

#[test]
fn round_robin_is_exact() {
    isolated("round_robin_is_exact", || {
        let (lab, plane) = (Lab::new(), Plane::new(NftConfig::default()));
        plane.wait(plane.nft.probe()).unwrap();
        plane.sync(&table("tcp:10.0.0.1:80", service(SchedulerKind::RoundRobin, 4, 8080, &[1, 5, 1])));
        assert_eq!(lab.picks("10.0.0.1:80", 7), [1, 2, 3, 1, 2, 3, 1]);
        assert_eq!(lab.ask("10.0.0.1:80").port, 8080);
        assert_eq!(lab.ask("10.0.0.1:80").client.to_string(), "10.1.0.2");
    });
}

#[test]
fn weighted_round_robin_is_exact() {
    isolated("weighted_round_robin_is_exact", || {
        let (lab, plane) = (Lab::new(), Plane::new(NftConfig::default()));
        plane.sync(&table(
            "tcp:10.0.0.1:80",
            service(SchedulerKind::WeightedRoundRobin, 4, 80, &[40, 20, 10]),
        ));
        let picks = lab.picks("10.0.0.1:80", 28);
        let count = |server| picks.iter().filter(|pick| **pick == server).count();
        assert_eq!([count(1), count(2), count(3)], [16, 8, 4], "{picks:?}");
        assert_ne!(picks[..4], [1, 1, 1, 1], "turns are spread");

        let counters = plane.wait(plane.nft.counters()).unwrap();
        let counters = &counters[&key("tcp:10.0.0.1:80")];
        assert_eq!(counters.traffic.connections, 28);
        assert_eq!(counters.servers[&server(4, 2, 80)].traffic.connections, 8);
    });
}

#[test]
fn failover_sends_everything_to_the_heaviest() {
    isolated("failover_sends_everything_to_the_heaviest", || {
        let (lab, plane) = (Lab::new(), Plane::new(NftConfig::default()));
        plane.sync(&table("tcp:10.0.0.1:80", service(SchedulerKind::Failover, 4, 80, &[1, 9, 5])));
        assert_eq!(lab.picks("10.0.0.1:80", 4), [2; 4]);
        plane.sync(&table("tcp:10.0.0.1:80", service(SchedulerKind::Failover, 4, 80, &[1, 0, 5])));
        assert_eq!(lab.picks("10.0.0.1:80", 4), [3; 4]);
    });
}

#[test]
fn edits_leave_established_connections_and_counters_alone() {
    isolated("edits_leave_established_connections_and_counters_alone", || {
        let (lab, plane) = (Lab::new(), Plane::new(NftConfig::default()));
        let (vip, web) = ("10.0.0.1:80", key("tcp:10.0.0.1:80"));
        let mut wanted = table("tcp:10.0.0.1:80", service(SchedulerKind::RoundRobin, 4, 80, &[1, 1, 1]));
        plane.sync(&wanted);
        let mut held: Vec<_> = (0..3).map(|_| lab.dial(vip)).collect();
        let hold = |held: &mut Vec<nft_lab::Dialled>| {
            assert_eq!(held.iter_mut().map(|c| c.ask().server).collect::<Vec<_>>(), [1, 2, 3]);
        };
        hold(&mut held);

        let edit = |wanted: &mut lb_core::model::ServiceTable, spec: Option<ServerSpec>| {
            let servers = &mut wanted.services.get_mut(&web).unwrap().servers;
            match spec {
                Some(spec) => servers.insert(server(4, 1, 80), spec),
                None => servers.remove(&server(4, 1, 80)),
            };
        };
        edit(&mut wanted, Some(ServerSpec::masq(Weight::ZERO)));
        plane.sync(&wanted);
        hold(&mut held);
        assert!(!lab.picks(vip, 6).contains(&1), "weight 0 gets no new connection");

        let active = plane.wait(plane.nft.counters()).unwrap()[&web].servers[&server(4, 1, 80)];
        assert_eq!(active.traffic.connections, 1);

        edit(&mut wanted, None);
        wanted.services.get_mut(&web).unwrap().spec.scheduler = SchedulerKind::SourceHash;
        plane.sync(&wanted);
        hold(&mut held);
        assert!(!lab.picks(vip, 6).contains(&1), "a removed server gets no new connection");

        edit(&mut wanted, Some(ServerSpec::masq(Weight::new(7))));
        wanted.services.get_mut(&web).unwrap().spec.scheduler = SchedulerKind::WeightedRoundRobin;
        plane.sync(&wanted);
        hold(&mut held);
        assert_eq!(lab.picks(vip, 9).iter().filter(|pick| **pick == 1).count(), 7);

        let counters = &plane.wait(plane.nft.counters()).unwrap()[&web];
        assert_eq!(counters.traffic.connections, 3 + 6 + 6 + 9, "the service's counter went on");
        assert_eq!(counters.servers[&server(4, 1, 80)].traffic.connections, 7, "counted since it was added");

        if !lists_connections("edits_leave_established_connections_and_counters_alone") {
            let error = plane.wait(plane.nft.connections(1000)).unwrap_err();
            assert_eq!(error.kind, lb_core::dataplane::ErrorKind::Denied);
            return;
        }
        assert!(counters.servers[&server(4, 2, 80)].active >= 1);
        let connections = plane.wait(plane.nft.connections(1000)).unwrap();
        let held = connections.iter().filter(|c| c.state == "ESTABLISHED").count();
        assert!(held >= 3, "{connections:?}");
        assert!(connections.iter().all(|c| c.virtual_address.to_string() == vip));
        assert_eq!(plane.wait(plane.nft.connections(2)).unwrap().len(), 2);
    });
}

#[test]
fn hashing_keeps_clients_and_moves_few() {
    isolated("hashing_keeps_clients_and_moves_few", || {
        let (lab, plane) = (Lab::new(), Plane::new(NftConfig::default()));
        let clients: Vec<String> = (2..42).map(|n| format!("10.1.0.{n}")).collect();
        for scheduler in [SchedulerKind::SourceHash, SchedulerKind::Maglev] {
            let ask = || clients.iter().map(|c| lab.ask_from(c, "10.0.0.1:80").server).collect::<Vec<_>>();
            plane.sync(&table("tcp:10.0.0.1:80", service(scheduler.clone(), 4, 80, &[1, 1, 1])));
            let first = ask();
            assert_eq!(ask(), first, "{scheduler}: a client keeps its server");
            assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3, "{scheduler}: all servers are used");

            plane.sync(&table("tcp:10.0.0.1:80", service(scheduler.clone(), 4, 80, &[1, 1, 0])));
            let second = ask();
            assert!(!second.contains(&3));
            let moved = first.iter().zip(&second).filter(|(was, is)| **was != 3 && was != is).count();
            assert!(moved <= 10, "{scheduler}: {moved} of 40 clients moved without need");
        }
        let mut by_port = service(SchedulerKind::SourceHash, 4, 80, &[1, 1, 1]);
        by_port.spec.flags = SchedulerFlags::PORT;
        plane.sync(&table("tcp:10.0.0.1:80", by_port));
        let picks: BTreeSet<usize> = lab.picks("10.0.0.1:80", 40).into_iter().collect();
        assert_eq!(picks.len(), 3, "with the port, one client reaches all servers");
        plane.sync(&table("tcp:10.0.0.1:80", service(SchedulerKind::DestinationHash, 4, 80, &[1, 1, 1])));
        let picks: BTreeSet<usize> = lab.picks("10.0.0.1:80", 10).into_iter().collect();
        assert_eq!(picks.len(), 1, "one destination, one server");
    });
}

#[test]
fn ipv6_and_udp_are_balanced() {
    isolated("ipv6_and_udp_are_balanced", || {
        let (lab, plane) = (Lab::new(), Plane::new(NftConfig::default()));
        let wanted = table("tcp:[fd00::1]:80", service(SchedulerKind::RoundRobin, 6, 8080, &[1, 1, 1]))
            .with_service(key("udp:10.0.0.1:53"), service(SchedulerKind::RoundRobin, 4, 53, &[1, 1, 1]));
        plane.sync(&wanted);
        assert_eq!(lab.picks("[fd00::1]:80", 6), [1, 2, 3, 1, 2, 3]);
        assert_eq!(lab.ask("[fd00::1]:80").client.to_string(), "fd01::2");

        let sockets: Vec<_> = (0..6).map(|_| lab.udp()).collect();
        let ask = || sockets.iter().map(|socket| ask_udp(socket, "10.0.0.1:53").server).collect::<Vec<_>>();
        assert_eq!(ask(), [1, 2, 3, 1, 2, 3]);
        assert_eq!(ask(), [1, 2, 3, 1, 2, 3], "a flow keeps its server");
        let counters = plane.wait(plane.nft.counters()).unwrap();
        let first = counters[&key("udp:10.0.0.1:53")].servers[&server(4, 1, 53)];
        assert_eq!(first.traffic.connections, 2);
        if lists_connections("ipv6_and_udp_are_balanced") {
            assert_eq!((first.active, first.inactive), (0, 2));
        }
    });
}

#[test]
fn port_zero_is_every_port_and_persistence_joins_them() {
    isolated("port_zero_is_every_port_and_persistence_joins_them", || {
        let (lab, plane) = (Lab::new(), Plane::new(NftConfig::default()));
        let mut all = service(SchedulerKind::RoundRobin, 4, 0, &[1, 1, 1]);
        all.spec.persistence = Some(Persistence::seconds(NonZeroU32::new(300).unwrap()));
        // A service with a port goes first.
        let wanted = table("tcp:10.0.0.1:0", all)
            .with_service(key("tcp:10.0.0.1:53"), service(SchedulerKind::RoundRobin, 4, 53, &[0, 0, 1]));
        plane.sync(&wanted);
        let first = lab.ask("10.0.0.1:80");
        let second = lab.ask("10.0.0.1:8080");
        assert_eq!((first.port, second.port), (80, 8080), "the port stays");
        assert_eq!(first.server, second.server, "the client stays");
        assert_ne!(lab.ask_from("10.1.0.3", "10.0.0.1:80").server, first.server, "another client does not");
        assert_eq!(lab.picks("10.0.0.1:53", 2), [3, 3]);
    });
}

#[test]
fn persistence_groups_by_prefix_and_forgets() {
    isolated("persistence_groups_by_prefix_and_forgets", || {
        let (lab, plane) = (Lab::new(), Plane::new(NftConfig::default()));
        let mut sticky = service(SchedulerKind::RoundRobin, 4, 80, &[1, 1, 1]);
        let day = Persistence::seconds(NonZeroU32::new(86_400).unwrap());
        sticky.spec.persistence = Some(Persistence { prefix: Some(28), ..day });
        plane.sync(&table("tcp:10.0.0.1:80", sticky.clone()));
        let ask = |n: u8| lab.ask_from(&format!("10.1.0.{n}"), "10.0.0.1:80").server;
        // 10.1.0.0/28, 10.1.0.16/28, 10.1.0.32/28
        assert_eq!([2, 15, 3, 16, 31, 33, 47, 4].map(ask), [1, 1, 1, 2, 2, 3, 3, 1]);
        let counters = plane.wait(plane.nft.counters()).unwrap();
        assert_eq!(counters[&key("tcp:10.0.0.1:80")].servers[&server(4, 1, 80)].persistent, 1);

        // Weight 0 takes the clients away, unless they are to be kept.
        let mut quiescent = sticky.clone();
        quiescent.servers.insert(server(4, 1, 80), ServerSpec::masq(Weight::ZERO));
        plane.sync(&table("tcp:10.0.0.1:80", quiescent.clone()));
        assert_ne!(ask(2), 1);
        let keeping = NftConfig { quiescent_keeps_clients: true, ..NftConfig::default() };
        let keeping = Plane::new(keeping);
        keeping.sync(&table("tcp:10.0.0.1:80", sticky.clone()));
        keeping.sync(&table("tcp:10.0.0.1:80", quiescent));
        assert_eq!(ask(3), 1, "bound before, kept now");

        // The configurations differ in what they make of the same service, so the first finds it damaged.
        sticky.spec.persistence = Some(Persistence::seconds(NonZeroU32::new(1).unwrap()));
        plane.sync(&table("tcp:10.0.0.1:80", sticky));
        let bound = || {
            let counters = plane.wait(plane.nft.counters()).unwrap();
            counters[&key("tcp:10.0.0.1:80")].servers.values().map(|server| server.persistent).sum::<u32>()
        };
        let before = bound();
        ask(50);
        assert_eq!(bound(), before + 1);
        until("the client is forgotten", || bound() == before);
    });
}

#[test]
fn marks_are_balanced_and_other_tables_left_alone() {
    isolated("marks_are_balanced_and_other_tables_left_alone", || {
        let (lab, plane) = (Lab::new(), Plane::new(NftConfig::default()));
        nft("table inet foreign {
               map m { type inet_service : verdict; elements = { 8080 : accept } }
               chain mangle { type filter hook prerouting priority mangle; policy accept;
                 ip daddr 10.0.0.9 tcp dport { 80, 8080 } meta mark set 7
               }
             }
             table ip lb {
               chain c { counter
               }
             }");
        let foreign = || format!("{}{}", nft_list("table inet foreign"), nft_list("table ip lb"));
        let before = foreign();
        let mut wanted = table("fwmark:7", service(SchedulerKind::RoundRobin, 4, 0, &[1, 1, 1]));
        plane.sync(&wanted);
        assert_eq!(lab.picks("10.0.0.9:80", 3), [1, 2, 3]);
        assert_eq!(lab.ask("10.0.0.9:8080").port, 8080);
        wanted.services.insert(key("fwmark:7"), service(SchedulerKind::RoundRobin, 4, 53, &[1, 1]));
        plane.sync(&wanted);
        assert_eq!(lab.ask("10.0.0.9:8080").port, 53);
        wanted.services.insert(key("fwmark:7/ipv6"), service(SchedulerKind::RoundRobin, 6, 53, &[1]));
        plane.sync(&wanted);
        plane.sync(&lb_core::model::ServiceTable::new());
        plane.wait(plane.nft.clear()).unwrap();
        assert_eq!(foreign(), before);
        assert!(!nft_list("tables").contains("inet lb"), "clear removes the whole table");
    });
}

#[test]
fn a_service_without_servers_refuses_at_once() {
    isolated("a_service_without_servers_refuses_at_once", || {
        let (lab, plane) = (Lab::new(), Plane::new(NftConfig::default()));
        for weights in [&[][..], &[0, 0]] {
            plane.sync(&table("tcp:10.0.0.1:80", service(SchedulerKind::RoundRobin, 4, 80, weights)));
            let error = lab.dial_from("10.1.0.2", "10.0.0.1:80").err().unwrap();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        }
        let counters = &plane.wait(plane.nft.counters()).unwrap()[&key("tcp:10.0.0.1:80")];
        assert_eq!((counters.refused, counters.traffic.connections), (2, 0));
    });
}

#[test]
fn snat_hides_clients_of_these_services_only() {
    isolated("snat_hides_clients_of_these_services_only", || {
        let lab = Lab::new();
        let plane = Plane::new(NftConfig { snat: true, ..NftConfig::default() });
        let wanted = table("tcp:10.0.0.1:80", service(SchedulerKind::RoundRobin, 4, 80, &[1]))
            .with_service(key("tcp:[fd00::1]:0"), service(SchedulerKind::RoundRobin, 6, 0, &[1]));
        plane.sync(&wanted);
        assert_eq!(lab.ask("10.0.0.1:80").client.to_string(), "10.2.1.1");
        assert_eq!(lab.ask("[fd00::1]:80").client.to_string(), "fd02:1::1");
        assert_eq!(lab.ask("10.2.1.2:80").client.to_string(), "10.1.0.2", "not balanced, not hidden");
        // Without the option: the base of the table changes, and back it goes.
        let plain = Plane::new(NftConfig::default());
        plain.sync(&wanted);
        assert_eq!(lab.ask("10.0.0.1:80").client.to_string(), "10.1.0.2");
    });
}

#[test]
fn the_balancer_is_its_own_client_and_server() {
    isolated("the_balancer_is_its_own_client_and_server", || {
        let (lab, plane) = (Lab::new(), Plane::new(NftConfig::default()));
        let listener = std::net::TcpListener::bind("10.1.0.1:0").unwrap();
        let local =
            ServerSpec { forwarding: lb_core::model::Forwarding::Local, ..ServerSpec::masq(Weight::ONE) };
        let own = Service::new(lb_core::model::ServiceSpec::new(SchedulerKind::RoundRobin))
            .with_server(listener.local_addr().unwrap(), local);
        let wanted = table("tcp:10.0.0.1:443", own)
            .with_service(key("tcp:10.0.0.1:80"), service(SchedulerKind::RoundRobin, 4, 80, &[1]));
        plane.sync(&wanted);
        let _client = lab.dial("10.0.0.1:443");
        assert_eq!(listener.accept().unwrap().1.ip().to_string(), "10.1.0.2");
        std::net::TcpStream::connect("10.0.0.1:80").expect("the balancer's own connections are balanced too");
    });
}

#[test]
fn a_refused_change_does_not_keep_others() {
    isolated("a_refused_change_does_not_keep_others", || {
        let (lab, plane) = (Lab::new(), Plane::new(NftConfig::default()));
        let add = |text: &str, scheduler| Change::AddService {
            service: key(text),
            spec: lb_core::model::ServiceSpec::new(scheduler),
        };
        let batch = [
            add("tcp:10.0.0.1:443", SchedulerKind::LeastConnection),
            add("tcp:10.0.0.1:80", SchedulerKind::RoundRobin),
            Change::AddServer {
                service: key("tcp:10.0.0.1:443"),
                server: server(4, 1, 80),
                spec: ServerSpec::masq(Weight::ONE),
            },
            Change::AddServer {
                service: key("tcp:10.0.0.1:80"),
                server: server(4, 1, 80),
                spec: ServerSpec::masq(Weight::ONE),
            },
            add("tcp:10.0.0.1:80", SchedulerKind::RoundRobin),
        ];
        let refused = plane.wait(plane.nft.apply(&batch)).unwrap();
        let kinds: Vec<_> = refused.iter().map(|r| (r.index, r.error.kind.to_string())).collect();
        let expected = [(0, "not supported"), (2, "not found"), (4, "exists already")];
        assert_eq!(kinds, expected.map(|(index, kind)| (index, kind.to_owned())));
        assert!(refused[0].error.detail.contains("scheduler lc"), "{}", refused[0].error);
        assert_eq!(lab.ask("10.0.0.1:80").server, 1);

        let generous = Plane::new(NftConfig { approximate: true, ..NftConfig::default() });
        generous
            .sync(&table("tcp:10.0.0.1:80", service(SchedulerKind::WeightedLeastConnection, 4, 80, &[2, 1])));
        let picks = lab.picks("10.0.0.1:80", 6);
        assert_eq!(picks.iter().filter(|pick| **pick == 1).count(), 4, "{picks:?}");
    });
}
