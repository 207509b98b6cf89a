//! What has been read of a command line so far, and what it amounts to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use lb_config::names::Resolver;
use lb_core::model::{Family, Protocol, ServerKey, ServiceKey, Thresholds};
use lb_ipvs::{Daemon, DaemonRole, Forwarding, Netmask, Tunnel, TunnelFlags, TunnelKind};

use super::{
    address,
    fault::{Fault, Problem},
    parse::MONTH,
    scan::Found,
    switch::{Seen, Switch},
};

/// Without a value of `-p`, in seconds.
const PERSISTENCE: u32 = 360;
/// Of two names for one thing, that which the kernel holds; a longer one is cut there.
const NAME: usize = 15;

/// What has been read of a command line.
pub(super) struct Line<'a> {
    names: &'a dyn Resolver,
    pub(super) command: Switch,
    pub(super) seen: Seen,
    pub(super) service: Option<ServiceKey>,
    pub(super) scheduler: &'a str,
    pub(super) engine: &'a str,
    pub(super) flags: &'a str,
    /// 0 without persistence.
    pub(super) timeout: u32,
    pub(super) netmask: Netmask,
    pub(super) server: Option<ServerKey>,
    pub(super) forwarding: Forwarding,
    pub(super) weight: u32,
    pub(super) thresholds: Thresholds,
    pub(super) tunnel: Tunnel,
    pub(super) daemon: Daemon,
}

impl<'a> Line<'a> {
    /// Begins with the command.
    pub(super) fn new(command: &Found<'a>, names: &'a dyn Resolver) -> Result<Self, Problem> {
        let what = match command.switch {
            Switch::StartDaemon => "start-daemon parameter",
            _ => "start_daemon",
        };
        let role = match command.value {
            None | Some((_, "master")) => DaemonRole::Master,
            Some((_, "backup")) => DaemonRole::Backup,
            Some((at, _)) => return Err(Problem { at: Some(at), fault: Fault::IllegalValue(what) }),
        };
        Ok(Self {
            names,
            command: command.switch,
            seen: Seen::default(),
            service: None,
            scheduler: "",
            engine: "",
            flags: "",
            timeout: 0,
            netmask: Netmask::V4(Ipv4Addr::BROADCAST),
            server: None,
            forwarding: Forwarding::Direct,
            weight: 1,
            thresholds: Thresholds::NONE,
            tunnel: Tunnel::IPIP,
            daemon: Daemon::new(role, "eth0", 0),
        })
    }

    /// One more switch.
    pub(super) fn take(&mut self, found: &Found<'a>) -> Result<(), Problem> {
        let at = Some(found.value.map_or(found.word, |(at, _)| at));
        let text = found.value.map(|(_, text)| text);
        self.note(found.switch, at)
            .and_then(|()| self.apply(found.switch, text))
            .map_err(|fault| Problem { at, fault })
    }

    fn note(&mut self, switch: Switch, at: Option<usize>) -> Result<(), Fault> {
        match switch {
            // These two may stand there any number of times.
            Switch::Ipv6 | Switch::Sort => Ok(()),
            _ if self.seen.add(switch, at) => Ok(()),
            _ => Err(Fault::Multiple(switch.slot().name())),
        }
    }

