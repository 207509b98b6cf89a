//! A virtual router with what it has on a machine.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;
use thiserror::Error;

use super::{
    address::{VirtualAddress, is_interface_name},
    work::Assets,
};
use crate::{
    Config, Family,
    router::Mode,
    wire::{Authentication, Mac, ah::Key},
};

/// A virtual router on an interface: its configuration, and the addresses that it has when it is Active.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instance {
    /// Its name in logs, events and orders.
    pub name: String,
    /// Name of the interface.
    pub interface: String,
    /// The virtual router, which shares it. Its addresses are the ones that are advertised.
    pub config: Arc<Config>,
    /// How the advertised addresses are installed, and how many of their bits are the network. Those that do not stand
    /// here have all of them, /32 or /128, and no attributes. Default: none stands here.
    pub addresses: Vec<VirtualAddress>,
    /// Addresses that are installed and announced, and not advertised: more than an advertisement carries, or of the other
    /// family. Default: none.
    pub unadvertised: Vec<VirtualAddress>,
    /// The address that advertisements come from. Default: the primary address of the interface; for IPv6 its link-local
    /// one.
    pub source: Option<IpAddr>,
    /// Whether the addresses are on a macvlan interface with the virtual Ethernet address (RFC 9568 §7.3), which is also
    /// the source of multicast advertisements (§7.2). Default: they are on the interface itself and have its Ethernet
    /// address.
    pub virtual_mac: Option<VirtualMac>,
    /// The key of the IP authentication header, for a configuration with
    /// [`auth_header`](crate::ConfigBuilder::auth_header). Default: none.
    pub key: Option<Key>,
    /// How addresses are announced. A driver shares what is the same for many.
    pub announcing: Arc<Announcing>,
    /// Whether an address that somebody else removes while the router is Active is put back. Default: yes.
    pub put_back: bool,
    /// Whether it takes part from the beginning; otherwise once it is told to by
    /// [`Control::startup`](super::Control::startup): it is not [restored](super::Driver::restore), but addresses that a
    /// predecessor left on the interface stay, until another router is heard or for two down intervals. Default: yes.
    pub starts: bool,
    /// Whether it takes no part while its interface is down or without carrier. Default: yes.
    pub heeds_link: bool,
    /// Whether it takes no part while [`source`](Self::source), if set, is not an address of this host. Default: no.
    pub heeds_source: bool,
    /// TTL or hop limit of advertisements by unicast, 1 to 255. By multicast, and in IP authentication headers, which cover
    /// it, it is 255 always. Default: 255.
    pub unicast_ttl: u8,
}

/// The interface with the virtual Ethernet address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VirtualMac {
    /// Its name, up to 15 bytes. Default: `vrrp4.INDEX.ID` or `vrrp6.INDEX.ID`, of the interface's index and the virtual
    /// router identifier.
    pub name: Option<String>,
    /// Its Ethernet address. Default: that of the protocol (RFC 9568 §7.3).
    pub mac: Option<Mac>,
    /// Whether advertisements come from the Ethernet address of the interface below all the same. Bridges do not learn
    /// then where the virtual one is, but from announcements. Default: no.
    pub advertises_from_below: bool,
}

/// How addresses are announced: by gratuitous ARP or unsolicited neighbour advertisements, in rounds of one frame for
/// each address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcing {
    /// Rounds when the router became Active; the first one goes along with the installation. Default: 5.
    pub repeat: u8,
    /// Time between these rounds. Default: 20 ms.
    pub spacing: Duration,
    /// Time until the second burst. Default: 5 s.
    pub delay: Duration,
    /// Rounds of the second burst, with the same spacing. 0 for none. Default: 5.
    pub delayed_repeat: u8,
    /// Rounds when another router was found to be Active as well, since the link may have learned its Ethernet address. 0
    /// for none. Default: 5.
    pub other_repeat: u8,
    /// Time until a second burst of as many rounds then; `None` for none. Default: 5 s.
    pub other_delay: Option<Duration>,
    /// Time between refreshes from then on, while the router is Active. Default: `None`, there are none.
    pub refresh: Option<Duration>,
    /// Rounds of a refresh. Default: 1.
    pub refresh_repeat: u8,
    /// Time between frames of this instance, for switches that drop what comes too fast. Default: 0.
    pub frame_interval: Duration,
}

