//! `no_accept`: packets to virtual addresses that are not this router's own are dropped.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use lb_config::keepalived::model::{Config, Instance};
use tokio::process::Command;

use super::batch::run;

/// The table when the file names none. Not keepalived's, so that both can be on one host.
const TABLE: &str = "lb_failover";

/// A table of nftables. It stays as long as the daemon runs: an address that is not here can not be sent to anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) table: String,
    v4: BTreeSet<Ipv4Addr>,
    v6: BTreeSet<Ipv6Addr>,
    /// Link-local ones are somebody else's on another interface.
    link_local: BTreeSet<(Ipv6Addr, String)>,
}

impl Filter {
    /// What a configuration needs; `None` when all its instances accept.
    pub(super) fn of(config: &Config) -> Option<Self> {
        let table = config.globals.nftables.clone().unwrap_or_else(|| TABLE.to_owned());
        let mut filter =
            Self { table, v4: BTreeSet::new(), v6: BTreeSet::new(), link_local: BTreeSet::new() };
        // The owner of addresses accepts whatever the file says (RFC 9568 §6.1).
        let refusing =
            config.instances.iter().filter(|instance| !instance.accept && !instance.priority.is_owner());
        refusing.for_each(|instance| filter.add(instance));
        let empty = filter.v4.is_empty() && filter.v6.is_empty() && filter.link_local.is_empty();
        (!empty).then_some(filter)
    }

    fn add(&mut self, instance: &Instance) {
        for address in instance.addresses.iter().chain(&instance.excluded) {
            match address.net.addr() {
                IpAddr::V4(address) => {
                    self.v4.insert(address);
                }
                IpAddr::V6(link_local) if link_local.is_unicast_link_local() => {
                    let vmac = instance.vmac.as_ref().and_then(|vmac| vmac.name.as_ref());
                    let device = address.device.as_ref().or(vmac).unwrap_or(&instance.interface);
                    self.link_local.insert((link_local, device.clone()));
                }
                IpAddr::V6(address) => {
                    self.v6.insert(address);
                }
            }
        }
    }

    /// One transaction that puts this table in the place of `before`.
    fn text(&self, before: Option<&Self>) -> String {
        let mut text =
            before.filter(|before| before.table != self.table).map(Self::removal).unwrap_or_default();
        text += &self.removal();
        let _ = writeln!(text, "table inet {} {{", self.table);
        let link_local = self.link_local.iter().map(|(address, device)| format!("{address} . \"{device}\""));
        text += &set("refused4", "ipv4_addr", self.v4.iter().map(ToString::to_string));
        text += &set("refused6", "ipv6_addr", self.v6.iter().map(ToString::to_string));
        text += &set("refused6_link_local", "ipv6_addr . ifname", link_local);
        // Without neighbour discovery nobody could send packets through this router.
        text + "\tchain input {\n\
                \t\ttype filter hook input priority -1; policy accept;\n\
                \t\tip daddr @refused4 drop\n\
                \t\ticmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n\
                \t\tip6 daddr @refused6 drop\n\
                \t\tip6 daddr . iifname @refused6_link_local drop\n\
                \t}\n\
                }\n"
    }

    fn removal(&self) -> String {
        removal(&self.table)
    }
}

/// The table is gone after this, whether it was there or not.
fn removal(table: &str) -> String {
    format!("table inet {table}\ndelete table inet {table}\n")
}

/// Removes a table, if it is there.
pub(super) async fn remove(table: &str) -> Result<(), String> {
    nft(&["-f", "-"], &removal(table)).await
}

fn set(name: &str, kind: &str, elements: impl Iterator<Item = String>) -> String {
    let elements: Vec<String> = elements.collect();
    let elements = match elements.is_empty() {
        true => String::new(),
        false => format!("\t\telements = {{ {} }}\n", elements.join(", ")),
    };
    format!("\tset {name} {{\n\t\ttype {kind}\n{elements}\t}}\n")
}

/// Puts `wanted` in the place of `before`.
pub(super) async fn replace(before: Option<&Filter>, wanted: Option<&Filter>) -> Result<(), String> {
    let text = match (wanted, before) {
        (Some(wanted), before) => wanted.text(before),
        (None, Some(before)) => before.removal(),
        (None, None) => return Ok(()),
    };
    nft(&["-f", "-"], &text).await
}

/// Whether the table is there.
pub(super) async fn is_there(filter: &Filter) -> bool {
    nft(&["list", "table", "inet", &filter.table], "").await.is_ok()
}

async fn nft(words: &[&str], input: &str) -> Result<(), String> {
    let mut command = Command::new("nft");
    command.args(words);
    match run(command, input).await {
        Ok((true, ..)) => Ok(()),
        Ok((false, _, said)) => {
            Err(said.lines().find(|line| !line.is_empty()).unwrap_or("it failed without a word").to_owned())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err("there is no `nft`: install nftables".to_owned())
        }
        Err(error) => Err(format!("`nft` can not be run: {error}")),
    }
}
