//! Sockets as a [`Target`] wants them, and what their errors mean for a check.

use std::{io, net::SocketAddr, time::Duration};

use nix::errno::Errno;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::{
    io::Interest,
    net::{TcpStream, UdpSocket},
};

use crate::{Failure, FailureKind, Target};

/// Connects to the target, bound as the target says.
///
/// There is no deadline in here: whoever waits drops the future. The socket closes in the ordinary way (FIN).
///
/// # Errors
/// [`FailureKind::Refused`], [`FailureKind::Unreachable`], [`FailureKind::Timeout`] (the kernel gave up), or
/// [`FailureKind::Local`] with a remedy when this host could not even try.
pub async fn connect(target: &Target) -> Result<TcpStream, Failure> {
    dial(target, bound(target, Type::STREAM)?).await
}

/// Connects for one short question.
///
/// Two packets less than [`connect`] on each look, and no socket is left in TIME_WAIT on either side: the ACK that
/// ends the handshake waits for the question (TCP_QUICKACK off), and closing sends RST (SO_LINGER 0). For clients
/// that speak first, or not at all: a server that speaks first would wait 40 ms for that ACK.
pub(crate) async fn connect_briefly(target: &Target) -> Result<TcpStream, Failure> {
    let socket = bound(target, Type::STREAM)?;
    socket.set_tcp_quickack(false).map_err(local("TCP_QUICKACK"))?;
    socket.set_linger(Some(Duration::ZERO)).map_err(local("SO_LINGER"))?;
    dial(target, socket).await
}

/// A datagram socket, bound and connected as the target says; a refusal (ICMP port unreachable) shows as
/// `ECONNREFUSED` on the next send or receive, and datagrams of others do not arrive.
///
/// # Errors
/// As [`connect`].
pub async fn connect_datagram(target: &Target) -> Result<UdpSocket, Failure> {
    let socket = bound(target, Type::DGRAM)?;
    socket.connect(&SockAddr::from(target.address)).map_err(|error| dial_failure(target, &error))?;
    UdpSocket::from_std(socket.into()).map_err(local("registering the socket"))
}

/// The failure that an input or output error means on a connection that was once made; `doing` says at what, such
/// as `reading the answer`.
pub fn io_failure(doing: &str, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::NotConnected
        | io::ErrorKind::BrokenPipe => FailureKind::Closed,
        io::ErrorKind::ConnectionRefused => FailureKind::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            FailureKind::Unreachable
        }
        io::ErrorKind::TimedOut => FailureKind::Timeout,
        // What the kernel did not raise comes from the codec on top: the peer does not speak the protocol.
        _ if error.raw_os_error().is_none() => FailureKind::Protocol,
        _ => FailureKind::Local,
    };
    Failure::new(kind, format_args!("{doing}: {error}"))
}

/// A nonblocking socket of the target's family with its source, interface and mark, not yet connected.
pub(crate) fn bound(target: &Target, kind: Type) -> Result<Socket, Failure> {
    let domain = Domain::for_address(target.address);
    let socket = Socket::new(domain, kind.nonblocking(), None).map_err(local("opening a socket"))?;
    bind(&socket, target)?;
    Ok(socket)
}

/// Gives an open socket the target's interface, mark and source.
pub(crate) fn bind(socket: &Socket, target: &Target) -> Result<(), Failure> {
    if let Some(interface) = &target.interface {
        socket.bind_device(Some(interface.as_bytes())).map_err(local("binding to the interface"))?;
    }
    if let Some(mark) = target.mark {
        socket.set_mark(mark).map_err(local("setting the mark"))?;
    }
    if let Some(source) = target.source {
        socket.bind(&SocketAddr::new(source, 0).into()).map_err(local("binding to the source address"))?;
    }
    Ok(())
}

async fn dial(target: &Target, socket: Socket) -> Result<TcpStream, Failure> {
    match socket.connect(&SockAddr::from(target.address)) {
        Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => {
            return Err(dial_failure(target, &error));
        }
        _ => {}
    }
    let stream = TcpStream::from_std(socket.into()).map_err(local("registering the socket"))?;
    let ready = stream.ready(Interest::WRITABLE).await.map_err(local("waiting for the connection"))?;
    // Only then there is an error to fetch: one system call less for each connection that succeeds.
    if ready.is_write_closed()
        && let Some(error) = stream.take_error().map_err(local("waiting for the connection"))?
    {
        return Err(dial_failure(target, &error));
    }
    Ok(stream)
}

fn dial_failure(target: &Target, error: &io::Error) -> Failure {
    let kind = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ECONNREFUSED | Errno::ECONNRESET) => FailureKind::Refused,
        Some(Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::ENETDOWN | Errno::EHOSTDOWN) => {
            FailureKind::Unreachable
        }
        Some(Errno::ETIMEDOUT) => FailureKind::Timeout,
        _ => return local_failure("connecting", error),
    };
    Failure::new(kind, format_args!("{}: {error}", target.address))
}

/// For `map_err`: the check could not run because `doing` failed on this host.
pub(crate) fn local(doing: &'static str) -> impl FnOnce(io::Error) -> Failure {
    move |error| local_failure(doing, &error)
}

/// The check could not run; says what the operator can do where that is known.
pub(crate) fn local_failure(doing: &str, error: &io::Error) -> Failure {
    let remedy = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EMFILE) => "; raise the limit of open files (LimitNOFILE=, ulimit -n)",
        Some(Errno::ENFILE) => "; raise the sysctl fs.file-max",
        Some(Errno::EADDRNOTAVAIL) => {
            "; the source address is not on this host, or all local ports are in use (sysctl net.ipv4.ip_local_port_range)"
        }
        Some(Errno::EADDRINUSE) => "; all local ports are in use (sysctl net.ipv4.ip_local_port_range)",
        Some(Errno::EPERM | Errno::EACCES) if doing == "connecting" => {
            "; a rule of the local firewall forbids it"
        }
        Some(Errno::EPERM | Errno::EACCES) if doing == "setting the mark" => "; needs CAP_NET_ADMIN",
        Some(Errno::EPERM | Errno::EACCES) => "; needs CAP_NET_RAW",
        Some(Errno::ENODEV) => "; no such interface",
        Some(Errno::EAFNOSUPPORT) => "; this host has no such address family",
        _ => "",
    };
    Failure::new(FailureKind::Local, format_args!("{doing}: {error}{remedy}"))
}
