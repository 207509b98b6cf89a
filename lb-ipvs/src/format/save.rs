//! The form that `ipvsadm -S` prints and `ipvsadm -R` reads.

use std::fmt::Write as _;

use lb_core::model::{Family, Protocol, ServiceKey, Thresholds};

use super::{Entry, Names, flags, mark, mask};
use crate::wire::{
    Destination, DestinationEntry, Forwarding, Service, ServiceFlags, TunnelFlags, TunnelKind,
};

/// The table as commands, to the letter as `ipvsadm -S` prints it. That loses thresholds, the order of servers, the third
/// option of `sh` and `mh`, and marks from 2³¹ on, which it prints as negative numbers that it does not read.
pub fn save(entries: &[Entry], names: Names<'_>) -> String {
    print(entries, names, false)
}

/// The table as commands without loss; `ipvsadm -R` reads them too. Names would be a loss.
///
/// Servers stand in the order in which the kernel has to be told of them to have them in the order of `entries`.
pub fn save_complete(entries: &[Entry]) -> String {
    print(entries, Names::Numeric, true)
}

fn print(entries: &[Entry], names: Names<'_>, complete: bool) -> String {
    let mut out = String::new();
    for (entry, servers) in entries {
        let key = &entry.service.key;
        let name = option(key, names, complete);
        let _ = write!(out, "-A {name}");
        service_options(&mut out, &entry.service, complete);
        let mut server = |server: &DestinationEntry| {
            let _ =
                write!(out, "-a {name} -r {}", names.socket(server.destination.key.socket(), key.protocol()));
            server_options(&mut out, &server.destination, complete);
        };
        match complete {
            true => servers.iter().rev().for_each(&mut server),
            false => servers.iter().for_each(&mut server),
        }
    }
    out
}

fn option(key: &ServiceKey, names: Names<'_>, complete: bool) -> String {
    match key {
        ServiceKey::FwMark { mark: number, family } => {
            let number = if complete { number.to_string() } else { mark(*number).to_string() };
            format!("-f {number}{}", if *family == Family::V6 { " -6" } else { "" })
        }
        ServiceKey::Address { protocol, address, port, .. } => {
            let option = match protocol {
                Protocol::Tcp => "-t",
                Protocol::Udp => "-u",
                Protocol::Sctp => "--sctp-service",
            };
            format!("{option} {}", names.socket((*address, *port).into(), Some(*protocol)))
        }
    }
}

fn service_options(out: &mut String, service: &Service, complete: bool) {
    let _ = write!(out, " -s {}", service.scheduler);
    if service.flags.contains(ServiceFlags::PERSISTENT) {
        let _ = write!(out, " -p {}", service.timeout);
        if let Some(mask) = mask(service) {
            let _ = write!(out, " -M {mask}");
        }
    }
    if let Some(engine) = &service.engine {
        let _ = write!(out, " --pe {engine}");
    }
    if service.flags.contains(ServiceFlags::ONE_PACKET) {
        out.push_str(" -o");
    }
    if let Some(mut flags) = flags(service) {
        let third = service.flags.contains(ServiceFlags::SCHEDULER_3) && !flags.contains("flag-3");
        if complete && third {
            flags += if flags.is_empty() { "flag-3" } else { ",flag-3" };
        }
        let _ = write!(out, " -b {flags}");
    }
    out.push('\n');
}

fn server_options(out: &mut String, server: &Destination, complete: bool) {
    let method = match server.forwarding {
        Forwarding::Masquerade => "-m",
        Forwarding::Tunnel => "-i",
        _ => "-g",
    };
    let _ = write!(out, " {method} -w {}", server.weight.cast_signed());
    if server.forwarding == Forwarding::Tunnel {
        let checksum = if server.tunnel.flags.contains(TunnelFlags::CHECKSUM) {
            "--tun-csum"
        } else if server.tunnel.flags.contains(TunnelFlags::REMOTE_CHECKSUM) {
            "--tun-remcsum"
        } else {
            "--tun-nocsum"
        };
        let _ = match server.tunnel.kind {
            TunnelKind::Gue => write!(out, " --tun-type gue --tun-port {} {checksum}", server.tunnel.port),
            TunnelKind::Gre => write!(out, " --tun-type gre {checksum}"),
            _ => write!(out, " --tun-type ipip"),
        };
    }
    let Thresholds { upper, lower } = server.thresholds;
    if complete && !server.thresholds.is_none() {
        let _ = write!(out, " -x {upper} -y {lower}");
    }
    out.push('\n');
}
