//! What the kernel and this crate say to each other: attributes, and the types that they stand for.

mod answer;
pub(crate) mod attribute;
pub(crate) mod consts;
pub(crate) mod daemon;
pub(crate) mod dest;
pub(crate) mod message;
pub(crate) mod service;
pub(crate) mod stats;
pub(crate) mod timeouts;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lb_core::model::Family;
use thiserror::Error;

pub use answer::Answer;
pub use attribute::Attribute;
pub use daemon::{Daemon, DaemonRole};
pub use dest::{Destination, DestinationEntry, Forwarding, Tunnel, TunnelFlags, TunnelKind};
pub use service::{Netmask, Service, ServiceEntry, ServiceFlags};
pub use stats::Stats;
pub use timeouts::{Info, Timeouts, Version};

/// Bytes that are not what the kernel sends.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A message or an attribute ends before its length says.
    #[error("cut off")]
    Cut,
    /// An attribute has another length than its type.
    #[error("attribute {kind} has {length} bytes, not {expected}")]
    Length {
        /// Which attribute.
        kind: u16,
        /// What it has.
        length: usize,
        /// What it should have.
        expected: usize,
    },
    /// A name that is no UTF-8, or no name.
    #[error("attribute {kind} is no name")]
    Text {
        /// Which attribute.
        kind: u16,
    },
    /// A number that stands for nothing.
    #[error("{value} is no {what}")]
    Value {
        /// What it should stand for.
        what: &'static str,
        /// The number.
        value: u32,
    },
    /// Something without which the entry means nothing.
    #[error("{0} is missing")]
    Missing(&'static str),
}

fn family(number: u16) -> Result<Family, DecodeError> {
    match number {
        consts::AF_INET => Ok(Family::V4),
        consts::AF_INET6 => Ok(Family::V6),
        _ => Err(DecodeError::Value { what: "address family", value: number.into() }),
    }
}

const fn family_number(family: Family) -> u16 {
    match family {
        Family::V4 => consts::AF_INET,
        Family::V6 => consts::AF_INET6,
    }
}

/// An address in up to 16 bytes; IPv4 is in the first four, and the kernel always sends 16.
fn address(attribute: attribute::View<'_>, family: Family) -> Result<IpAddr, DecodeError> {
    let bytes = attribute.payload();
    let wrong = |expected| DecodeError::Length { kind: attribute.kind(), length: bytes.len(), expected };
    match family {
        Family::V4 => {
            bytes.first_chunk::<4>().map(|four| IpAddr::V4(Ipv4Addr::from(*four))).ok_or_else(|| wrong(4))
        }
        Family::V6 => {
            bytes.first_chunk::<16>().map(|all| IpAddr::V6(Ipv6Addr::from(*all))).ok_or_else(|| wrong(16))
        }
    }
}

/// Always 16 bytes, as ipvsadm and the kernel send them.
const fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}
