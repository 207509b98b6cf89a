//! Destinations (real servers) on the wire.

use std::fmt;

use lb_core::model::{Family, ServerKey, Thresholds};

use super::{
    DecodeError, Stats, address, address_bytes,
    attribute::{Attribute, Attributes, Put, View},
    consts::dest as nr,
    family, family_number,
    stats::Width,
};

/// A real server of a virtual service as the kernel is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Destination {
    /// What identifies it inside its service. With [`Forwarding::Tunnel`] the address may be of the other family.
    pub key: ServerKey,
    /// Share of new connections; 0 = no new ones. At most 2³¹ - 1.
    pub weight: u32,
    /// How packets reach it.
    pub forwarding: Forwarding,
    /// With [`Forwarding::Tunnel`]: the encapsulation.
    pub tunnel: Tunnel,
    /// Connection limits.
    pub thresholds: Thresholds,
    /// Attributes that this version does not know.
    pub other: Vec<Attribute>,
}

impl Destination {
    /// A server of weight 1, without limits.
    pub const fn new(key: ServerKey, forwarding: Forwarding) -> Self {
        Self {
            key,
            weight: 1,
            forwarding,
            tunnel: Tunnel::IPIP,
            thresholds: Thresholds::NONE,
            other: Vec::new(),
        }
    }

    /// The same with another weight.
    #[must_use]
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }
}

/// A real server as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DestinationEntry {
    /// The server.
    pub destination: Destination,
    /// Connections that are open or opening (`ActiveConn`).
    pub active: u32,
    /// Connections in any other state, as after a FIN, and all of UDP (`InActConn`).
    pub inactive: u32,
    /// Persistence templates: clients that are bound to the server.
    pub persistent: u32,
    /// Statistics.
    pub stats: Stats,
}

/// How packets reach a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Forwarding {
    /// Network address translation (`ipvsadm -m`).
    Masquerade,
    /// The server is the balancer itself. The kernel chooses this by the address and reports the method that it was
    /// told, so it is rarely seen.
    Local,
    /// Encapsulated (`ipvsadm -i`).
    Tunnel,
    /// Direct routing (`ipvsadm -g`).
    Direct,
    /// Past the balancer; the kernel's own, for packets without a server.
    Bypass,
    /// A method that this version does not know.
    Other(u32),
}

impl Forwarding {
    /// From the kernel's number.
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Masquerade,
            1 => Self::Local,
            2 => Self::Tunnel,
            3 => Self::Direct,
            4 => Self::Bypass,
            other => Self::Other(other),
        }
    }

    /// The kernel's number.
    pub const fn number(self) -> u32 {
        match self {
            Self::Masquerade => 0,
            Self::Local => 1,
            Self::Tunnel => 2,
            Self::Direct => 3,
            Self::Bypass => 4,
            Self::Other(number) => number,
        }
    }
}

/// Encapsulation towards a real server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Tunnel {
    /// Which encapsulation (`--tun-type`).
    pub kind: TunnelKind,
    /// UDP port for [`TunnelKind::Gue`], where the kernel refuses 0; else 0 (`--tun-port`).
    pub port: u16,
    /// Checksums (`--tun-csum`, `--tun-remcsum`).
    pub flags: TunnelFlags,
}

impl Tunnel {
    /// Plain IP in IP.
    pub const IPIP: Self = Self { kind: TunnelKind::Ipip, port: 0, flags: TunnelFlags::EMPTY };

    /// An encapsulation.
    pub const fn new(kind: TunnelKind, port: u16, flags: TunnelFlags) -> Self {
        Self { kind, port, flags }
    }
}

/// Which encapsulation. GUE and GRE since Linux 5.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TunnelKind {
    /// IP in IP.
    #[default]
    Ipip,
    /// Generic UDP encapsulation.
    Gue,
    /// Generic routing encapsulation.
    Gre,
    /// A kind that this version does not know.
    Other(u8),
}

impl TunnelKind {
    /// From the kernel's number.
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Ipip,
            1 => Self::Gue,
            2 => Self::Gre,
            other => Self::Other(other),
        }
    }

    /// The kernel's number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Ipip => 0,
            Self::Gue => 1,
            Self::Gre => 2,
            Self::Other(number) => number,
        }
    }
}

/// Checksums of the outer header, for GUE and GRE.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct TunnelFlags(u16);

impl TunnelFlags {
    /// No checksum.
    pub const EMPTY: Self = Self(0);
    /// Computed.
    pub const CHECKSUM: Self = Self(1);
    /// Remote checksum offload (GUE).
    pub const REMOTE_CHECKSUM: Self = Self(2);

    /// From the kernel's number.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The kernel's number.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Debug for TunnelFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TunnelFlags({:#x})", self.0)
    }
}

