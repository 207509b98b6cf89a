//! The daemons that copy connections to a peer.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{
    DecodeError,
    attribute::{Attribute, Attributes, Put},
    consts::daemon as nr,
};

/// Which half of the synchronisation. A machine may run both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DaemonRole {
    /// Sends its connections.
    Master,
    /// Receives connections.
    Backup,
}

impl DaemonRole {
    /// The word of `ipvsadm --start-daemon`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Backup => "backup",
        }
    }

    const fn number(self) -> u32 {
        match self {
            Self::Master => 1,
            Self::Backup => 2,
        }
    }
}

impl fmt::Display for DaemonRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A daemon that copies connections to a peer by multicast (`ipvsadm --start-daemon`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Daemon {
    /// Which half.
    pub role: DaemonRole,
    /// Interface for the multicast, at most 15 bytes.
    pub interface: String,
    /// Only messages with the same number are taken, 0 to 255; 0 for a backup takes all.
    pub sync_id: u32,
    /// Largest message in bytes; `None` = what fits the interface's MTU.
    pub max_length: Option<u16>,
    /// Multicast group; `None` = 224.0.0.81.
    pub group: Option<IpAddr>,
    /// UDP port; `None` = 8848.
    pub port: Option<u16>,
    /// Time to live of the packets; `None` = 1.
    pub ttl: Option<u8>,
    /// Attributes that this version does not know.
    pub other: Vec<Attribute>,
}

impl Daemon {
    /// A daemon with the kernel's defaults.
    pub fn new(role: DaemonRole, interface: impl Into<String>, sync_id: u8) -> Self {
        Self {
            role,
            interface: interface.into(),
            sync_id: sync_id.into(),
            max_length: None,
            group: None,
            port: None,
            ttl: None,
            other: Vec::new(),
        }
    }

    /// The inside of `DAEMON`.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.put_u32(nr::STATE, self.role.number());
        out.put_text(nr::MCAST_IFN, &self.interface);
        out.put_u32(nr::SYNC_ID, self.sync_id);
        if let Some(length) = self.max_length {
            out.put_u16(nr::SYNC_MAXLEN, length);
        }
        // Unlike the ports of services this one is in the machine's byte order.
        if let Some(port) = self.port {
            out.put_u16(nr::MCAST_PORT, port);
        }
        if let Some(ttl) = self.ttl {
            out.put_u8(nr::MCAST_TTL, ttl);
        }
        match self.group {
            Some(IpAddr::V4(group)) => out.put(nr::MCAST_GROUP, &group.octets()),
            Some(IpAddr::V6(group)) => out.put(nr::MCAST_GROUP6, &group.octets()),
            None => {}
        }
        out.put_other(&self.other);
    }

    pub(crate) fn parse(attributes: Attributes<'_>) -> Result<Self, DecodeError> {
        let mut role = None;
        let mut daemon = Self::new(DaemonRole::Master, "", 0);
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind() {
                nr::STATE => {
                    role = Some(match attribute.u32()? {
                        1 => DaemonRole::Master,
                        2 => DaemonRole::Backup,
                        value => return Err(DecodeError::Value { what: "state of a sync daemon", value }),
                    });
                }
                nr::MCAST_IFN => daemon.interface = attribute.text()?.to_owned(),
                nr::SYNC_ID => daemon.sync_id = attribute.u32()?,
                nr::SYNC_MAXLEN => daemon.max_length = Some(attribute.u16()?),
                nr::MCAST_GROUP => {
                    daemon.group = Some(IpAddr::V4(Ipv4Addr::from(attribute.bytes::<4>()?)));
                }
                nr::MCAST_GROUP6 => {
                    daemon.group = Some(IpAddr::V6(Ipv6Addr::from(attribute.bytes::<16>()?)));
                }
                nr::MCAST_PORT => daemon.port = Some(attribute.u16()?),
                nr::MCAST_TTL => daemon.ttl = Some(attribute.u8()?),
                _ => daemon.other.push(attribute.to_owned()),
            }
        }
        daemon.role = role.ok_or(DecodeError::Missing("the state of the sync daemon"))?;
        Ok(daemon)
    }
}
