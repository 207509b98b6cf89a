use std::net::IpAddr;

use ipnet::IpNet;

pub use lb_vrrp::Family;

/// An entry of `virtual_ipaddress`, `virtual_ipaddress_excluded` or `static_ipaddress`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualAddress {
    /// Address and network length; without one in the file it is /32 or /128.
    pub net: IpNet,
    /// `dev`: where it goes. Default: the interface of the instance, or its VMAC.
    pub device: Option<String>,
    /// `label`, IPv4 only: the name that `ifconfig` shows, up to 15 bytes, beginning with the device's.
    pub label: Option<String>,
    /// `scope`. Default: that of the kernel.
    pub scope: Option<Scope>,
    /// `brd`: the broadcast address, worked out already where the file has `+` or `-`. IPv4 only. Default: none.
    pub broadcast: Option<IpAddr>,
    /// `peer`: the other end of a point-to-point link.
    pub peer: Option<IpNet>,
    /// `home`, IPv6 only.
    pub home: bool,
    /// `-nodad`, IPv6 only: duplicate address detection is done. Default: it is not, as keepalived.
    pub duplicate_detection: bool,
    /// `mngtmpaddr`, IPv6 only.
    pub manage_temporary: bool,
    /// `noprefixroute`.
    pub no_prefix_route: bool,
    /// `autojoin`: the multicast group of this address is joined.
    pub auto_join: bool,
    /// `preferred_lft` in seconds; `None` = forever. Default: forever, but 0 for an IPv6 /128.
    pub preferred_lifetime: Option<u32>,
    /// `no_track`: that somebody removes it is nobody's concern.
    pub tracked: bool,
    /// `use_vmac` or `track_group`, and what else is known and not acted on, is named in a warning and not here.
    pub use_vmac: bool,
}

impl VirtualAddress {
    /// This address, and the defaults.
    pub fn new(net: IpNet) -> Self {
        let host = net.prefix_len() == net.max_prefix_len();
        Self {
            net,
            device: None,
            label: None,
            scope: None,
            broadcast: None,
            peer: None,
            home: false,
            duplicate_detection: false,
            manage_temporary: false,
            no_prefix_route: false,
            auto_join: false,
            preferred_lifetime: (host && matches!(net, IpNet::V6(_))).then_some(0),
            tracked: true,
            use_vmac: false,
        }
    }
}

/// How far an address or route is valid (rtnetlink(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope(pub u8);

/// A line of `virtual_routes`, `static_routes`, `virtual_rules` or `static_rules`: the words of `ip route add` or
/// `ip rule add`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its family.
    pub family: Family,
    /// The words for `ip`, without those that only keepalived knows.
    pub words: Vec<String>,
    /// Whether its removal by somebody else counts; `no_track` says no.
    pub tracked: bool,
}

/// A route.
pub type Route = Entry;
/// A rule.
pub type Rule = Entry;
