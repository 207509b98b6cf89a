//! Timeouts of connections, and what the kernel says of itself.

use std::fmt;

use super::{
    DecodeError,
    attribute::{Attributes, Put},
    consts::{info, top},
};

/// How long a connection on which nothing moves is kept, in seconds (`ipvsadm --set`, `ipvsadm -L --timeout`).
///
/// To set them, 0 leaves one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// An established TCP connection. The kernel's default is 900.
    pub tcp: u32,
    /// A TCP connection after a FIN. The kernel's default is 120.
    pub tcp_fin: u32,
    /// UDP. The kernel's default is 300.
    pub udp: u32,
}

impl Timeouts {
    pub(crate) fn parse(attributes: Attributes<'_>) -> Result<Self, DecodeError> {
        let mut timeouts = Self::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind() {
                top::TIMEOUT_TCP => timeouts.tcp = attribute.u32()?,
                top::TIMEOUT_TCP_FIN => timeouts.tcp_fin = attribute.u32()?,
                top::TIMEOUT_UDP => timeouts.udp = attribute.u32()?,
                _ => {}
            }
        }
        Ok(timeouts)
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.put_u32(top::TIMEOUT_TCP, self.tcp);
        out.put_u32(top::TIMEOUT_TCP_FIN, self.tcp_fin);
        out.put_u32(top::TIMEOUT_UDP, self.udp);
    }
}

/// What the kernel says of its IP Virtual Server: the first line of `ipvsadm -L`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// Version of the implementation; 1.2.1 for as long as anybody remembers.
    pub version: Version,
    /// Number of hash buckets for connections, a power of two.
    pub connection_table_size: u32,
}

/// A version in three bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u8,
    /// Second number.
    pub minor: u8,
    /// Third number.
    pub patch: u8,
}

impl Info {
    pub(crate) fn parse(attributes: Attributes<'_>) -> Result<Self, DecodeError> {
        let (mut version, mut size) = (None, None);
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind() {
                info::VERSION => version = Some(attribute.u32()?),
                info::CONN_TAB_SIZE => size = Some(attribute.u32()?),
                _ => {}
            }
        }
        let [_, major, minor, patch] = version.ok_or(DecodeError::Missing("the version"))?.to_be_bytes();
        Ok(Self {
            version: Version { major, minor, patch },
            connection_table_size: size.ok_or(DecodeError::Missing("the size of the connection table"))?,
        })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        let Version { major, minor, patch } = self.version;
        out.put_u32(info::VERSION, u32::from_be_bytes([0, major, minor, patch]));
        out.put_u32(info::CONN_TAB_SIZE, self.connection_table_size);
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}
