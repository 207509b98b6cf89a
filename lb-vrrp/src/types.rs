//! Numbers of the protocol, each in its own type and range.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU8,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A number that the protocol does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{what} {value} is out of range: {range}")]
pub struct OutOfRange {
    /// What the number was to be.
    pub what: &'static str,
    /// The number.
    pub value: u32,
    /// What is allowed.
    pub range: &'static str,
}

/// Version of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Version {
    /// VRRPv2, RFC 3768: IPv4 only, whole seconds.
    V2,
    /// VRRPv3, RFC 9568: IPv4 and IPv6, centiseconds.
    #[default]
    V3,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2 => "VRRPv2",
            Self::V3 => "VRRPv3",
        })
    }
}

/// Which versions a virtual router speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum VersionMode {
    /// VRRPv2 alone.
    V2,
    /// VRRPv3 alone.
    #[default]
    V3,
    /// Both at once (RFC 9568 §8.4.2).
    Dual,
}

impl VersionMode {
    /// Whether this version is spoken.
    pub const fn speaks(self, version: Version) -> bool {
        matches!((self, version), (Self::Dual, _) | (Self::V2, Version::V2) | (Self::V3, Version::V3))
    }
}

impl fmt::Display for VersionMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2 => "VRRPv2",
            Self::V3 => "VRRPv3",
            Self::Dual => "VRRPv2 and VRRPv3 at once",
        })
    }
}

