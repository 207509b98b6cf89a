//! UDP sockets with what the kernel can do for them.

use std::net::SocketAddr;

use nix::sys::socket::{
    setsockopt,
    sockopt::{UdpGroSegment, UdpGsoSegment},
};
use rustix::{
    fd::{AsFd, OwnedFd},
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt},
};

/// Room for bursts at a service's socket, in bytes; without `CAP_NET_ADMIN` the kernel cuts it to
/// `net.core.rmem_max`.
const LISTENER_BUFFER: usize = 4 << 20;
/// The same for each session.
const SESSION_BUFFER: usize = 1 << 20;

/// Prepares a bound socket that clients send to. Tells whether the kernel cuts trains up (`UDP_SEGMENT`, Linux 4.18):
/// one that does not would ignore the request and send a train as one large datagram.
pub(super) fn prepare_listener(socket: &OwnedFd) -> bool {
    enlarge(socket, LISTENER_BUFFER);
    let _ = setsockopt(socket, UdpGroSegment, &true);
    setsockopt(socket, UdpGsoSegment, &0).is_ok()
}

/// A socket that sends to one server and hears from it alone.
pub(super) fn connect_to(server: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::DGRAM, flags, None)?;
    enlarge(&socket, SESSION_BUFFER);
    let _ = setsockopt(&socket, UdpGroSegment, &true);
    connect(&socket, &server)?;
    Ok(socket)
}

/// Best effort: with smaller buffers more is lost in bursts, and nothing else changes. Without `UDP_GRO` trains
/// arrive as single datagrams.
fn enlarge(socket: impl AsFd, size: usize) {
    let socket = socket.as_fd();
    if sockopt::set_socket_recv_buffer_size_force(socket, size).is_err() {
        let _ = sockopt::set_socket_recv_buffer_size(socket, size);
    }
    let _ = sockopt::set_socket_send_buffer_size(socket, size);
}