impl Default for Announcing {
    fn default() -> Self {
        Self {
            repeat: 5,
            spacing: Duration::from_millis(20),
            delay: Duration::from_secs(5),
            delayed_repeat: 5,
            other_repeat: 5,
            other_delay: Some(Duration::from_secs(5)),
            refresh: None,
            refresh_repeat: 1,
            frame_interval: Duration::ZERO,
        }
    }
}

/// Why an instance can not be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InstanceError {
    /// It has no name, or another instance has it.
    #[error("instance {0:?}: the name is empty or taken: give each instance a name of its own")]
    Name(String),
    /// Another instance has the same virtual router identifier on the same interface and family.
    #[error(
        "instance {name:?}: virtual router id {vrid} is that of instance {other:?} on the same interface"
    )]
    Taken {
        /// The instance.
        name: String,
        /// The identifier.
        vrid: u8,
        /// The instance that has it.
        other: String,
    },
    /// A network length is given for an address that is not advertised.
    #[error("instance {name:?}: {address} is not among the addresses of its configuration")]
    NotAdvertised {
        /// The instance.
        name: String,
        /// The address.
        address: IpNet,
    },
    /// An address has attributes that it can not have.
    #[error("instance {name:?}: address {address}: {why}")]
    Attributes {
        /// The instance.
        name: String,
        /// The address.
        address: IpNet,
        /// What is wrong.
        why: &'static str,
    },
    /// The TTL of unicast is 0.
    #[error("instance {0:?}: a TTL of 0 reaches nobody: give 1 to 255")]
    Ttl(String),
    /// The source is of another family than the virtual addresses.
    #[error("instance {name:?}: source {source_address} is of another family than its addresses")]
    Source {
        /// The instance.
        name: String,
        /// The source.
        source_address: IpAddr,
    },
    /// The configuration wants an IP authentication header and there is no key, or the other way round.
    #[error(
        "instance {0:?}: an IP authentication header needs both `auth_header` in the configuration, and a key"
    )]
    Key(String),
    /// The name of an interface is too long.
    #[error(
        "instance {name:?}: {interface:?} is no name for an interface: it has 1 to 15 bytes without '/' and spaces"
    )]
    InterfaceName {
        /// The instance.
        name: String,
        /// The name.
        interface: String,
    },
    /// What can not be changed was to be changed: remove the instance and add another one.
    #[error("instance {name:?}: its {what} can not be changed: remove it and add it anew")]
    Fixed {
        /// The instance.
        name: String,
        /// What was to be changed.
        what: &'static str,
    },
}

impl Instance {
    /// An instance with the defaults.
    pub fn new(
        name: impl Into<String>,
        interface: impl Into<String>,
        config: impl Into<Arc<Config>>,
    ) -> Self {
        Self {
            name: name.into(),
            interface: interface.into(),
            config: config.into(),
            addresses: Vec::new(),
            unadvertised: Vec::new(),
            source: None,
            virtual_mac: None,
            key: None,
            announcing: Arc::default(),
            put_back: true,
            heeds_link: true,
            heeds_source: false,
            starts: true,
            unicast_ttl: 255,
        }
    }