/// Address family of a virtual router. IPv4 and IPv6 virtual routers are apart, even with the same identifier
/// (RFC 9568 §5.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Bytes of one address: 4 or 16.
    pub const fn address_len(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }

    /// Most addresses that one advertisement counts, whatever fits into a packet; see
    /// [`addresses_in`](Self::addresses_in).
    pub const MAX_ADDRESSES: usize = u8::MAX as usize;

    /// How many addresses keepalived puts into an advertisement of this version on a link with this MTU, since
    /// advertisements are not to be fragmented: what fits beside the headers, where it counts 14 bytes for that of Ethernet
    /// as well. Measured with keepalived 2.2.7: 89 IPv6 addresses for 1500 bytes. At least one, and no more than 255.
    pub const fn addresses_in(self, mtu: u32, version: Version) -> usize {
        let ip_header = match self {
            Self::V4 => 20,
            Self::V6 => 40,
        };
        let authentication = match version {
            Version::V2 => 8,
            Version::V3 => 0,
        };
        let fit = mtu.saturating_sub(14 + ip_header + 8 + authentication) as usize / self.address_len();
        match fit {
            0 => 1,
            fit if fit > Self::MAX_ADDRESSES => Self::MAX_ADDRESSES,
            fit => fit,
        }
    }

    /// The group that advertisements are sent to: 224.0.0.18 (RFC 9568 §5.1.1.2) or ff02::12 (§5.1.2.2).
    pub const fn multicast_group(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18)),
            Self::V6 => IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12)),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// Virtual Router Identifier, 1 to 255 (RFC 9568 §5.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// The least one, 1.
    pub const MIN: Self = Self(NonZeroU8::MIN);
    /// The greatest one, 255.
    pub const MAX: Self = Self(NonZeroU8::MAX);

    /// An identifier.
    ///
    /// # Errors
    /// For 0.
    pub const fn new(value: u8) -> Result<Self, OutOfRange> {
        match NonZeroU8::new(value) {
            Some(value) => Ok(Self(value)),
            None => Err(OutOfRange { what: "virtual router id", value: 0, range: "1 to 255" }),
        }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

/// Priority of a router, 1 to 255 (RFC 9568 §5.2.4). 0 exists only on the wire, as resignation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Priority(NonZeroU8);

impl Priority {
    /// 1, that of a router that takes over when nobody else does.
    pub const MIN: Self = Self(NonZeroU8::MIN);
    /// The router that owns the addresses.
    pub const OWNER: Self = Self(NonZeroU8::MAX);
    /// The lowest there is.
    pub const LEAST: Self = Self(NonZeroU8::MIN);
    /// What a Backup has when nothing is configured.
    pub const DEFAULT: Self = match NonZeroU8::new(100) {
        Some(value) => Self(value),
        None => Self::OWNER,
    };

    /// A priority; 255 is the owner's.
    ///
    /// # Errors
    /// For 0.
    pub const fn new(value: u8) -> Result<Self, OutOfRange> {
        match NonZeroU8::new(value) {
            Some(value) => Ok(Self(value)),
            None => Err(OutOfRange { what: "priority", value: 0, range: "1 to 254, or 255 for the owner" }),
        }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0.get()
    }

    /// Whether this is the owner's.
    pub const fn is_owner(self) -> bool {
        self.get() == u8::MAX
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Advertisement interval: 1 to 4095 centiseconds with VRRPv3 (RFC 9568 §5.2.7), 1 to 255 whole seconds with VRRPv2
/// (RFC 3768 §5.3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Interval(u16);

impl Interval {
    /// One second, the default.
    pub const DEFAULT: Self = Self(100);
    /// The longest one of VRRPv3.
    pub const MAX_V3: Self = Self(4095);
    /// The longest one of VRRPv2.
    pub const MAX_V2: Self = Self(25_500);

    /// So many hundredths of a second, as VRRPv3 has them.
    ///
    /// # Errors
    /// For 0 and above 4095.
    pub const fn from_centiseconds(value: u16) -> Result<Self, OutOfRange> {
        match value {
            1..=4095 => Ok(Self(value)),
            _ => Err(OutOfRange {
                what: "advertisement interval",
                value: value as u32,
                range: "1 to 4095 centiseconds",
            }),
        }
    }

    /// So many whole seconds, as VRRPv2 has them.
    ///
    /// # Errors
    /// For 0.
    pub const fn from_secs(value: u8) -> Result<Self, OutOfRange> {
        match value {
            0 => Err(OutOfRange { what: "advertisement interval", value: 0, range: "1 to 255 seconds" }),
            value => Ok(Self(value as u16 * 100)),
        }
    }

    /// So many hundredths of a second, if one of the versions has that interval.
    const fn of_either_version(value: u16) -> Result<Self, OutOfRange> {
        match value {
            4100..=25_500 if value.is_multiple_of(100) => Ok(Self(value)),
            _ => Self::from_centiseconds(value),
        }
    }

    /// Whole seconds, when it is a number of whole seconds.
    pub const fn whole_secs(self) -> Option<u8> {
        match self.0 % 100 {
            0 => Some((self.0 / 100) as u8),
            _ => None,
        }
    }

    /// Hundredths of a second.
    pub const fn centiseconds(self) -> u16 {
        self.0
    }

    /// As a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64 * 10)
    }

    /// `((256 - priority) * interval) / 256` to the nanosecond (RFC 9568 §6.1).
    pub fn skew_time(self, priority: Priority) -> Duration {
        self.duration() * (256 - u32::from(priority.get())) / 256
    }

    /// `3 * interval + skew time`: how long a Backup hears nothing before it takes over (RFC 9568 §6.1).
    pub fn active_down_interval(self, priority: Priority) -> Duration {
        self.duration() * 3 + self.skew_time(priority)
    }
}

impl Default for Interval {
    fn default() -> Self {
        Self::DEFAULT
    }
}

macro_rules! conversions {
    ($($type:ident, $number:ident, $make:ident, $read:ident;)+) => {$(
        impl TryFrom<$number> for $type {
            type Error = OutOfRange;

            fn try_from(value: $number) -> Result<Self, OutOfRange> {
                Self::$make(value)
            }
        }

        impl From<$type> for $number {
            fn from(value: $type) -> Self {
                value.$read()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.$read().fmt(f)
            }
        }
    )+};
}

conversions! {
    Vrid, u8, new, get;
    Priority, u8, new, get;
    Interval, u16, of_either_version, centiseconds;
}

#[cfg(test)]
mod tests;
