//! `ipvsadm -L` in its views.

use std::{collections::BTreeMap, fmt::Write as _};

use lb_core::{
    dataplane::{ServerCounters, ServiceCounters, Traffic},
    model::{ServerKey, ServerSpec, Service, ServiceKey, ServiceTable},
};

use super::{Ports, forwarding_name, mask, service_name, tunnel_info};

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
    /// The same per second (`--rate`): [`Listing::counters`] are rates then.
    Rate,
}

/// What is listed, and how.
#[derive(Clone, Copy)]
pub struct Listing<'a> {
    /// The first line, such as `IP Virtual Server version 1.2.1 (size=4096)`; empty for none.
    pub header: &'a str,
    /// Services and servers.
    pub table: &'a ServiceTable,
    /// Their counters; what is missing counts as zero.
    pub counters: &'a BTreeMap<ServiceKey, ServiceCounters>,
    /// How ports are shown.
    pub ports: Ports<'a>,
    /// Which columns.
    pub view: View,
    /// Large numbers in full (`--exact`) instead of as `123456K`.
    pub exact: bool,
}

impl Listing<'_> {
    /// The listing as text, every line ended.
    pub fn render(&self) -> String {
        let mut out = String::new();
        if !self.header.is_empty() {
            let _ = writeln!(out, "{}", self.header);
        }
        out.push_str(match self.view {
            View::Table => TABLE,
            View::Tunnels => TUNNELS,
            View::Thresholds => THRESHOLDS,
            View::Persistent => PERSISTENT,
            View::Stats => STATS,
            View::Rate => RATE,
        });
        let zero = ServiceCounters::default();
        for (key, service) in &self.table.services {
            let counters = self.counters.get(key).unwrap_or(&zero);
            self.service(&mut out, key, service, &counters.traffic);
            for (server, spec) in &service.servers {
                let counters = counters.servers.get(server).copied().unwrap_or_default();
                self.server(&mut out, key, *server, spec, &counters);
            }
        }
        out
    }

    fn service(&self, out: &mut String, key: &ServiceKey, service: &Service, traffic: &Traffic) {
        let name = service_name(key, self.ports);
        if matches!(self.view, View::Stats | View::Rate) {
            let _ = write!(out, "{name:<33}");
            self.traffic(out, traffic);
            return;
        }
        let spec = &service.spec;
        let _ = write!(out, "{name} {}", spec.scheduler);
        let flags: Vec<&str> = spec.flags.names(&spec.scheduler).collect();
        if !flags.is_empty() {
            let _ = write!(out, " ({})", flags.join(","));
        }
        if let Some(persistence) = &spec.persistence {
            let _ = write!(out, " persistent {}", persistence.timeout);
            if let Some(mask) = mask(key, persistence.prefix) {
                let _ = write!(out, " mask {mask}");
            }
            if let Some(engine) = &persistence.engine {
                let _ = write!(out, " pe {engine}");
            }
        }
        out.push_str(if spec.one_packet { " ops\n" } else { "\n" });
    }

    fn server(
        &self,
        out: &mut String,
        service: &ServiceKey,
        server: ServerKey,
        spec: &ServerSpec,
        counters: &ServerCounters,
    ) {
        let name = self.ports.socket(server.socket(), service.protocol());
        let _ = write!(out, "  -> {name:<28}");
        let ServerCounters { active, inactive, persistent, traffic, .. } = counters;
        let (weight, forwarding) = (spec.weight.get(), forwarding_name(spec.forwarding));
        let _ = match self.view {
            View::Table => writeln!(out, " {forwarding:<7} {weight:<6} {active:<10} {inactive:<10}"),
            View::Tunnels => {
                let tunnel = tunnel_info(spec.forwarding);
                writeln!(out, " {forwarding:<7} {tunnel:<13} {weight:<6} {active:<10} {inactive:<10}")
            }
            View::Thresholds => {
                let (upper, lower) = (spec.thresholds.upper, spec.thresholds.lower);
                writeln!(out, " {upper:<10} {lower:<10} {active:<10} {inactive:<10}")
            }
            View::Persistent => {
                writeln!(out, " {weight:<9} {persistent:<11} {active:<10} {inactive:<10}")
            }
            View::Stats | View::Rate => {
                self.traffic(out, traffic);
                Ok(())
            }
        };
    }

    fn traffic(&self, out: &mut String, traffic: &Traffic) {
        let Traffic { connections, in_packets, out_packets, in_bytes, out_bytes } = *traffic;
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
