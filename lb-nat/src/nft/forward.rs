//! Whether a filter of somebody else drops what this data plane forwards: `policy drop` of Docker or ufw, say. The kernel
//! asks every chain at the hook `forward`, so that a rule in this data plane's own table cannot help.
//!
//! The chains are read and followed by the first packet of a connection to each server. What is not understood of a rule
//! counts in favour of the packet: a problem that is reported is one.

mod chains;
mod iptables;
mod listing;
mod routes;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
    path::Path,
    time::Duration,
};

use lb_core::model::{Family, Forwarding, Protocol, ServiceTable};

use self::{
    chains::{Chains, Fate, Packet},
    routes::Routes,
};
use super::command::Program;

/// So many servers that differ in what a filter may look at are examined.
const MAX_PACKETS: usize = 256;
/// How long `iptables-save` may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A line with the remedy for each chain that drops connections to servers of this table.
pub(super) async fn problems(nft: &Program, table: &ServiceTable) -> Vec<String> {
    let mut filters = nftables(nft).await;
    filters.extend(legacy_iptables().await);
    if filters.is_empty() {
        return Vec::new();
    }
    let packets = packets(table, &Routes::read());
    let mut found = BTreeMap::new();
    for filter in &filters {
        for packet in packets.iter().filter(|packet| filter.family.is_none_or(|of| of == packet.family)) {
            for (chain, reason) in filter.chains.dropping(packet) {
                found.entry((&filter.name, chain)).or_insert_with(|| filter.problem(chain, packet, reason));
            }
        }
    }
    found.into_values().collect()
}

/// One table with chains at the hook.
struct Filter {
    /// `table ip filter`, or `legacy iptables`.
    name: String,
    /// `None` = both.
    family: Option<Family>,
    chains: Chains,
    /// Who manages it, and by which command a rule is added.
    manager: Manager,
}

enum Manager {
    /// `nft`, with the words that name the table.
    Nft(String),
    /// This program.
    Iptables(&'static str),
}

impl Filter {
    fn problem(&self, chain: &str, packet: &Packet, reason: Fate) -> String {
        let remedy = match &self.manager {
            Manager::Nft(table) => format!("nft insert rule {table} {chain} ct status dnat accept"),
            Manager::Iptables(program) => {
                // Docker leaves this chain to the administrator, and asks it first.
                let chain = if self.chains.has("DOCKER-USER") { "DOCKER-USER" } else { chain };
                format!("{program} -I {chain} -m conntrack --ctstate DNAT -j ACCEPT")
            }
        };
        let why = match reason {
            Fate::Policy => "policy drop",
            _ => "one of its rules",
        };
        format!(
            "chain {chain} of {} drops connections that are forwarded to {} ({why}): add `{remedy}`",
            self.name,
            packet.server()
        )
    }
}

/// Tables of nftables, and those that `iptables-nft` keeps there.
async fn nftables(nft: &Program) -> Vec<Filter> {
    let Ok(listing) = nft.run(&["-j", "list", "chains"], "").await else { return Vec::new() };
    let mut filters = Vec::new();
    for (family, table) in listing::filtering_tables(&listing) {
        let Ok(listing) = nft.run(&["-j", "-t", "list", "table", &family, &table], "").await else {
            continue;
        };
        let (version, program) = match family.as_str() {
            "ip" => (Some(Family::V4), "iptables"),
            "ip6" => (Some(Family::V6), "ip6tables"),
            _ => (None, ""),
        };
        let (mut chains, has_extensions) = listing::chains(&listing);
        let mut by_iptables = has_extensions;
        if version.is_some() && table == "filter" {
            let candidates = [format!("{program}-nft-save"), format!("{program}-save")];
            let of_iptables = saved(&candidates, &table).await.map(|text| iptables::chains(&text));
            // It prints no chain of a table that is not its own.
            if let Some(saved) = of_iptables.filter(|saved| !saved.hooks.is_empty()) {
                (chains, by_iptables) = (saved, true);
            }
        }
        let manager = match by_iptables {
            true => Manager::Iptables(program),
            false => Manager::Nft(format!("{family} {table}")),
        };
        filters.push(Filter { name: format!("table {family} {table}"), family: version, chains, manager });
    }
    filters
}

/// The tables of the kernel's older filter, which `nft` does not show.
async fn legacy_iptables() -> Vec<Filter> {
    let mut filters = Vec::new();
    for (names, family, program) in [
        ("/proc/net/ip_tables_names", Family::V4, "iptables-legacy"),
        ("/proc/net/ip6_tables_names", Family::V6, "ip6tables-legacy"),
    ] {
        let is_used = fs::read_to_string(names).is_ok_and(|names| names.lines().any(|name| name == "filter"));
        if is_used && let Some(text) = saved(&[format!("{program}-save")], "filter").await {
            let (chains, manager) = (iptables::chains(&text), Manager::Iptables(program));
            filters.push(Filter {
                name: format!("{program}'s table filter"),
                family: Some(family),
                chains,
                manager,
            });
        }
    }
    filters
}

/// What the first of these programs that works prints of a table.
async fn saved(candidates: &[String], table: &str) -> Option<String> {
    for candidate in candidates {
        let program = Program::new(Path::new(candidate), TIMEOUT);
        if let Ok(output) = program.run(&["-t", table], "").await {
            return String::from_utf8(output).ok();
        }
    }
    None
}

/// The first packets of connections, as they are at the hook: translated, on their way to a server.
fn packets(table: &ServiceTable, routes: &Routes) -> Vec<Packet> {
    let mut seen = BTreeSet::new();
    for (key, service) in &table.services {
        let address = key.address().map(|address| address.ip());
        let any = match key.family() {
            Family::V4 => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        };
        // Clients come by way of the network of the address, or by the default route.
        let incoming = routes.interface(address.unwrap_or(any));
        for (server, spec) in &service.servers {
            if seen.len() == MAX_PACKETS {
                break;
            }
            if spec.forwarding == Forwarding::Local || is_here(server.address) {
                continue;
            }
            seen.insert(Packet {
                family: key.family(),
                protocol: key.protocol().unwrap_or(Protocol::Tcp),
                address: server.address,
                port: server.port,
                incoming: incoming.clone(),
                outgoing: routes.interface(server.address),
            });
        }
    }
    seen.into_iter().collect()
}

/// Whether an address is one of this host, where nothing is forwarded.
fn is_here(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}
