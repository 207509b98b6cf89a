//! Servers behind the director, which masquerades: the first arrangement of anybody.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    num::NonZeroU32,
    time::Duration,
};

use lb_ipvs::{
    Destination, ErrorKind as Refusal, Family, Forwarding, SchedulerKind, Service, ServiceKey, Thresholds,
};
use socket2::SockRef;

use crate::{
    guest::on_ipvs,
    site::{Site, VIP, VIP6, patiently, tcp},
    support::Connection,
};

const WEBS: [&str; 3] = ["192.168.0.1:80", "192.168.0.2:80", "192.168.0.3:80"];

#[test]
fn a_service_is_listed() {
    on_ipvs(|| {
        let site = Site::nat(0);
        site.ipvsadm("-A -t 10.0.0.1:80 -s wlc");
        site.ipvsadm("-a -t 10.0.0.1:80 -r 192.168.0.1:80 -m -w 7");
        let listed = site.ipvsadm("-L -n");
        let lines: Vec<&str> = listed.lines().map(str::trim_end).skip(3).collect();
        let server = "  -> 192.168.0.1:80               Masq    7      0          0";
        assert_eq!(lines, ["TCP  10.0.0.1:80 wlc", server]);
    });
}

#[test]
fn requests_go_round() {
    on_ipvs(|| {
        let mut site = Site::nat(3);
        let _webs = site.webs(80);
        site.serve(&tcp("10.0.0.1:80", SchedulerKind::RoundRobin), Forwarding::Masquerade, &WEBS);
        let answers = site.ask(&format!("{VIP}:80"), 30);
        // The newest first, and always in the same order.
        assert!(answers.chunks(3).all(|round| round == ["web3", "web2", "web1"]), "{answers:?}");
    });
}

#[test]
fn requests_go_round_over_ipv6() {
    on_ipvs(|| {
        let mut site = Site::nat(2);
        let _webs = site.webs(80);
        let service = tcp(&format!("[{VIP6}]:80"), SchedulerKind::RoundRobin);
        site.serve(&service, Forwarding::Masquerade, &["[fd01::1]:80", "[fd01::2]:80"]);
        let answers = site.ask(&format!("[{VIP6}]:80"), 30);
        assert!(answers.chunks(2).all(|round| round == ["web2", "web1"]), "{answers:?}");
        // The kernel keeps families apart where there is no tunnel.
        let other = Destination::new(WEBS[0].parse().unwrap(), Forwarding::Masquerade);
        assert_eq!(site.ipvs.add_destination(&service.key, &other).unwrap_err().kind(), Refusal::Invalid);
    });
}

/// As in the first article: all ports of an address, and a client keeps its server.
#[test]
fn a_client_keeps_its_server_on_all_ports() {
    on_ipvs(|| {
        let mut site = Site::nat(3);
        let _webs = [80, 443].map(|port| site.webs(port));
        let service = tcp("10.0.0.1:0", SchedulerKind::WeightedLeastConnection)
            .persistent(NonZeroU32::new(3600).unwrap());
        site.serve(&service, Forwarding::Masquerade, &["192.168.0.1:0", "192.168.0.2:0", "192.168.0.3:0"]);
        site.client.ip("addr add 10.0.0.3/24 dev eth0\naddr add 10.0.0.4/24 dev eth0");
        let mut servers = Vec::new();
        for client in ["10.0.0.2", "10.0.0.3", "10.0.0.4"] {
            let from = |port: u16| {
                site.client.on(|| get_from(client, SocketAddr::from((Ipv4Addr::new(10, 0, 0, 1), port))))
            };
            let first = from(80);
            for port in [80, 443, 443, 80] {
                assert_eq!(from(port), first, "{client} at port {port}");
            }
            servers.push(first);
        }
        servers.sort();
        assert_eq!(servers, ["web1", "web2", "web3"], "each client has a server of its own");
        let bound: Vec<u32> =
            site.ipvs.destinations(&service.key).unwrap().iter().map(|server| server.persistent).collect();
        assert_eq!(bound, [1, 1, 1]);
    });
}

