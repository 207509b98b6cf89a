//! Virtual services on the wire.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    ops::{BitOr, BitOrAssign},
};

use lb_core::model::{EngineName, Family, Protocol, SchedulerKind, ServiceKey};

use super::{
    DecodeError, Stats, address, address_bytes,
    attribute::{Attribute, Attributes, Put, View},
    consts::service as nr,
    family, family_number,
    stats::Width,
};

/// A virtual service as the kernel is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Service {
    /// What identifies it: protocol, address and port, or a firewall mark.
    pub key: ServiceKey,
    /// Which algorithm chooses the server; `Other("none")` for none, which drops new connections.
    pub scheduler: SchedulerKind,
    /// Options.
    pub flags: ServiceFlags,
    /// Which of the options are to be as `flags` says; others stay as they are. All by default.
    pub mask: ServiceFlags,
    /// With [`ServiceFlags::PERSISTENT`]: seconds after a client's last connection until it is forgotten.
    pub timeout: u32,
    /// With [`ServiceFlags::PERSISTENT`]: how clients are grouped.
    pub netmask: Netmask,
    /// Persistence engine, such as `sip`. An edit without it takes it away.
    pub engine: Option<EngineName>,
    /// Attributes that this version does not know.
    pub other: Vec<Attribute>,
}

impl Service {
    /// A service with this scheduler and nothing else.
    pub fn new(key: ServiceKey, scheduler: SchedulerKind) -> Self {
        Self {
            key,
            scheduler,
            flags: ServiceFlags::EMPTY,
            mask: ServiceFlags::ALL,
            timeout: 0,
            netmask: Netmask::whole(key.family()),
            engine: None,
            other: Vec::new(),
        }
    }

    /// The same with persistence: a client keeps its server for so many seconds after its last connection.
    #[must_use]
    pub fn persistent(mut self, seconds: NonZeroU32) -> Self {
        self.flags |= ServiceFlags::PERSISTENT;
        self.timeout = seconds.get();
        self
    }
}

/// A virtual service as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceEntry {
    /// The service.
    pub service: Service,
    /// Its statistics.
    pub stats: Stats,
}

/// Options of a virtual service.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ServiceFlags(u32);

impl ServiceFlags {
    /// None.
    pub const EMPTY: Self = Self(0);
    /// All, for a mask.
    pub const ALL: Self = Self(u32::MAX);
    /// A client keeps its server (`ipvsadm -p`).
    pub const PERSISTENT: Self = Self(0x1);
    /// The kernel sets it on every service that it lists. It is never sent to it: a kernel that was told so would
    /// take the service for one that it has, and never find it again.
    pub const HASHED: Self = Self(0x2);
    /// UDP: every datagram by itself (`ipvsadm -o`).
    pub const ONE_PACKET: Self = Self(0x4);
    /// First option of the scheduler: `sh-fallback`, `mh-fallback`.
    pub const SCHEDULER_1: Self = Self(0x8);
    /// Second option of the scheduler: `sh-port`, `mh-port`.
    pub const SCHEDULER_2: Self = Self(0x10);
    /// Third option of the scheduler; none uses it.
    pub const SCHEDULER_3: Self = Self(0x20);

    /// From the kernel's number.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The kernel's number.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The same without these.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for ServiceFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for ServiceFlags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for ServiceFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceFlags({:#x})", self.0)
    }
}

/// How persistence groups clients: those that are equal under the mask share a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Netmask {
    /// IPv4: any mask, also one with holes.
    V4(Ipv4Addr),
    /// IPv6: a prefix length, 1 to 128.
    V6(u8),
}

impl Netmask {
    /// Each address by itself.
    pub const fn whole(family: Family) -> Self {
        match family {
            Family::V4 => Self::V4(Ipv4Addr::BROADCAST),
            Family::V6 => Self::V6(128),
        }
    }

    /// The first `length` bits; more than the family has count as all.
    pub fn prefix(family: Family, length: u8) -> Self {
        match family {
            Family::V4 => {
                let host = u32::MAX.checked_shr(length.into()).unwrap_or(0);
                Self::V4(Ipv4Addr::from(!host))
            }
            Family::V6 => Self::V6(length.min(128)),
        }
    }

    /// The number of leading bits; `None` for an IPv4 mask with holes.
    pub fn prefix_length(self) -> Option<u8> {
        match self {
            Self::V4(mask) => {
                let bits = mask.to_bits();
                let ones = bits.leading_ones();
                (bits.count_ones() == ones).then_some(ones as u8)
            }
            Self::V6(length) => Some(length),
        }
    }

    /// An IPv4 mask is in network order, an IPv6 prefix length in the machine's.
    fn bytes(self) -> [u8; 4] {
        match self {
            Self::V4(mask) => mask.octets(),
            Self::V6(length) => u32::from(length).to_ne_bytes(),
        }
    }
}

/// What names the service in a request about it.
pub(crate) fn put_key(key: &ServiceKey, out: &mut Vec<u8>) {
    out.put_u16(nr::AF, family_number(key.family()));
    match key {
        ServiceKey::Address { protocol, address, port, .. } => {
            out.put_u16(nr::PROTOCOL, protocol.number().into());
            out.put(nr::ADDR, &address_bytes(*address));
            out.put_be16(nr::PORT, *port);
        }
        // With a mark the kernel looks at neither protocol nor address.
        ServiceKey::FwMark { mark, .. } => out.put_u32(nr::FWMARK, mark.get()),
    }
}

