//! The layouts of `ipvsadm` 1.31: listings, connections, timeouts, sync daemons, and the form that it saves and restores.
//!
//! They hold what the kernel says without loss. What another data plane says is brought into that form by [`entries`].

mod connections;
mod listing;
mod model;
mod names;
mod save;
mod sort;

use std::fmt::Write as _;

use lb_core::model::{Family, SchedulerKind, ServiceKey};

use crate::wire::{
    Daemon, DestinationEntry, Forwarding, Info, Netmask, Service, ServiceEntry, ServiceFlags, Timeouts,
};

pub use connections::{Row, connections};
pub use listing::{Listing, View};
pub use model::{entries, entry, rows};
pub use names::{Known, Names};
pub use save::{save, save_complete};
pub use sort::sort;

/// A service with its servers.
pub type Entry = (ServiceEntry, Vec<DestinationEntry>);

/// The first line of a listing: `IP Virtual Server version 1.2.1 (size=4096)`.
pub fn header(info: &Info) -> String {
    format!("IP Virtual Server version {} (size={})", info.version, info.connection_table_size)
}

/// `ipvsadm -L --timeout`.
pub fn timeouts(timeouts: &Timeouts) -> String {
    format!("Timeout (tcp tcpfin udp): {} {} {}\n", timeouts.tcp, timeouts.tcp_fin, timeouts.udp)
}

/// `ipvsadm -L --daemon`: a line for each that runs.
pub fn daemons(daemons: &[Daemon]) -> String {
    let mut out = String::new();
    for daemon in daemons {
        let _ =
            write!(out, "{} sync daemon (mcast={}, syncid={}", daemon.role, daemon.interface, daemon.sync_id);
        // Kernels before 4.3 have nothing of these.
        if let Some(length) = daemon.max_length {
            let _ = write!(out, ", maxlen={length}");
        }
        if let Some(group) = daemon.group {
            let _ = write!(out, ", group={group}");
        }
        if let Some(port) = daemon.port {
            let _ = write!(out, ", port={port}");
        }
        if let Some(ttl) = daemon.ttl {
            let _ = write!(out, ", ttl={ttl}");
        }
        out.push_str(")\n");
    }
    out
}

/// The mask of a persistent service, where it is not that of a single address.
fn mask(service: &Service) -> Option<String> {
    if service.netmask == Netmask::whole(service.key.family()) {
        return None;
    }
    Some(match service.netmask {
        Netmask::V4(mask) => mask.to_string(),
        Netmask::V6(length) => length.to_string(),
    })
}

/// The options of the scheduler by their names, comma-separated; `None` without any. A third option of `sh` and `mh` has
/// no name, and yet is one.
fn flags(service: &Service) -> Option<String> {
    let names = match service.scheduler {
        SchedulerKind::SourceHash => ["sh-fallback", "sh-port", ""],
        SchedulerKind::Maglev => ["mh-fallback", "mh-port", ""],
        _ => ["flag-1", "flag-2", "flag-3"],
    };
    let all = [ServiceFlags::SCHEDULER_1, ServiceFlags::SCHEDULER_2, ServiceFlags::SCHEDULER_3];
    let set: Vec<&str> = all
        .into_iter()
        .zip(names)
        .filter(|(flag, _)| service.flags.contains(*flag))
        .map(|(_, name)| name)
        .collect();
    let named: Vec<&str> = set.iter().copied().filter(|name| !name.is_empty()).collect();
    (!set.is_empty()).then(|| named.join(","))
}

/// ipvsadm takes a mark for a signed number.
const fn mark(mark: std::num::NonZeroU32) -> i32 {
    mark.get().cast_signed()
}

/// `FWM  7`, `FWM  8 IPv6`.
fn mark_name(key: &ServiceKey) -> Option<String> {
    match key {
        ServiceKey::FwMark { mark: number, family: Family::V4 } => Some(format!("FWM  {}", mark(*number))),
        ServiceKey::FwMark { mark: number, family: Family::V6 } => {
            Some(format!("FWM  {} IPv6", mark(*number)))
        }
        ServiceKey::Address { .. } => None,
    }
}

const fn forwarding_name(forwarding: Forwarding) -> &'static str {
    match forwarding {
        Forwarding::Masquerade => "Masq",
        Forwarding::Local => "Local",
        Forwarding::Tunnel => "Tunnel",
        Forwarding::Bypass => "Bypass",
        _ => "Route",
    }
}

#[cfg(test)]
mod tests;
