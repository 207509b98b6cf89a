//! What is received on one interface in one family: a raw socket for all virtual routers there.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsFd, BorrowedFd},
};

use nix::sys::socket::{setsockopt, sockopt};
use pnet::packet::ipv4::Ipv4Packet;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use super::{
    control::Said,
    sys::{self, BATCH, Inbox},
};
use crate::{Datagram, Envelope, Family, Time, driver::platform::Received};

/// VRRP's protocol number (RFC 9568 §5.1.1.4).
const VRRP: i32 = 112;
/// That of the IP authentication header (RFC 2402 §2).
const HEADER: i32 = 51;
/// Room for what arrives while this process does not run: some thousand messages.
pub(super) const RECEIVE_BUFFER: usize = 1 << 20;

pub(super) struct Port {
    socket: Socket,
    interface: u32,
    family: Family,
    /// Whether messages are in IP authentication headers.
    sealed: bool,
    /// How many virtual routers listen, and how many of them to each group.
    listeners: usize,
    groups: HashMap<IpAddr, usize>,
}

/// The protocol number of messages.
pub(super) fn protocol(sealed: bool) -> i32 {
    if sealed { HEADER } else { VRRP }
}

impl Port {
    pub(super) fn open(name: &str, interface: u32, family: Family, sealed: bool) -> io::Result<Self> {
        let domain = match family {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        };
        let kind = Type::RAW.nonblocking().cloexec();
        let socket = Socket::new(domain, kind, Some(Protocol::from(protocol(sealed))))?;
        socket.bind_device(Some(name.as_bytes()))?;
        match family {
            Family::V4 => {
                // Only groups that this socket joined, not those of other programs.
                socket.set_multicast_all_v4(false)?;
            }
            Family::V6 => {
                socket.set_multicast_all_v6(false)?;
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
                setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
            }
        }
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        // The first one ignores the limit of the machine, and needs a privilege that a container may lack.
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        }
        Ok(Self { socket, interface, family, sealed, listeners: 0, groups: HashMap::new() })
    }

    pub(super) fn is_unused(&self) -> bool {
        self.listeners == 0
    }

    /// One more virtual router listens.
    pub(super) fn join(&mut self, group: Option<IpAddr>) -> io::Result<()> {
        if let Some(group) = group {
            let members = self.groups.entry(group).or_default();
            if *members == 0 {
                match group {
                    IpAddr::V4(group) => self.socket.join_multicast_v4_n(&group, &on(self.interface))?,
                    IpAddr::V6(group) => self.socket.join_multicast_v6(&group, self.interface)?,
                }
            }
            *members += 1;
        }
        self.listeners += 1;
        Ok(())
    }

    /// One fewer listens.
    pub(super) fn leave(&mut self, group: Option<IpAddr>) {
        self.listeners = self.listeners.saturating_sub(1);
        let Some(group) = group else { return };
        let Some(members) = self.groups.get_mut(&group) else { return };
        *members = members.saturating_sub(1);
        if *members == 0 {
            self.groups.remove(&group);
            // The interface may be gone, and the membership with it.
            drop(match group {
                IpAddr::V4(group) => self.socket.leave_multicast_v4_n(&group, &on(self.interface)),
                IpAddr::V6(group) => self.socket.leave_multicast_v6(&group, self.interface),
            });
        }
    }

    /// Receives a batch. Returns whether there may be more. `to_boot` is what is added to `CLOCK_REALTIME`.
    pub(super) fn receive(
        &self,
        inbox: &mut Inbox,
        now: Time,
        to_boot: i128,
        deliver: &mut dyn FnMut(u32, Received<'_>),
    ) -> bool {
        // An error that waits on the socket is that of one message sent earlier.
        let Ok(count) = inbox.receive(self.socket.as_fd()) else { return false };
        for message in (0..count).filter_map(|index| inbox.message(index)) {
            if let Some(received) = self.received(message, now, to_boot) {
                deliver(self.interface, received);
            }
        }
        count == BATCH
    }

    fn received<'a>(&self, message: sys::Received<'a>, now: Time, to_boot: i128) -> Option<Received<'a>> {
        let said = Said::parse(message.control);
        let received = said.realtime.and_then(|at| u64::try_from(i128::from(at) + to_boot).ok());
        let received = received.map_or(now, |at| Time::from_nanos(at).min(now));
        if self.sealed {
            return Some(Received::Sealed { at: received, packet: message.bytes });
        }
        let (envelope, payload) = match self.family {
            Family::V4 => {
                // Raw IPv4 sockets give the header, too.
                let packet = Ipv4Packet::new(message.bytes)?;
                let header = usize::from(packet.get_header_length()) * 4;
                let length = usize::from(packet.get_total_length()).min(message.bytes.len());
                let envelope = Envelope {
                    source: Ipv4Addr::from(packet.get_source().octets()).into(),
                    destination: Ipv4Addr::from(packet.get_destination().octets()).into(),
                    ttl: Some(packet.get_ttl()),
                    authenticated: false,
                };
                (envelope, message.bytes.get(header..length)?)
            }
            Family::V6 => {
                let envelope = Envelope {
                    source: message.source?,
                    destination: said.destination?.into(),
                    ttl: said.hop_limit,
                    authenticated: false,
                };
                (envelope, message.bytes)
            }
        };
        Some(Received::Message(Datagram { received, envelope, payload }))
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn on(interface: u32) -> InterfaceIndexOrAddress {
    InterfaceIndexOrAddress::Index(interface)
}
