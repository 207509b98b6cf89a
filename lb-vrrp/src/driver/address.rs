//! A virtual address, and how it is installed.

use std::{
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
    sync::Arc,
};

use ipnet::{AddrParseError, IpNet};

/// An address that an instance has when it is Active.
///
/// Most have a network length and nothing else, and take no more room than that. `"192.0.2.1/24".parse()` makes one, and
/// so does `into` of an [`IpNet`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VirtualAddress {
    /// The address, and how many of its bits are the network.
    pub net: IpNet,
    /// How it is installed, when that is not as [`AddressAttributes::default`] says. Addresses may share it.
    pub attributes: Option<Arc<AddressAttributes>>,
}

/// How an address is installed; see ip-address(8) for what the kernel makes of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddressAttributes {
    /// The interface that it is on and announced from, with that interface's Ethernet address. It may be absent; the
    /// address waits for it then. Default: that of the instance, or its virtual interface.
    pub device: Option<Arc<str>>,
    /// `label`: a name for it, up to 15 bytes; old tools want it to begin with the name of the interface. IPv4 only.
    /// Default: the name of the interface.
    pub label: Option<String>,
    /// `scope`: 0 is global, 253 the link, 254 the host. IPv4 only: the kernel knows that of an IPv6 address. Default: 0.
    pub scope: u8,
    /// `broadcast`, IPv4 only. Default: none.
    pub broadcast: Option<Ipv4Addr>,
    /// `peer`: the other end of a point-to-point link. Its network counts, that of the address does not. Default: none.
    pub peer: Option<IpNet>,
    /// `home`: a home address of Mobile IPv6 (RFC 6275). IPv6 only. Default: no.
    pub home: bool,
    /// Whether the address is tried for being unique before it is used, for a second or more. IPv6 only. Default: no,
    /// since the router that is being replaced may have it for a moment still (RFC 9568 §8.2.2).
    pub duplicate_detection: bool,
    /// `mngtmpaddr`: the kernel makes temporary addresses of it. IPv6 only. Default: no.
    pub manage_temporary: bool,
    /// Whether there is a route to its network, unless that is the address itself; `noprefixroute` otherwise. Default: yes.
    pub prefix_route: bool,
    /// `autojoin`: the kernel joins the multicast group that the address is. Default: no.
    pub auto_join: bool,
    /// `preferred_lft` in seconds, `u32::MAX` for ever: for so long it may be the source of new connections. Default: for
    /// ever, but 0 for an IPv6 address with all of its bits, which is not to be the source of anything by chance. Of an
    /// IPv4 address the kernel knows only whether it is 0, and makes nothing of it.
    pub preferred_lifetime: Option<u32>,
    /// Whether it is put back when somebody else removes it, as far as [`Instance::put_back`](super::Instance::put_back)
    /// allows. Default: yes.
    pub tracked: bool,
}

impl Default for AddressAttributes {
    fn default() -> Self {
        Self {
            device: None,
            label: None,
            scope: 0,
            broadcast: None,
            peer: None,
            home: false,
            duplicate_detection: false,
            manage_temporary: false,
            prefix_route: true,
            auto_join: false,
            preferred_lifetime: None,
            tracked: true,
        }
    }
}

impl VirtualAddress {
    /// An address with these attributes.
    pub fn new(net: IpNet, attributes: AddressAttributes) -> Self {
        let is_plain = attributes == AddressAttributes::default();
        Self { net, attributes: (!is_plain).then(|| Arc::new(attributes)) }
    }

    /// The address, without its network.
    pub fn addr(&self) -> IpAddr {
        self.net.addr()
    }

    /// The interface that it is on, when that is not the one of its instance.
    pub(super) fn device(&self) -> Option<&Arc<str>> {
        self.attributes.as_ref()?.device.as_ref()
    }

    /// Whether it is put back.
    pub(super) fn is_tracked(&self) -> bool {
        self.attributes.as_ref().is_none_or(|attributes| attributes.tracked)
    }

    /// What is wrong with it.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let Some(attributes) = &self.attributes else { return Ok(()) };
        let AddressAttributes { label, scope, broadcast, peer, .. } = &**attributes;
        let v4 = self.net.addr().is_ipv4();
        let v6_only = [attributes.home, attributes.duplicate_detection, attributes.manage_temporary];
        if !v4 && (label.is_some() || broadcast.is_some() || *scope != 0) {
            return Err("label, scope and broadcast are for IPv4 only");
        }
        if v4 && v6_only.contains(&true) {
            return Err("home, duplicate detection and temporary addresses are for IPv6 only");
        }
        if peer.is_some_and(|peer| peer.addr().is_ipv4() != v4) {
            return Err("its peer is of the other family");
        }
        if label.as_ref().is_some_and(|label| !(1..=15).contains(&label.len()) || label.contains('\0')) {
            return Err("a label has 1 to 15 bytes");
        }
        if attributes.device.as_ref().is_some_and(|device| !is_interface_name(device)) {
            return Err("its device can not be the name of an interface");
        }
        Ok(())
    }
}

/// Whether the kernel takes this for the name of an interface.
pub(super) fn is_interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && !name.contains(|c: char| c == '/' || c == '\0' || c.is_whitespace())
        && !matches!(name, "." | "..")
}

impl From<IpNet> for VirtualAddress {
    fn from(net: IpNet) -> Self {
        Self { net, attributes: None }
    }
}

impl From<IpAddr> for VirtualAddress {
    /// With all of its bits.
    fn from(address: IpAddr) -> Self {
        IpNet::from(address).into()
    }
}

impl FromStr for VirtualAddress {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        text.parse::<IpNet>().map(Self::from)
    }
}

#[cfg(test)]
mod tests;
