//! Macvlan interfaces with a virtual Ethernet address.

use std::{fs, io};

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoData, InfoKind, InfoMacVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, MacVlanMode},
};
use nix::net::if_::if_indextoname;

use super::netlink::{Kind, Requests};
use crate::driver::platform::VirtualLink;

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

/// Makes a macvlan interface that is down, in place of one that was left behind.
pub(super) fn add(requests: &mut Requests, link: &VirtualLink) -> io::Result<u32> {
    if let Some(left) = requests.link(&link.name)? {
        match is_the_same(&left, link) {
            // A predecessor's: its addresses may still be in use.
            true => return Ok(left.header.index),
            false => remove(requests, left.header.index)?,
        }
    }
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(link.name.clone()),
        LinkAttribute::Link(link.parent),
        LinkAttribute::Address(link.mac.0.to_vec()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::MacVlan),
            // In private mode, what another router sends from the same virtual Ethernet address would come in here alone
            // and not on the parent, where it is listened to: two Active routers would never hear each other.
            LinkInfo::Data(InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Vepa)])),
        ]),
    ];
    requests.one(Kind::Create, RouteNetlinkMessage::NewLink(message))?;
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
        result => result,
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

/// Whether this interface is the one that would be made.
fn is_the_same(left: &LinkMessage, link: &VirtualLink) -> bool {
    let has = |attribute| left.attributes.contains(&attribute);
    has(LinkAttribute::Address(link.mac.0.to_vec())) && has(LinkAttribute::Link(link.parent))
}

/// A machine may lack IPv6, or have these files read-only in a container: then what it has must do.
fn write(family: &str, interface: &str, setting: &str, value: &str) {
    let path = format!("/proc/sys/net/{family}/conf/{interface}/{setting}");
    if let Err(error) = fs::write(&path, value) {
        tracing::warn!(%path, %value, %error, "a setting of the virtual interface could not be written");
    }
}
