//! `ipvsadm -L` in its views.

use std::{fmt::Write as _, net::SocketAddr};

use lb_core::dataplane::Traffic;

use super::{Entry, Names, flags, forwarding_name, mark_name, mask};
use crate::wire::{
    DestinationEntry, Forwarding, ServiceEntry, ServiceFlags, Stats, Tunnel, TunnelFlags, TunnelKind,
};

/// Which columns a listing has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// Scheduler, forwarding method, weight, connections.
    #[default]
    Table,
    /// The same with tunnels (`--tun-info`).
    Tunnels,
    /// Upper and lower thresholds (`--thresholds`).
    Thresholds,
    /// Clients bound by persistence (`--persistent-conn`).
    Persistent,
    /// Connections, packets and bytes since the entry was made (`--stats`).
    Stats,
    /// The same per second (`--rate`).
    Rate,
}

/// How a table is listed.
#[derive(Clone, Copy)]
pub struct Listing<'a> {
    /// How addresses and ports are shown.
    pub names: Names<'a>,
    /// Which columns.
    pub view: View,
    /// Large numbers in full (`--exact`) instead of as `123456K`.
    pub exact: bool,
}

impl Listing<'_> {
    /// The listing as text, every line ended, without a [`header`](super::header); entries in the order that they have.
    pub fn render(&self, entries: &[Entry]) -> String {
        let mut out = String::from(match self.view {
            View::Table => TABLE,
            View::Tunnels => TUNNELS,
            View::Thresholds => THRESHOLDS,
            View::Persistent => PERSISTENT,
            View::Stats => STATS,
            View::Rate => RATE,
        });
        for (service, servers) in entries {
            self.service(&mut out, service);
            for server in servers {
                self.server(&mut out, service, server);
            }
        }
        out
    }

    fn service(&self, out: &mut String, ServiceEntry { service, stats }: &ServiceEntry) {
        let name = mark_name(&service.key).unwrap_or_else(|| {
            let protocol = service.key.protocol();
            let socket = service.key.address().map(|socket| self.name(socket, protocol)).unwrap_or_default();
            let protocol = protocol.map_or("", |protocol| protocol.name()).to_uppercase();
            format!("{protocol:<4} {socket}")
        });
        if matches!(self.view, View::Stats | View::Rate) {
            let _ = write!(out, "{name:<33}");
            self.traffic(out, stats);
            return;
        }
        let _ = write!(out, "{name} {}", service.scheduler);
        if let Some(flags) = flags(service) {
            let _ = write!(out, " ({flags})");
        }
        if service.flags.contains(ServiceFlags::PERSISTENT) {
            let _ = write!(out, " persistent {}", service.timeout);
            if let Some(mask) = mask(service) {
                let _ = write!(out, " mask {mask}");
            }
            if let Some(engine) = &service.engine {
                let _ = write!(out, " pe {engine}");
            }
        }
        out.push_str(if service.flags.contains(ServiceFlags::ONE_PACKET) { " ops\n" } else { "\n" });
    }

    fn server(&self, out: &mut String, service: &ServiceEntry, server: &DestinationEntry) {
        let DestinationEntry { destination, active, inactive, persistent, stats } = server;
        let name = self.name(destination.key.socket(), service.service.key.protocol());
        let _ = write!(out, "  -> {name:<28}");
        let (weight, forwarding) =
            (destination.weight.cast_signed(), forwarding_name(destination.forwarding));
        let _ = match self.view {
            View::Table => writeln!(out, " {forwarding:<7} {weight:<6} {active:<10} {inactive:<10}"),
            View::Tunnels => {
                let tunnel = match destination.forwarding {
                    Forwarding::Tunnel => tunnel_info(destination.tunnel),
                    _ => "n/a".to_owned(),
                };
                writeln!(out, " {forwarding:<7} {tunnel:<13} {weight:<6} {active:<10} {inactive:<10}")
            }
            View::Thresholds => {
                let (upper, lower) = (destination.thresholds.upper, destination.thresholds.lower);
                writeln!(out, " {upper:<10} {lower:<10} {active:<10} {inactive:<10}")
            }
            View::Persistent => {
                writeln!(out, " {weight:<9} {persistent:<11} {active:<10} {inactive:<10}")
            }
            View::Stats | View::Rate => {
                self.traffic(out, stats);
                Ok(())
            }
        };
    }

    /// What is IPv4 keeps to its column.
    fn name(&self, socket: SocketAddr, protocol: Option<lb_core::model::Protocol>) -> String {
        const COLUMN: usize = 28;
        let mut name = self.names.socket(socket, protocol);
        if socket.is_ipv4() {
            name.truncate(name.floor_char_boundary(COLUMN));
        }
        name
    }

    fn traffic(&self, out: &mut String, stats: &Stats) {
        let traffic = if self.view == View::Rate { stats.rate } else { stats.total };
        let Traffic { connections, in_packets, out_packets, in_bytes, out_bytes } = traffic;
        for number in [connections, in_packets, out_packets, in_bytes, out_bytes] {
            let _ = write!(out, "{:>9}", self.number(number));
        }
        out.push('\n');
    }

    /// From 100,000,000 on in thousands, millions, …, unless exact.
    pub(super) fn number(&self, number: u64) -> String {
        const WIDE: u64 = 100_000_000;
        if self.exact || number < WIDE {
            return format!(" {number:>8}");
        }
        let (mut number, mut unit) = (number, ' ');
        for next in ['K', 'M', 'G', 'T'] {
            if number < WIDE {
                break;
            }
            (number, unit) = (number / 1000, next);
        }
        format!("{number:>8}{unit}")
    }
}

/// The column of `--tun-info`: `gue:6080:+c`, `gre:-c`, `ipip`.
fn tunnel_info(tunnel: Tunnel) -> String {
    let checksum = if tunnel.flags.contains(TunnelFlags::CHECKSUM) {
        "+c"
    } else if tunnel.flags.contains(TunnelFlags::REMOTE_CHECKSUM) {
        "r+c"
    } else {
        "-c"
    };
    match tunnel.kind {
        TunnelKind::Gue => format!("gue:{}:{checksum}", tunnel.port),
        TunnelKind::Gre => format!("gre:{checksum}"),
        _ => "ipip".to_owned(),
    }
}

const TABLE: &str = "\
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
";
const TUNNELS: &str = "\
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn
";
const THRESHOLDS: &str = "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n  -> RemoteAddress:Port\n";
const PERSISTENT: &str = "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n  -> RemoteAddress:Port\n";
const STATS: &str = "\
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
";
const RATE: &str = "\
Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS
  -> RemoteAddress:Port
";