    /// All addresses that it has when it is Active: the advertised ones, then the others. One that is given several times
    /// is installed once on each interface that it is given for.
    pub fn installed(&self) -> impl Iterator<Item = VirtualAddress> + '_ {
        let is_given = |address: &IpAddr| self.addresses.iter().any(|given| given.addr() == *address);
        let plain = self.config.addresses().iter().filter(move |address| !is_given(address)).map(Into::into);
        let all = self.addresses.iter().cloned().chain(plain).chain(self.unadvertised.iter().cloned());
        let mut seen: BTreeSet<(IpAddr, Option<Arc<str>>)> = BTreeSet::new();
        all.filter(move |address| seen.insert((address.addr(), address.device().cloned())))
    }

    /// What there is to install and announce.
    pub(super) fn assets(&self, name: Arc<str>) -> Assets {
        Assets { name, addresses: self.installed().collect(), announcing: self.announcing.clone() }
    }

    /// Interfaces other than its own that its addresses are on, each once.
    pub(super) fn devices(&self) -> Vec<Arc<str>> {
        let all = self.addresses.iter().chain(&self.unadvertised).filter_map(VirtualAddress::device);
        let mut devices = Vec::new();
        for device in all {
            if !devices.contains(device) {
                devices.push(device.clone());
            }
        }
        devices
    }

    /// What is wrong with it by itself.
    pub(super) fn check(&self) -> Result<(), InstanceError> {
        let name = || self.name.clone();
        if self.name.is_empty() {
            return Err(InstanceError::Name(name()));
        }
        let advertised =
            |given: &&VirtualAddress| self.config.addresses().iter().any(|address| address == given.addr());
        if let Some(address) = self.addresses.iter().find(|given| !advertised(given)) {
            return Err(InstanceError::NotAdvertised { name: name(), address: address.net });
        }
        for address in self.addresses.iter().chain(&self.unadvertised) {
            let fault = |why| InstanceError::Attributes { name: name(), address: address.net, why };
            address.check().map_err(fault)?;
        }
        if let Some(source) = self.source
            && Family::of(source) != self.config.family()
        {
            return Err(InstanceError::Source { name: name(), source_address: source });
        }
        if self.unicast_ttl == 0 {
            return Err(InstanceError::Ttl(name()));
        }
        if self.key.is_some() != (self.config.authentication == Authentication::Header) {
            return Err(InstanceError::Key(name()));
        }
        let virtual_name = self.virtual_mac.as_ref().and_then(|mac| mac.name.as_ref());
        for interface in [Some(&self.interface), virtual_name].into_iter().flatten() {
            if !is_interface_name(interface) {
                return Err(InstanceError::InterfaceName { name: name(), interface: interface.clone() });
            }
        }
        Ok(())
    }

    /// Whether its messages carry the time of day.
    pub(super) fn carries_time(&self) -> bool {
        #[cfg(feature = "hmac")]
        let carries_time = self.config.keyring.is_some();
        #[cfg(not(feature = "hmac"))]
        let carries_time = false;
        carries_time
    }

    /// The group that it listens to.
    pub(super) fn group(&self) -> Option<IpAddr> {
        match self.config.mode() {
            Mode::Multicast(group) => Some(*group),
            Mode::Unicast(_) => None,
        }
    }

    /// Whether its advertisements have to come from a link-local address.
    pub(super) fn needs_link_local(&self) -> bool {
        let is_link_local = |peer: &IpAddr| matches!(peer, IpAddr::V6(peer) if is_link_local(*peer));
        match self.config.mode() {
            Mode::Multicast(_) => self.config.family() == Family::V6,
            Mode::Unicast(peers) => peers.iter().any(is_link_local),
        }
    }

    /// The Ethernet address of its virtual interface, if it has one.
    pub(super) fn virtual_address(&self) -> Option<Mac> {
        let given = self.virtual_mac.as_ref()?.mac;
        Some(given.unwrap_or_else(|| self.config.virtual_mac()))
    }

    /// The Ethernet address that advertisements to this destination come from, when that is not the interface's own.
    pub(super) fn advertises_from(&self, destination: IpAddr) -> Option<Mac> {
        let from_below = self.virtual_mac.as_ref()?.advertises_from_below;
        self.virtual_address().filter(|_| destination.is_multicast() && !from_below)
    }

    /// Name of its virtual interface upon the interface with this index.
    pub(super) fn virtual_name(&self, parent: u32) -> Option<String> {
        let given = self.virtual_mac.as_ref()?.name.clone();
        let family = match self.config.family() {
            Family::V4 => 4,
            Family::V6 => 6,
        };
        Some(given.unwrap_or_else(|| format!("vrrp{family}.{parent}.{}", self.config.vrid())))
    }
}

pub(super) fn is_link_local(address: Ipv6Addr) -> bool {
    address.is_unicast_link_local()
}

#[cfg(test)]
mod tests;
