//! Servers that have the virtual address themselves, and answer past the director.

use std::io::ErrorKind;

use lb_ipvs::{Destination, Forwarding, SchedulerKind, Tunnel, TunnelFlags, TunnelKind};

use crate::{
    guest::{has_modules, on_ipvs},
    site::{Net, Site, VIP, patiently, tcp},
    support::get,
};

/// Who has an address only to receive what is sent to it must not tell the neighbours.
fn be_silent(server: &Net) {
    server.sysctl("ipv4.conf.all.arp_ignore", "1");
    server.sysctl("ipv4.conf.all.arp_announce", "2");
}

#[test]
fn direct_routing_needs_servers_that_are_silent() {
    on_ipvs(|| {
        let mut site = Site::flat(3);
        let _webs = site.webs(80);
        for server in &site.servers {
            be_silent(server);
            server.ip(&format!("addr add {VIP}/32 dev lo"));
        }
        let service = tcp("10.0.0.1:80", SchedulerKind::RoundRobin);
        site.serve(&service, Forwarding::Direct, &["10.0.0.11:80", "10.0.0.12:80", "10.0.0.13:80"]);
        let answers = site.ask("10.0.0.1:80", 30);
        assert!(answers.chunks(3).all(|round| round == ["web3", "web2", "web1"]), "{answers:?}");

        // Without the director nobody has the address, until a server speaks up.
        site.director.ip(&format!("addr del {VIP}/32 dev eth0"));
        site.client.ip("neigh flush dev eth0");
        let address = "10.0.0.1:80".parse().unwrap();
        let alone = site.client.on(|| get(address)).unwrap_err();
        assert!(matches!(alone.kind(), ErrorKind::HostUnreachable | ErrorKind::TimedOut), "{alone}");
        site.servers[1].sysctl("ipv4.conf.all.arp_ignore", "0");
        let answer =
            patiently("an answer", || site.client.on(|| get(address)).map_err(|error| error.to_string()));
        assert_eq!(answer, "web2");
    });
}

#[test]
fn tunnels_lead_to_servers() {
    on_ipvs(|| {
        if !has_modules("tunnels to servers", &["ipip", "ip_gre", "fou"]) {
            return;
        }
        let mut site = Site::flat(3);
        let _webs = site.webs(80);
        let ends = [
            "link add in type ipip local 10.0.0.11",
            "link add in type gre local 10.0.0.12",
            "fou add port 6080 gue\nlink add in type ipip local 10.0.0.13 encap gue encap-sport auto encap-dport 6080",
        ];
        for (server, end) in site.servers.iter().zip(ends) {
            be_silent(server);
            server.ip(&format!("{end}\naddr add {VIP}/32 dev in\nlink set in up"));
            // What comes out of the tunnel comes from a client that is elsewhere.
            server.sysctl("ipv4.conf.all.rp_filter", "0");
            server.sysctl("ipv4.conf.in.rp_filter", "0");
        }
        let service = tcp("10.0.0.1:80", SchedulerKind::RoundRobin);
        site.ipvs.add_service(&service).unwrap();
        let kinds = [(TunnelKind::Ipip, 0), (TunnelKind::Gre, 0), (TunnelKind::Gue, 6080)];
        for (number, (kind, port)) in (11..).zip(kinds) {
            let key = format!("10.0.0.{number}:80").parse().unwrap();
            let mut server = Destination::new(key, Forwarding::Tunnel);
            server.tunnel = Tunnel::new(kind, port, TunnelFlags::EMPTY);
            site.ipvs.add_destination(&service.key, &server).unwrap();
        }
        let answers = site.ask("10.0.0.1:80", 30);
        assert!(answers.chunks(3).all(|round| round == ["web3", "web2", "web1"]), "{answers:?}");
    });
}