/// One service for what the firewall marks: two ports of two addresses.
#[test]
fn marked_packets_are_one_service() {
    on_ipvs(|| {
        let mut site = Site::nat(2);
        let _webs = [80, 443].map(|port| site.webs(port));
        site.director.feed(
            "nft -f -",
            "table ip marks {\n chain into {\n  type filter hook prerouting priority mangle\n\
             ip daddr { 10.0.0.1, 10.0.0.254 } tcp dport { 80, 443 } meta mark set 7\n }\n}\n",
        );
        let key = ServiceKey::FwMark { mark: NonZeroU32::new(7).unwrap(), family: Family::V4 };
        let service = Service::new(key, SchedulerKind::RoundRobin);
        site.serve(&service, Forwarding::Masquerade, &["192.168.0.1:0", "192.168.0.2:0"]);
        let mut answers = Vec::new();
        for address in ["10.0.0.1:80", "10.0.0.1:443", "10.0.0.254:443", "10.0.0.254:80"] {
            answers.extend(site.ask(address, 1));
        }
        assert_eq!(answers, ["web2", "web1", "web2", "web1"]);
    });
}

#[test]
fn a_full_server_gets_nothing_until_it_has_emptied() {
    on_ipvs(|| {
        let mut site = Site::nat(1);
        let _webs = site.webs(80);
        let service = tcp("10.0.0.1:80", SchedulerKind::RoundRobin);
        site.ipvs.add_service(&service).unwrap();
        let mut server = Destination::new(WEBS[0].parse().unwrap(), Forwarding::Masquerade);
        server.thresholds = Thresholds { upper: 3, lower: 2 };
        site.ipvs.add_destination(&service.key, &server).unwrap();
        let address: SocketAddr = format!("{VIP}:80").parse().unwrap();
        let connect = || site.client.on(|| TcpStream::connect(address));
        let open: Vec<TcpStream> = (0..3).map(|_| connect().unwrap()).collect();
        assert_eq!(connect().unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let mut open = open.into_iter();
        for stream in open.by_ref().take(2) {
            // A connection that was reset is forgotten soonest.
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        // Below the lower threshold there is one.
        patiently("room at the server", || connect().map_err(|error| error.to_string()));
        drop(open);
    });
}

/// As in the first article: what a server sends by mail comes from an address of its own, and mail to that address gets to it.
#[test]
fn mail_has_addresses_of_its_own() {
    on_ipvs(|| {
        let mut site = Site::nat(2);
        let _webs = site.webs(80);
        site.serve(&tcp("10.0.0.1:80", SchedulerKind::RoundRobin), Forwarding::Masquerade, &WEBS[..2]);
        site.director.ip("addr add 10.0.0.21/32 dev eth0\naddr add 10.0.0.22/32 dev eth0");
        site.director.feed(
            "nft -f -",
            "table ip nat {\n chain from {\n  type nat hook postrouting priority srcnat\n\
             oifname eth0 tcp dport 25 snat to ip saddr map { 192.168.0.1 : 10.0.0.21, 192.168.0.2 : 10.0.0.22 }\n\
             oifname eth0 ip saddr 192.168.0.0/24 masquerade\n }\n\
             chain to {\n  type nat hook prerouting priority dstnat\n\
             iifname eth0 tcp dport 25 dnat to ip daddr map { 10.0.0.21 : 192.168.0.1, 10.0.0.22 : 192.168.0.2 }\n }\n}\n",
        );
        let outside = site.client.on(|| TcpListener::bind("10.0.0.2:25").unwrap());
        for (server, address) in site.servers.iter().zip(["10.0.0.21", "10.0.0.22"]) {
            let _mail = server.on(|| TcpStream::connect("10.0.0.2:25").unwrap());
            assert_eq!(outside.accept().unwrap().1.ip().to_string(), address);
            let inside = server.on(|| TcpListener::bind("0.0.0.0:25").unwrap());
            let _mail = site.client.on(|| TcpStream::connect((address, 25)).unwrap());
            assert_eq!(inside.accept().unwrap().1.ip().to_string(), "10.0.0.2");
        }
        // Balanced all the same.
        assert_eq!(site.ask("10.0.0.1:80", 4), ["web2", "web1", "web2", "web1"]);
    });
}

fn get_from(source: &str, address: SocketAddr) -> String {
    Connection::from(source.parse().unwrap(), address).unwrap().ask("Connection: close\r\n").unwrap()
}