    fn apply(&mut self, switch: Switch, value: Option<&'a str>) -> Result<(), Fault> {
        let text = value.unwrap_or_default();
        let count = |what, least, most| address::number(text, least, most).ok_or(Fault::IllegalValue(what));
        match switch {
            Switch::Tcp => self.service(Protocol::Tcp, text)?,
            Switch::Udp => self.service(Protocol::Udp, text)?,
            Switch::Sctp => self.service(Protocol::Sctp, text)?,
            Switch::FwMark => {
                let mark = address::number(text, 1, u32::MAX.into()).and_then(std::num::NonZeroU32::new);
                let mark = mark.ok_or_else(|| Fault::InvalidValue("fwmark", text.to_owned()))?;
                self.service = Some(ServiceKey::FwMark { mark, family: Family::V4 });
            }
            Switch::Ipv6 => match self.service {
                Some(ServiceKey::FwMark { mark, .. }) => {
                    self.service = Some(ServiceKey::FwMark { mark, family: Family::V6 });
                    self.netmask = Netmask::whole(Family::V6);
                }
                _ => return Err(Fault::Ipv6BeforeMark),
            },
            Switch::Scheduler => self.scheduler = cut(text),
            Switch::Engine => self.engine = cut(text),
            Switch::Flags => self.flags = text,
            Switch::Persistent => {
                let seconds = |text: &str| address::number(text, 1, MONTH);
                let invalid = |text: &str| Fault::InvalidValue("timeout", text.to_owned());
                self.timeout = match value {
                    None => PERSISTENCE,
                    Some(text) => seconds(text).ok_or_else(|| invalid(text))?,
                };
            }
            Switch::Netmask => self.netmask = self.netmask(text)?,
            Switch::RealServer => {
                // Before the service is known there are no names for ports; with a mark they are those of TCP.
                let (ports, own) = match self.service {
                    None => (None, 0),
                    Some(ServiceKey::FwMark { .. }) => (Some(Protocol::Tcp), 0),
                    Some(ServiceKey::Address { protocol, port, .. }) => (Some(protocol), port),
                };
                let socket = address::socket(text, ports, self.names);
                let (address, port) = socket.ok_or(Fault::IllegalValue("real server address[:port]"))?;
                self.server = Some(ServerKey::new(address, port.unwrap_or(own)));
            }
            Switch::Gate => self.forwarding = Forwarding::Direct,
            Switch::Ipip => self.forwarding = Forwarding::Tunnel,
            Switch::Masq => self.forwarding = Forwarding::Masquerade,
            Switch::Weight => self.weight = count("weight", 0, i32::MAX.into())?,
            Switch::Upper => self.thresholds.upper = count("u_threshold", 0, i32::MAX.into())?,
            Switch::Lower => self.thresholds.lower = count("l_threshold", 0, i32::MAX.into())?,
            Switch::TunnelType => {
                self.tunnel.kind = match text {
                    "ipip" => TunnelKind::Ipip,
                    "gue" => TunnelKind::Gue,
                    "gre" => TunnelKind::Gre,
                    _ => return Err(Fault::IllegalValue("tunnel type")),
                }
            }
            Switch::TunnelPort => self.tunnel.port = count("tunnel port", 1, u16::MAX.into())? as u16,
            Switch::NoChecksum => self.tunnel.flags = TunnelFlags::EMPTY,
            Switch::Checksum => self.tunnel.flags = TunnelFlags::CHECKSUM,
            Switch::RemoteChecksum => self.tunnel.flags = TunnelFlags::REMOTE_CHECKSUM,
            Switch::Interface => self.daemon.interface = cut(text).to_owned(),
            Switch::SyncId => self.daemon.sync_id = count("syncid", 0, 255)?,
            Switch::MaxLength => {
                // A UDP payload in an IPv4 packet.
                self.daemon.max_length = Some(count("sync-maxlen", 1, 65_535 - 20 - 8)? as u16);
            }
            Switch::Group => self.daemon.group = Some(group(text)?),
            Switch::Port => self.daemon.port = Some(count("mcast-port", 1, u16::MAX.into())? as u16),
            Switch::Ttl => self.daemon.ttl = Some(count("mcast-ttl", 1, 255)? as u8),
            // Only whether they are there matters.
            _ => {}
        }
        Ok(())
    }

    fn service(&mut self, protocol: Protocol, text: &str) -> Result<(), Fault> {
        let socket = address::socket(text, Some(protocol), self.names);
        let (address, port) = socket.ok_or(Fault::IllegalValue("virtual server address[:port]"))?;
        if address.is_ipv6() {
            self.netmask = Netmask::whole(Family::V6);
        }
        self.service = Some(ServiceKey::new(protocol, SocketAddr::new(address, port.unwrap_or(0))));
        Ok(())
    }

    fn netmask(&self, text: &str) -> Result<Netmask, Fault> {
        if self.service.is_some_and(|service| service.family() == Family::V6) {
            return match address::loose_number(text) {
                length @ 1..=128 => Ok(Netmask::V6(length as u8)),
                _ => Err(Fault::IllegalValue("ipv6 netmask")),
            };
        }
        let mask = address::host(text, self.names);
        mask.map(Netmask::V4).ok_or(Fault::IllegalValue("virtual server persistent mask"))
    }
}

/// As much of a name as the kernel has room for.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(NAME)]
}

fn group(text: &str) -> Result<IpAddr, Fault> {
    let family = if text.contains(':') { Family::V6 } else { Family::V4 };
    let address = text.parse::<IpAddr>().ok().filter(|address| Family::of(*address) == family);
    address.filter(IpAddr::is_multicast).ok_or_else(|| Fault::Group {
        family: match family {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        },
        text: text.to_owned(),
    })
}
