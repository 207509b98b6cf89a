//! Socket addresses and control messages as the kernel has them: bytes in native order, and no `unsafe`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::wire::Mac;

/// Room for the control messages of one message: packet information, hop limit and time.
pub(super) const CONTROL: usize = 128;

const HEADER: usize = size_of::<libc::cmsghdr>();
const LONG: usize = size_of::<usize>();

/// A `sockaddr_in`, `sockaddr_in6` or `sockaddr_ll`.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Name([u8; 32]);

impl Name {
    pub(super) const EMPTY: Self = Self([0; 32]);

    /// An address on an interface.
    pub(super) fn ip(address: IpAddr, interface: u32) -> (Self, usize) {
        let mut name = Self::EMPTY;
        match address {
            IpAddr::V4(address) => {
                name.put(0, &(libc::AF_INET as u16).to_ne_bytes());
                name.put(4, &address.octets());
                (name, size_of::<libc::sockaddr_in>())
            }
            IpAddr::V6(address) => {
                name.put(0, &(libc::AF_INET6 as u16).to_ne_bytes());
                name.put(8, &address.octets());
                name.put(24, &interface.to_ne_bytes());
                (name, size_of::<libc::sockaddr_in6>())
            }
        }
    }

    /// An interface, for frames that are complete.
    pub(super) fn link(interface: u32, ethertype: u16, destination: Mac) -> (Self, usize) {
        let mut name = Self::EMPTY;
        name.put(0, &(libc::AF_PACKET as u16).to_ne_bytes());
        name.put(2, &ethertype.to_be_bytes());
        name.put(4, &interface.to_ne_bytes());
        name.put(11, &[6]);
        name.put(12, &destination.0);
        (name, size_of::<libc::sockaddr_ll>())
    }

    /// The IP address in it.
    pub(super) fn address(&self, length: usize) -> Option<IpAddr> {
        let family = i32::from(u16::from_ne_bytes([self.0[0], self.0[1]]));
        match family {
            libc::AF_INET if length >= size_of::<libc::sockaddr_in>() => {
                read::<4>(&self.0[4..]).map(|octets| Ipv4Addr::from(octets).into())
            }
            libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
                read::<16>(&self.0[8..]).map(|octets| Ipv6Addr::from(octets).into())
            }
            _ => None,
        }
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

/// Control messages.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control(pub(super) [u8; CONTROL]);

impl Control {
    pub(super) const EMPTY: Self = Self([0; CONTROL]);
    /// No control message.
    pub(super) const NONE: (Self, usize) = (Self::EMPTY, 0);

    /// `IP_PKTINFO` or `IPV6_PKTINFO`: send from this address and interface; and `IP_TTL` or `IPV6_HOPLIMIT`, when it is
    /// not the 255 that the sockets have.
    pub(super) fn from(source: IpAddr, interface: u32, ttl: u8) -> (Self, usize) {
        let mut control = Self::EMPTY;
        let mut info = [0; 20];
        let (level, kinds, length) = match source {
            IpAddr::V4(source) => {
                // in_pktinfo: interface, local address, destination address
                info[..4].copy_from_slice(&interface.to_ne_bytes());
                info[4..8].copy_from_slice(&source.octets());
                (libc::IPPROTO_IP, [libc::IP_PKTINFO, libc::IP_TTL], size_of::<libc::in_pktinfo>())
            }
            IpAddr::V6(source) => {
                // in6_pktinfo: address, interface
                info[..16].copy_from_slice(&source.octets());
                info[16..20].copy_from_slice(&interface.to_ne_bytes());
                (
                    libc::IPPROTO_IPV6,
                    [libc::IPV6_PKTINFO, libc::IPV6_HOPLIMIT],
                    size_of::<libc::in6_pktinfo>(),
                )
            }
        };
        let mut end = control.put(0, level, kinds[0], &info[..length]);
        if ttl != 255 {
            end = control.put(end, level, kinds[1], &i32::from(ttl).to_ne_bytes());
        }
        (control, end)
    }

    /// Writes a control message, and tells where the next one goes.
    fn put(&mut self, at: usize, level: i32, kind: i32, data: &[u8]) -> usize {
        let bytes = &mut self.0[at..];
        bytes[..LONG].copy_from_slice(&(HEADER + data.len()).to_ne_bytes());
        bytes[HEADER - 8..HEADER - 4].copy_from_slice(&level.to_ne_bytes());
        bytes[HEADER - 4..HEADER].copy_from_slice(&kind.to_ne_bytes());
        bytes[HEADER..HEADER + data.len()].copy_from_slice(data);
        at + HEADER + data.len().next_multiple_of(LONG)
    }
}

/// What the kernel said beside a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// When it was received, in nanoseconds of `CLOCK_REALTIME`.
    pub(super) realtime: Option<u64>,
    /// IPv6: its destination.
    pub(super) destination: Option<Ipv6Addr>,
    /// IPv6: its hop limit.
    pub(super) hop_limit: Option<u8>,
}

impl Said {
    pub(super) fn parse(mut control: &[u8]) -> Self {
        let mut said = Self::default();
        while let Some(length) = read::<LONG>(control).map(usize::from_ne_bytes)
            && (HEADER..=control.len()).contains(&length)
        {
            let (level, kind) = (number(&control[HEADER - 8..]), number(&control[HEADER - 4..]));
            let data = &control[HEADER..length];
            match (level, kind) {
                (Some(libc::SOL_SOCKET), Some(libc::SO_TIMESTAMPNS)) => said.realtime = nanoseconds(data),
                (Some(libc::IPPROTO_IPV6), Some(libc::IPV6_PKTINFO)) => {
                    said.destination = read::<16>(data).map(Ipv6Addr::from);
                }
                (Some(libc::IPPROTO_IPV6), Some(libc::IPV6_HOPLIMIT)) => {
                    said.hop_limit = number(data).and_then(|limit| u8::try_from(limit).ok());
                }
                _ => {}
            }
            control = control.get(length.next_multiple_of(LONG)..).unwrap_or_default();
        }
        said
    }
}

/// A `timespec`.
fn nanoseconds(data: &[u8]) -> Option<u64> {
    let (seconds, rest) = match size_of::<libc::timespec>() {
        16 => (i64::from_ne_bytes(read(data)?), i64::from_ne_bytes(read(data.get(8..)?)?)),
        _ => (i64::from(number(data)?), i64::from(number(data.get(4..)?)?)),
    };
    u64::try_from(seconds).ok()?.checked_mul(1_000_000_000)?.checked_add(u64::try_from(rest).ok()?)
}

fn number(bytes: &[u8]) -> Option<i32> {
    read(bytes).map(i32::from_ne_bytes)
}

fn read<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.first_chunk().copied()
}

#[cfg(test)]
mod tests;