/// What names the server in a request about it.
pub(crate) fn put_key(key: &ServerKey, out: &mut Vec<u8>) {
    out.put_u16(nr::ADDR_FAMILY, family_number(Family::of(key.address)));
    put_address(key, out);
}

fn put_address(key: &ServerKey, out: &mut Vec<u8>) {
    out.put(nr::ADDR, &address_bytes(key.address));
    out.put_be16(nr::PORT, key.port);
}

/// What names the server; what else may be there is passed over.
pub(crate) fn parse_key(attributes: Attributes<'_>, service: Family) -> Result<ServerKey, DecodeError> {
    let (mut own, mut raw, mut port) = (service, None, 0);
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind() {
            nr::ADDR_FAMILY => own = family(attribute.u16()?)?,
            nr::ADDR => raw = Some(attribute),
            nr::PORT => port = attribute.be16()?,
            _ => {}
        }
    }
    key(raw, port, own)
}

/// From an address in the form of the kernel, which is known by its family.
fn key(raw: Option<View<'_>>, port: u16, family: Family) -> Result<ServerKey, DecodeError> {
    Ok(ServerKey::new(address(raw.ok_or(DecodeError::Missing("the server's address"))?, family)?, port))
}

impl Destination {
    /// The inside of `DEST` in a request. The kernel takes all of them at every edit, so all are sent.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        put_key(&self.key, out);
        self.put(out);
        out.put_other(&self.other);
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.put_u32(nr::FWD_METHOD, self.forwarding.number());
        out.put_u32(nr::WEIGHT, self.weight);
        out.put_u8(nr::TUN_TYPE, self.tunnel.kind.number());
        out.put_be16(nr::TUN_PORT, self.tunnel.port);
        out.put_u16(nr::TUN_FLAGS, self.tunnel.flags.bits());
        out.put_u32(nr::U_THRESH, self.thresholds.upper);
        out.put_u32(nr::L_THRESH, self.thresholds.lower);
    }
}

impl DestinationEntry {
    /// The inside of `DEST` as the kernel sends it.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        put_address(&self.destination.key, out);
        self.destination.put(out);
        out.put_u32(nr::ACTIVE_CONNS, self.active);
        out.put_u32(nr::INACT_CONNS, self.inactive);
        out.put_u32(nr::PERSIST_CONNS, self.persistent);
        out.put_u16(nr::ADDR_FAMILY, family_number(Family::of(self.destination.key.address)));
        out.put_plain(nr::STATS, |out| self.stats.emit(Width::Legacy, out));
        out.put_plain(nr::STATS64, |out| self.stats.emit(Width::Wide, out));
        out.put_other(&self.destination.other);
    }

    /// `service` is the family of kernels that do not say each server's own.
    pub(crate) fn parse(attributes: Attributes<'_>, service: Family) -> Result<Self, DecodeError> {
        let (mut own, mut raw, mut port) = (service, None, 0);
        let mut forwarding = None;
        let (mut weight, mut tunnel, mut thresholds) = (0, Tunnel::IPIP, Thresholds::NONE);
        let (mut active, mut inactive, mut persistent) = (0, 0, 0);
        let (mut legacy, mut wide, mut other) = (None, None, Vec::new());
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind() {
                nr::ADDR_FAMILY => own = family(attribute.u16()?)?,
                nr::ADDR => raw = Some(attribute),
                nr::PORT => port = attribute.be16()?,
                nr::FWD_METHOD => forwarding = Some(Forwarding::from_number(attribute.u32()?)),
                nr::WEIGHT => weight = attribute.u32()?,
                nr::TUN_TYPE => tunnel.kind = TunnelKind::from_number(attribute.u8()?),
                nr::TUN_PORT => tunnel.port = attribute.be16()?,
                nr::TUN_FLAGS => tunnel.flags = TunnelFlags(attribute.u16()?),
                nr::U_THRESH => thresholds.upper = attribute.u32()?,
                nr::L_THRESH => thresholds.lower = attribute.u32()?,
                nr::ACTIVE_CONNS => active = attribute.u32()?,
                nr::INACT_CONNS => inactive = attribute.u32()?,
                nr::PERSIST_CONNS => persistent = attribute.u32()?,
                nr::STATS => legacy = Some(attribute),
                nr::STATS64 => wide = Some(attribute),
                _ => other.push(attribute.to_owned()),
            }
        }
        let key = key(raw, port, own)?;
        let forwarding = forwarding.ok_or(DecodeError::Missing("the forwarding method"))?;
        let destination = Destination { key, weight, forwarding, tunnel, thresholds, other };
        Ok(Self { destination, active, inactive, persistent, stats: Stats::of(wide.or(legacy))? })
    }
}