impl Service {
    /// The inside of `SERVICE` in a request.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        self.put(self.flags.without(ServiceFlags::HASHED), out);
        out.put_other(&self.other);
    }

    fn put(&self, flags: ServiceFlags, out: &mut Vec<u8>) {
        put_key(&self.key, out);
        out.put_text(nr::SCHED_NAME, self.scheduler.name());
        if let Some(engine) = &self.engine {
            out.put_text(nr::PE_NAME, engine.as_str());
        }
        let mut pair = [0; 8];
        pair[..4].copy_from_slice(&flags.bits().to_ne_bytes());
        pair[4..].copy_from_slice(&self.mask.bits().to_ne_bytes());
        out.put(nr::FLAGS, &pair);
        out.put_u32(nr::TIMEOUT, self.timeout);
        out.put(nr::NETMASK, &self.netmask.bytes());
    }
}

impl ServiceEntry {
    /// The inside of `SERVICE` as the kernel sends it.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        self.service.put(self.service.flags, out);
        out.put_plain(nr::STATS, |out| self.stats.emit(Width::Legacy, out));
        out.put_plain(nr::STATS64, |out| self.stats.emit(Width::Wide, out));
        out.put_other(&self.service.other);
    }

    pub(crate) fn parse(attributes: Attributes<'_>) -> Result<Self, DecodeError> {
        Seen::all(attributes)?.finish()
    }
}

/// What names the service; what else may be there is passed over.
pub(crate) fn parse_key(attributes: Attributes<'_>) -> Result<ServiceKey, DecodeError> {
    Seen::all(attributes)?.key()
}

/// Attributes of a service, in whatever order they come.
#[derive(Default)]
struct Seen<'a> {
    family: Option<Family>,
    protocol: Option<u16>,
    address: Option<View<'a>>,
    port: u16,
    mark: u32,
    scheduler: Option<&'a str>,
    engine: Option<&'a str>,
    flags: [u32; 2],
    timeout: u32,
    netmask: Option<[u8; 4]>,
    legacy: Option<View<'a>>,
    wide: Option<View<'a>>,
    other: Vec<Attribute>,
}

impl<'a> Seen<'a> {
    fn all(attributes: Attributes<'a>) -> Result<Self, DecodeError> {
        let mut seen = Self::default();
        for attribute in attributes {
            seen.take(attribute?)?;
        }
        Ok(seen)
    }

    fn take(&mut self, attribute: View<'a>) -> Result<(), DecodeError> {
        match attribute.kind() {
            nr::AF => self.family = Some(family(attribute.u16()?)?),
            nr::PROTOCOL => self.protocol = Some(attribute.u16()?),
            nr::ADDR => self.address = Some(attribute),
            nr::PORT => self.port = attribute.be16()?,
            nr::FWMARK => self.mark = attribute.u32()?,
            nr::SCHED_NAME => self.scheduler = Some(attribute.text()?),
            nr::PE_NAME => self.engine = Some(attribute.text()?).filter(|name| !name.is_empty()),
            nr::FLAGS => {
                let [a, b, c, d, e, f, g, h] = attribute.bytes()?;
                self.flags = [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])];
            }
            nr::TIMEOUT => self.timeout = attribute.u32()?,
            nr::NETMASK => self.netmask = Some(attribute.bytes()?),
            nr::STATS => self.legacy = Some(attribute),
            nr::STATS64 => self.wide = Some(attribute),
            _ => self.other.push(attribute.to_owned()),
        }
        Ok(())
    }

    fn key(&self) -> Result<ServiceKey, DecodeError> {
        let family = self.family.ok_or(DecodeError::Missing("the address family"))?;
        if let Some(mark) = NonZeroU32::new(self.mark) {
            return Ok(ServiceKey::FwMark { mark, family });
        }
        let number = self.protocol.ok_or(DecodeError::Missing("the protocol"))?;
        let address: IpAddr = address(self.address.ok_or(DecodeError::Missing("the address"))?, family)?;
        Ok(ServiceKey::Address { family, protocol: protocol(number)?, address, port: self.port })
    }

    fn finish(self) -> Result<ServiceEntry, DecodeError> {
        let key = self.key()?;
        let scheduler = self.scheduler.ok_or(DecodeError::Missing("the scheduler"))?;
        let scheduler = scheduler.parse().map_err(|_| DecodeError::Text { kind: nr::SCHED_NAME })?;
        let engine = self.engine.map(str::parse).transpose();
        let family = key.family();
        let netmask = match (family, self.netmask) {
            (_, None) => Netmask::whole(family),
            (Family::V4, Some(bytes)) => Netmask::V4(Ipv4Addr::from(bytes)),
            (Family::V6, Some(bytes)) => {
                let value = u32::from_ne_bytes(bytes);
                let what = "length of an IPv6 prefix";
                Netmask::V6(u8::try_from(value).map_err(|_| DecodeError::Value { what, value })?)
            }
        };
        let service = Service {
            key,
            scheduler,
            flags: ServiceFlags(self.flags[0]),
            mask: ServiceFlags(self.flags[1]),
            timeout: self.timeout,
            netmask,
            engine: engine.map_err(|_| DecodeError::Text { kind: nr::PE_NAME })?,
            other: self.other,
        };
        Ok(ServiceEntry { service, stats: Stats::of(self.wide.or(self.legacy))? })
    }
}

fn protocol(number: u16) -> Result<Protocol, DecodeError> {
    [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
        .into_iter()
        .find(|protocol| u16::from(protocol.number()) == number)
        .ok_or(DecodeError::Value { what: "protocol of a virtual service", value: number.into() })
}
