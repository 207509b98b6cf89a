//! The layouts of `ipvsadm` 1.31: listings, connections, and the form that it saves and restores.

mod listing;
mod save;

use std::{fmt::Write as _, net::SocketAddr};

use lb_core::{
    dataplane::Connection,
    model::{Family, Forwarding, Protocol, ServiceKey, TunnelChecksum, TunnelKind},
};

pub use listing::{Listing, View};
pub use save::save;

/// How ports are shown.
#[derive(Clone, Copy)]
pub enum Ports<'a> {
    /// As numbers (`-n`).
    Numeric,
    /// By the name that this function knows, else as numbers.
    Named(&'a dyn Fn(u16, Protocol) -> Option<String>),
}

impl Ports<'_> {
    /// `10.0.0.1:80`, `[2001:db8::1]:https`.
    fn socket(self, socket: SocketAddr, protocol: Option<Protocol>) -> String {
        let name = match (self, protocol) {
            (Ports::Named(lookup), Some(protocol)) if socket.port() != 0 => lookup(socket.port(), protocol),
            _ => None,
        };
        match (name, socket) {
            (None, _) => socket.to_string(),
            (Some(name), SocketAddr::V4(v4)) => format!("{}:{name}", v4.ip()),
            (Some(name), SocketAddr::V6(v6)) => format!("[{}]:{name}", v6.ip()),
        }
    }
}

/// Connections as `ipvsadm -L -c` lists them.
pub fn connections(connections: &[Connection], ports: Ports<'_>) -> String {
    let mut out = String::from("IPVS connection entries\n");
    out.push_str("pro expire state       source             virtual            destination\n");
    for connection in connections {
        let seconds = connection.expires.as_secs();
        let protocol = Some(connection.protocol);
        let _ = writeln!(
            out,
            "{:<3} {:<6} {:<11} {:<18} {:<18} {}",
            connection.protocol.name().to_uppercase(),
            format!("{:02}:{:02}", seconds / 60, seconds % 60),
            connection.state,
            ports.socket(connection.source, protocol),
            ports.socket(connection.virtual_address, protocol),
            ports.socket(connection.destination, protocol),
        );
    }
    out
}

/// `TCP  10.0.0.1:80`, `FWM  7`, `FWM  8 IPv6`.
fn service_name(key: &ServiceKey, ports: Ports<'_>) -> String {
    match key {
        ServiceKey::FwMark { mark, family: Family::V4 } => format!("{:<4} {mark}", "FWM"),
        ServiceKey::FwMark { mark, family: Family::V6 } => format!("{:<4} {mark} IPv6", "FWM"),
        ServiceKey::Address { protocol, address, port, .. } => {
            let socket = ports.socket(SocketAddr::new(*address, *port), Some(*protocol));
            format!("{:<4} {socket}", protocol.name().to_uppercase())
        }
    }
}

const fn forwarding_name(forwarding: Forwarding) -> &'static str {
    match forwarding {
        Forwarding::Masquerade => "Masq",
        Forwarding::Direct => "Route",
        Forwarding::Tunnel(_) => "Tunnel",
        _ => "Local",
    }
}

/// The column of `--tun-info`: `gue:6080:+c`, `gre:-c`, `ipip`, `n/a`.
fn tunnel_info(forwarding: Forwarding) -> String {
    let Forwarding::Tunnel(tunnel) = forwarding else {
        return "n/a".to_owned();
    };
    let checksum = match tunnel.checksum {
        TunnelChecksum::None => "-c",
        TunnelChecksum::Full => "+c",
        TunnelChecksum::Remote => "r+c",
    };
    match tunnel.kind {
        TunnelKind::Gue(port) => format!("gue:{port}:{checksum}"),
        TunnelKind::Gre => format!("gre:{checksum}"),
        _ => "ipip".to_owned(),
    }
}

/// The mask of a persistent service, where it is not that of a single address.
fn mask(key: &ServiceKey, prefix: Option<u8>) -> Option<String> {
    let (family, prefix) = (key.family(), prefix?);
    if prefix >= family.bits() {
        return None;
    }
    Some(match family {
        Family::V4 => {
            let bits = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            std::net::Ipv4Addr::from(bits).to_string()
        }
        Family::V6 => prefix.to_string(),
    })
}

#[cfg(test)]
mod tests;
