//! The form that `ipvsadm -S` prints and `ipvsadm -R` reads.

use std::fmt::Write as _;

use lb_core::model::{
    Family, Forwarding, Protocol, ServerSpec, Service, ServiceKey, ServiceTable, TunnelChecksum, TunnelKind,
};

use super::{Ports, mask};

/// The table as commands, as `ipvsadm -S -n` prints it. Thresholds are left out, as there.
pub fn save(table: &ServiceTable, ports: Ports<'_>) -> String {
    let mut out = String::new();
    for (key, service) in &table.services {
        let name = option(key, ports);
        let _ = writeln!(out, "-A {name}{}", service_options(key, service));
        // The family of a firewall mark is said once, with the service.
        let name = name.trim_end_matches(" -6");
        for (server, spec) in &service.servers {
            let server = ports.socket(server.socket(), key.protocol());
            let _ = writeln!(out, "-a {name} -r {server}{}", server_options(spec));
        }
    }
    out
}

fn option(key: &ServiceKey, ports: Ports<'_>) -> String {
    match (key.address(), key) {
        (Some(address), _) => {
            let option = match key.protocol() {
                Some(Protocol::Udp) => "-u",
                Some(Protocol::Sctp) => "--sctp-service",
                _ => "-t",
            };
            format!("{option} {}", ports.socket(address, key.protocol()))
        }
        (None, ServiceKey::FwMark { mark, family: Family::V6 }) => format!("-f {mark} -6"),
        (None, ServiceKey::FwMark { mark, .. }) => format!("-f {mark}"),
        (None, ServiceKey::Address { .. }) => unreachable!("an address service has an address"),
    }
}

fn service_options(key: &ServiceKey, service: &Service) -> String {
    let spec = &service.spec;
    let mut out = format!(" -s {}", spec.scheduler);
    if let Some(persistence) = &spec.persistence {
        let _ = write!(out, " -p {}", persistence.timeout);
        if let Some(mask) = mask(key, persistence.prefix) {
            let _ = write!(out, " -M {mask}");
        }
        if let Some(engine) = &persistence.engine {
            let _ = write!(out, " --pe {engine}");
        }
    }
    if spec.one_packet {
        out.push_str(" -o");
    }
    let flags: Vec<&str> = spec.flags.names(&spec.scheduler).collect();
    if !flags.is_empty() {
        let _ = write!(out, " -b {}", flags.join(","));
    }
    out
}

fn server_options(spec: &ServerSpec) -> String {
    let method = match spec.forwarding {
        Forwarding::Masquerade => "-m",
        Forwarding::Tunnel(_) => "-i",
        _ => "-g",
    };
    let mut out = format!(" {method} -w {}", spec.weight);
    if let Forwarding::Tunnel(tunnel) = spec.forwarding {
        let checksum = match tunnel.checksum {
            TunnelChecksum::None => "--tun-nocsum",
            TunnelChecksum::Full => "--tun-csum",
            TunnelChecksum::Remote => "--tun-remcsum",
        };
        let _ = match tunnel.kind {
            TunnelKind::Gue(port) => write!(out, " --tun-type gue --tun-port {port} {checksum}"),
            TunnelKind::Gre => write!(out, " --tun-type gre {checksum}"),
            _ => write!(out, " --tun-type ipip"),
        };
    }
    out
}
