use core::fmt;

use crate::{Addresses, Family};

/// The fields of a message as they stand, whatever they hold: for logs and monitors. A field is `None` when the message
/// ends before it, or when its version has no such field.
///
/// [`Display`](fmt::Display) shows it in one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct View<'a> {
    family: Family,
    bytes: &'a [u8],
}

impl<'a> View<'a> {
    /// The payload of an IP packet of this family with protocol 112. Any bytes will do.
    pub const fn new(family: Family, bytes: &'a [u8]) -> Self {
        Self { family, bytes }
    }

    /// All bytes of the message.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Version: 2 or 3, if the message is one of VRRP.
    pub fn version(self) -> Option<u8> {
        self.byte(0).map(|byte| byte >> 4)
    }

    /// Type of message; 1 is an advertisement.
    pub fn kind(self) -> Option<u8> {
        self.byte(0).map(|byte| byte & 0x0f)
    }

    /// Virtual router id.
    pub fn vrid(self) -> Option<u8> {
        self.byte(1)
    }

    /// Priority; 0 is a resignation.
    pub fn priority(self) -> Option<u8> {
        self.byte(2)
    }

    /// How many addresses it says that it carries.
    pub fn count(self) -> Option<u8> {
        self.byte(3)
    }

    /// Authentication type, which only VRRPv2 has.
    pub fn auth_type(self) -> Option<u8> {
        (self.version()? == 2).then(|| self.byte(4)).flatten()
    }

    /// The interval in centiseconds: up to 4095 in VRRPv3, up to 25500 in VRRPv2.
    pub fn interval(self) -> Option<u16> {
        match self.version()? {
            2 => self.byte(5).map(|seconds| u16::from(seconds) * 100),
            3 => self.word(4).map(|word| word & 0x0fff),
            _ => None,
        }
    }

    /// The checksum, which may be right or wrong.
    pub fn checksum(self) -> Option<u16> {
        self.word(6)
    }

    /// The whole addresses that are there, no more than are counted.
    pub fn addresses(self) -> Option<Addresses<'a>> {
        let len = self.family.address_len();
        let rest = self.bytes.get(8..)?;
        let count = usize::from(self.count()?).min(rest.len() / len);
        Addresses::from_bytes(self.family, &rest[..count * len])
    }

    /// Whether it looks like an advertisement of CARP, which has the protocol number, the group, the first byte and the
    /// virtual Ethernet addresses of VRRPv2: its header is 36 bytes, and says 7 where VRRP counts addresses. Read as
    /// VRRPv2 it is truncated.
    pub fn looks_like_carp(self) -> bool {
        self.bytes.len() == 36 && self.byte(0) == Some(0x21) && self.count() == Some(7)
    }

    fn byte(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn word(self, at: usize) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte(at)?, self.byte(at + 1)?]))
    }
}

impl fmt::Display for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.looks_like_carp() {
            return write!(f, "not VRRP but CARP, it seems, of {} bytes", self.bytes.len());
        }
        write!(f, "{} bytes", self.bytes.len())?;
        let fields = [
            ("version", self.version().map(u16::from)),
            ("type", self.kind().map(u16::from)),
            ("vrid", self.vrid().map(u16::from)),
            ("priority", self.priority().map(u16::from)),
            ("auth type", self.auth_type().map(u16::from)),
            ("interval in cs", self.interval()),
            ("count", self.count().map(u16::from)),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                write!(f, ", {name} {value}")?;
            }
        }
        if let Some(checksum) = self.checksum() {
            write!(f, ", checksum 0x{checksum:04x}")?;
        }
        for (index, address) in self.addresses().into_iter().flat_map(Addresses::iter).enumerate() {
            write!(f, "{} {address}", if index == 0 { ", addresses" } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
