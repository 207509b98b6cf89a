//! Macvlan interfaces with a virtual Ethernet address.

use std::{fs, io};

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoData, InfoKind, InfoMacVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, MacVlanMode},
};
use nix::net::if_::if_indextoname;

use super::netlink::{Kind, Requests};
use crate::{driver::platform::VirtualLink, wire::Mac};

/// What is set on a macvlan interface; see the table of the [module](super).
const SETTINGS: [(&str, &str, &str); 7] = [
    ("ipv4", "arp_ignore", "1"),
    ("ipv4", "rp_filter", "2"),
    ("ipv4", "accept_local", "1"),
    ("ipv6", "addr_gen_mode", "1"),
    ("ipv6", "accept_dad", "0"),
    ("ipv6", "accept_ra", "0"),
    ("ipv6", "autoconf", "0"),
];

/// The alias (`ip link show`) of the macvlan interfaces that this driver has made. The kernel keeps it when the process is
/// killed, so that an interface of somebody else is never taken for one of these.
const ALIAS: &str = "lb-vrrp virtual MAC";

/// An interface of this host, as far as it matters for the name of a virtual one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExistingLink {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// Index of the interface that it is upon.
    pub parent: Option<u32>,
    /// Its Ethernet address.
    pub mac: Option<Mac>,
    /// Who has made it; `None` = somebody else, or it is not a macvlan interface.
    pub maker: Option<Maker>,
}

/// Who has made a macvlan interface with a virtual Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// This driver, in this process or in another one: the interface has the driver's alias.
    Driver,
    /// keepalived, which makes them in private mode, with the Ethernet address of the protocol.
    Keepalived,
}

impl ExistingLink {
    /// Whether the driver takes it for the virtual interface with this Ethernet address upon that interface: it, or a
    /// process like it, has made it. Any other interface is left alone.
    pub fn is_virtual(&self, parent: u32, mac: Mac) -> bool {
        self.maker.is_some() && (self.parent, self.mac) == (Some(parent), Some(mac))
    }

    /// Whether the driver has made it, with this Ethernet address.
    pub fn is_own(&self, mac: Mac) -> bool {
        self.maker == Some(Maker::Driver) && self.mac == Some(mac)
    }
}

impl From<&LinkMessage> for ExistingLink {
    fn from(message: &LinkMessage) -> Self {
        let index = message.header.index;
        let mut link = Self { name: String::new(), index, parent: None, mac: None, maker: None };
        let (mut is_marked, mut mode) = (false, None);
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Link(parent) => link.parent = Some(*parent),
                LinkAttribute::Address(mac) => link.mac = mac.as_slice().try_into().ok().map(Mac),
                LinkAttribute::IfAlias(alias) => is_marked = alias == ALIAS,
                LinkAttribute::LinkInfo(infos) => mode = macvlan_mode(infos),
                _ => {}
            }
        }
        link.maker = match mode {
            Some(_) if is_marked => Some(Maker::Driver),
            Some(MacVlanMode::Private) if link.mac.is_some_and(is_of_protocol) => Some(Maker::Keepalived),
            _ => None,
        };
        link
    }
}

/// All interfaces of this host.
///
/// # Errors
/// When the kernel does not answer.
pub fn existing_links() -> io::Result<Vec<ExistingLink>> {
    Ok(Requests::new()?.links()?.iter().map(ExistingLink::from).collect())
}

/// Makes a macvlan interface that is down, or takes the one that a predecessor has left behind, whose addresses may still be
/// in use.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when another interface has the name: it is left alone.
pub(super) fn add(requests: &mut Requests, link: &VirtualLink) -> io::Result<u32> {
    let info = LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::MacVlan),
        // In private mode, what another router sends from the same virtual Ethernet address would come in here alone
        // and not on the parent, where it is listened to: two Active routers would never hear each other.
        LinkInfo::Data(InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Vepa)])),
    ]);
    let name = LinkAttribute::IfName(link.name.clone());
    let alias = LinkAttribute::IfAlias(ALIAS.to_owned());
    let new_link = |index, attributes| {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes = attributes;
        RouteNetlinkMessage::NewLink(message)
    };
    if let Some(left) = requests.link(&link.name)? {
        let existing = ExistingLink::from(&left);
        if !existing.is_virtual(link.parent, link.mac) {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("interface {} exists, and it is not a virtual interface of this router", link.name),
            ));
        }
        requests.one(Kind::Change, new_link(existing.index, vec![info, alias]))?;
        return Ok(existing.index);
    }
    let parent = LinkAttribute::Link(link.parent);
    let mac = LinkAttribute::Address(link.mac.0.to_vec());
    // Both in one system call, so that no process dies between them.
    let made = requests.all([
        (Kind::Create, new_link(0, vec![name.clone(), parent, mac, info])),
        (Kind::Change, new_link(0, vec![name, alias])),
    ])?;
    made.into_iter().collect::<io::Result<()>>()?;
    for (family, setting, value) in SETTINGS {
        write(family, &link.name, setting, value);
    }
    if let Ok(parent) = if_indextoname(link.parent)
        && let Ok(parent) = parent.to_str()
    {
        write("ipv4", parent, "arp_ignore", "1");
        write("ipv4", parent, "arp_announce", "2");
    }
    let made = requests.link(&link.name)?.ok_or(io::ErrorKind::NotFound)?;
    Ok(made.header.index)
}

fn macvlan_mode(infos: &[LinkInfo]) -> Option<MacVlanMode> {
    infos.iter().find_map(|info| match info {
        LinkInfo::Data(InfoData::MacVlan(data)) => data.iter().find_map(|entry| match entry {
            InfoMacVlan::Mode(mode) => Some(*mode),
            _ => None,
        }),
        _ => None,
    })
}

/// Whether it is the Ethernet address of a virtual router by the protocol (RFC 9568 §7.3).
fn is_of_protocol(mac: Mac) -> bool {
    matches!(mac.0, [0, 0, 0x5e, 0, 1 | 2, _])
}

/// Sets an interface up or down.
pub(super) fn set(requests: &mut Requests, interface: u32, up: bool) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = interface;
    message.header.change_mask = LinkFlags::Up;
    if up {
        message.header.flags = LinkFlags::Up;
    }
    match requests.one(Kind::Change, RouteNetlinkMessage::SetLink(message)) {
        Err(error) if !up && error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        result => result.map_err(gone),
    }
}

/// The same error, as one of the kind that stands for an interface that is gone.
pub(super) fn gone(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ENODEV) => io::Error::new(io::ErrorKind::NotFound, error.to_string()),
        _ => error,
    }
}

/// Removes an interface, if it is there.
pub(super) fn remove(requests: &mut Requests, interface: u32) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = interface;
    match requests.one(Kind::Change, RouteNetlinkMessage::DelLink(message)) {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        result => result,
    }
}

/// A machine may lack IPv6, or have these files read-only in a container: then what it has must do.
fn write(family: &str, interface: &str, setting: &str, value: &str) {
    let path = format!("/proc/sys/net/{family}/conf/{interface}/{setting}");
    if let Err(error) = fs::write(&path, value) {
        tracing::warn!(%path, %value, %error, "a setting of the virtual interface could not be written");
    }
}
