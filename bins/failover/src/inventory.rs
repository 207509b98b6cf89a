//! What a daemon has installed in the kernel, as its supervisor knows it.
//!
//! The daemon records an entry in the supervisor before it installs the object, and takes the entry back after it has
//! removed the object. So whenever the daemon dies, the supervisor knows everything that may be installed. The successor gets
//! the entries and removes what it does not want; if there is no successor, the supervisor removes everything. Removing an
//! object that is not there does no harm.

mod recorder;
mod removal;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use ipnet::IpNet;
use lb_core::model::ServiceKey;
use lb_vrrp::wire::Mac;
use serde::{Deserialize, Serialize};

pub(super) use self::{
    recorder::Recorder,
    removal::{remove, remove_in},
};
use super::{ipvs::Ours, kernel::Item};

/// An object in the kernel that a daemon has installed, or is about to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// An address of an instance.
    Address {
        /// Index of the interface.
        interface: u32,
        /// The address with its prefix length.
        net: IpNet,
        /// The other end of a point-to-point link.
        peer: Option<IpNet>,
    },
    /// A macvlan interface with a virtual Ethernet address.
    Link {
        /// Its name.
        name: String,
        /// Its Ethernet address: another interface of this name is not ours.
        mac: Mac,
    },
    /// A route, a rule, or a static address.
    Item(Item),
    /// A table of nftables, by name.
    Table(String),
    /// `promote_secondaries` of an interface.
    PromoteSecondaries {
        /// The interface.
        interface: String,
        /// The value that is restored.
        before: String,
    },
    /// A virtual service.
    Service {
        /// Name of the data plane.
        plane: String,
        /// The table, if that is nftables.
        nft_table: Option<String>,
        /// Which service.
        key: ServiceKey,
        /// Whether it stays when the daemon ends.
        stays: bool,
    },
    /// Sync daemons and timeouts of IPVS.
    Ipvs(Ours),
}

impl Entry {
    /// Whether it is a virtual service.
    pub fn is_service(&self) -> bool {
        matches!(self, Self::Service { .. })
    }

    /// Whether it stays when the daemon ends.
    pub fn stays(&self) -> bool {
        matches!(self, Self::Service { stays: true, .. })
    }

    /// Whether two hosts would answer for the same address if this stayed.
    pub fn is_address(&self) -> bool {
        matches!(self, Self::Address { .. } | Self::Link { .. })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { interface, net, .. } => write!(f, "address {net} of interface {interface}"),
            Self::Link { name, .. } => write!(f, "interface {name}"),
            Self::Item(item) => item.fmt(f),
            Self::Table(name) => write!(f, "table inet {name}"),
            Self::PromoteSecondaries { interface, .. } => write!(f, "promote_secondaries of {interface}"),
            Self::Service { plane, key, .. } => write!(f, "virtual service {key} of {plane}"),
            Self::Ipvs(_) => f.write_str("sync daemons and timeouts of IPVS"),
        }
    }
}

/// Everything that is installed.
pub(crate) type Inventory = BTreeSet<Entry>;

/// Addresses that a successor goes on with, by interface index, and the names of the macvlan interfaces they are on.
#[derive(Debug, Default)]
pub(super) struct Resumed {
    addresses: BTreeSet<(u32, IpNet, Option<IpNet>)>,
    links: BTreeSet<String>,
}

impl Resumed {
    /// What these instances have; `index` finds the index of an interface by its name.
    pub(super) fn of<'a>(
        instances: impl IntoIterator<Item = &'a lb_vrrp::driver::Instance>,
        index: impl Fn(&str) -> Option<u32>,
    ) -> Self {
        let mut resumed = Self::default();
        let mut known: BTreeMap<String, Option<u32>> = BTreeMap::new();
        let mut index = |name: &str| *known.entry(name.to_owned()).or_insert_with(|| index(name));
        for instance in instances {
            let link = instance.virtual_mac.as_ref().and_then(|mac| mac.name.clone());
            let own = link.clone().unwrap_or_else(|| instance.interface.clone());
            resumed.links.extend(link);
            for address in instance.installed() {
                let attributes = address.attributes.as_deref();
                let device = attributes.and_then(|attributes| attributes.device.as_deref()).unwrap_or(&own);
                let peer = attributes.and_then(|attributes| attributes.peer);
                resumed.addresses.extend(index(device).map(|index| (index, address.net, peer)));
            }
        }
        resumed
    }

    /// The addresses and interfaces of an inventory that nobody goes on with.
    pub(super) fn stale(&self, inventory: &Inventory) -> Inventory {
        let is_stale = |entry: &&Entry| match entry {
            Entry::Address { interface, net, peer } => !self.addresses.contains(&(*interface, *net, *peer)),
            Entry::Link { name, .. } => !self.links.contains(name),
            _ => false,
        };
        inventory.iter().filter(is_stale).cloned().collect()
    }
}
