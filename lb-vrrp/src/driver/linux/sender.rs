//! What is sent with an IP header of the kernel's, or a sealed one: one raw socket for all interfaces, so that one system
//! call sends what is due on all of them.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsFd,
};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    control::{Control, Name},
    port::protocol,
    sys::Outbox,
};
use crate::{Family, Transmit, driver::platform::Via};

/// CS6, network control (RFC 4594 §3.1).
const TRAFFIC_CLASS: u32 = 0xc0;

/// The messages of one family, sealed or not, that wait to be sent.
pub(super) struct Sender {
    socket: Socket,
    outbox: Outbox,
    /// Who sends each of them.
    senders: Vec<usize>,
}

impl Sender {
    pub(super) fn open(family: Family, sealed: bool) -> io::Result<Self> {
        let domain = match family {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        };
        let kind = Type::RAW.nonblocking().cloexec();
        let socket = Socket::new(domain, kind, Some(Protocol::from(protocol(sealed))))?;
        // Bound to an address that no message has, it is given no copy of what is received. Each message has a source of
        // its own.
        match family {
            Family::V4 => {
                setsockopt(&socket, sockopt::IpFreebind, &true)?;
                // Multicast may come from an address that this host lacks, as keepalived's `mcast_src_ip`.
                socket.set_ip_transparent_v4(true)?;
                socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
                socket.set_multicast_loop_v4(false)?;
                socket.set_multicast_ttl_v4(255)?;
                socket.set_ttl_v4(255)?;
                socket.set_tos_v4(TRAFFIC_CLASS)?;
                if sealed {
                    socket.set_header_included_v4(true)?;
                }
            }
            Family::V6 => {
                socket.set_freebind_v6(true)?;
                socket.bind(&SocketAddr::from((Ipv6Addr::LOCALHOST, 0)).into())?;
                socket.set_multicast_loop_v6(false)?;
                socket.set_multicast_hops_v6(255)?;
                socket.set_unicast_hops_v6(255)?;
                socket.set_tclass_v6(TRAFFIC_CLASS)?;
            }
        }
        Ok(Self { socket, outbox: Outbox::default(), senders: Vec::new() })
    }

    /// Queues a message.
    pub(super) fn push(&mut self, via: Via, message: Transmit<'_>) {
        let name = Name::ip(message.destination, via.interface);
        let control = Control::from(message.source, via.interface, via.ttl);
        self.outbox.push(name, control, |bytes| bytes.extend_from_slice(message.payload));
        self.senders.push(via.sender);
    }

    /// Sends what is queued. Tells whose messages could not be sent.
    pub(super) fn flush(&mut self, failed: &mut dyn FnMut(usize, io::Error)) {
        let Self { socket, outbox, senders } = self;
        outbox.flush(socket.as_fd(), &mut |index, error| failed(senders[index], error));
        senders.clear();
    }
}
