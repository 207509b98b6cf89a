//! Lists of virtual addresses, in the form in which an advertisement carries them.

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Family;

/// Why addresses can not be advertised together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There is none.
    #[error("no address is given: a virtual router has at least one")]
    None,
    /// More than an advertisement carries.
    #[error(
        "{count} addresses are given, and an advertisement carries {max} of {family}: keep the others out of the \
         advertisement, or give them to another virtual router"
    )]
    TooMany {
        /// How many.
        count: usize,
        /// How many at most.
        max: usize,
        /// Of which family.
        family: Family,
    },
    /// IPv4 and IPv6 together.
    #[error("{0} is not of the family {1}: one virtual router has addresses of one family")]
    Family(IpAddr, Family),
    /// Not the address of a host.
    #[error("{0} is not the address of a host")]
    NotAHost(IpAddr),
}

/// The addresses of a virtual router: one family, no more than an advertisement carries, in the order given. There is at
/// least one, but for [a router of VRRPv2 that may have none](crate::router::ConfigBuilder::without_addresses). An address
/// may stand there twice, as keepalived has it when its configuration does; it is one address nevertheless.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<IpAddr>", into = "Vec<IpAddr>")]
pub struct AddressList {
    family: Family,
    bytes: Box<[u8]>,
}

impl AddressList {
    /// No IPv4 addresses: what a router of VRRPv2 may have beside keepalived, and nobody else.
    pub(crate) fn none() -> Self {
        Self { family: Family::V4, bytes: Box::default() }
    }

    /// A list of these addresses.
    ///
    /// # Errors
    /// For the first address that does not fit; see [`AddressError`].
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>) -> Result<Self, AddressError> {
        let addresses: Vec<IpAddr> = addresses.into_iter().collect();
        let family = Family::of(*addresses.first().ok_or(AddressError::None)?);
        if addresses.len() > Family::MAX_ADDRESSES {
            return Err(AddressError::TooMany { count: addresses.len(), max: Family::MAX_ADDRESSES, family });
        }
        let mut bytes = Vec::with_capacity(addresses.len() * family.address_len());
        for address in &addresses {
            if Family::of(*address) != family {
                return Err(AddressError::Family(*address, family));
            }
            if address.is_unspecified() || address.is_multicast() {
                return Err(AddressError::NotAHost(*address));
            }
            match address {
                IpAddr::V4(address) => bytes.extend(address.octets()),
                IpAddr::V6(address) => bytes.extend(address.octets()),
            }
        }
        Ok(Self { family, bytes: bytes.into() })
    }

    /// The same addresses, borrowed.
    pub fn as_addresses(&self) -> Addresses<'_> {
        Addresses { family: self.family, bytes: &self.bytes }
    }

    /// The family of all of them.
    pub fn family(&self) -> Family {
        self.family
    }

    /// The addresses, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = IpAddr> + Clone + '_ {
        self.as_addresses().iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.as_addresses().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl TryFrom<Vec<IpAddr>> for AddressList {
    type Error = AddressError;

    fn try_from(addresses: Vec<IpAddr>) -> Result<Self, AddressError> {
        Self::new(addresses)
    }
}

impl From<AddressList> for Vec<IpAddr> {
    fn from(list: AddressList) -> Self {
        list.iter().collect()
    }
}

impl fmt::Debug for AddressList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_addresses().fmt(f)
    }
}

/// Addresses as they stand in an advertisement. Unlike [`AddressList`] they may hold anything that a peer sends: an
/// address twice, or a multicast address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Addresses<'a> {
    family: Family,
    bytes: &'a [u8],
}

impl<'a> Addresses<'a> {
    /// Addresses from their bytes; `None` when the bytes are not a whole number of addresses, or more than the 255 that an
    /// advertisement can count.
    pub fn from_bytes(family: Family, bytes: &'a [u8]) -> Option<Self> {
        let count = bytes.len() / family.address_len();
        let whole = bytes.len().is_multiple_of(family.address_len());
        (whole && count <= 255).then_some(Self { family, bytes })
    }

    /// The bytes, in network order.
    pub fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The family of all of them.
    pub fn family(self) -> Family {
        self.family
    }

    /// How many there are, up to 255.
    pub fn len(self) -> usize {
        self.bytes.len() / self.family.address_len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// The addresses, in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = IpAddr> + Clone + 'a {
        self.bytes.chunks_exact(self.family.address_len()).map(move |bytes| {
            match <[u8; 4]>::try_from(bytes) {
                Ok(bytes) => IpAddr::from(bytes),
                Err(_) => {
                    let mut all = [0; 16];
                    all.copy_from_slice(bytes);
                    IpAddr::from(all)
                }
            }
        })
    }

    /// The first address.
    pub fn first(self) -> Option<IpAddr> {
        self.iter().next()
    }
}

impl fmt::Debug for Addresses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
