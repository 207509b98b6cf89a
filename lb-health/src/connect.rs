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
/// [`FailureKind::Refused`], [`FailureKind::Unreachable`], [`FailureKind::Timeout`] (the kernel gave up), or with a
/// remedy when this host could not even try: [`FailureKind::Local`] if it is short of something,
/// [`FailureKind::Misconfigured`] otherwise.
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
        _ if is_shortage(error) => FailureKind::Local,
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
        // A rule of this host's firewall or routing, or an ICMP "administratively prohibited".
        io::ErrorKind::PermissionDenied => FailureKind::Unreachable,
        // What the kernel did not raise comes from the codec on top: the peer does not speak the protocol. What else
        // the kernel raises on a connection mostly comes by ICMP.
        _ => FailureKind::Protocol,
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
        Some(Errno::EPERM | Errno::EACCES) => {
            let remedy = "a rule of the local firewall or of a router forbids it";
            let what = format_args!("{}: {error}; {remedy}", target.address);
            return Failure::new(FailureKind::Unreachable, what);
        }
        Some(Errno::EAFNOSUPPORT | Errno::EINVAL) => return local_failure("connecting", error),
        _ if is_shortage(error) => return local_failure("connecting", error),
        // What is left comes by ICMP, such as "protocol unreachable".
        _ => FailureKind::Unreachable,
    };
    Failure::new(kind, format_args!("{}: {error}", target.address))
}

/// For `map_err`: the check could not run because `doing` failed on this host.
pub(crate) fn local(doing: &'static str) -> impl FnOnce(io::Error) -> Failure {
    move |error| local_failure(doing, &error)
}

/// The check could not run because of this host; says what the operator can do where that is known.
pub fn local_failure(doing: &str, error: &io::Error) -> Failure {
    let remedy = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EMFILE) => "; raise the limit of open files (LimitNOFILE=, ulimit -n)",
        Some(Errno::ENFILE) => "; raise the sysctl fs.file-max",
        Some(Errno::EADDRNOTAVAIL) => {
            "; the source address is not on this host, or all local ports are in use (sysctl net.ipv4.ip_local_port_range)"
        }
        Some(Errno::EADDRINUSE) => "; all local ports are in use (sysctl net.ipv4.ip_local_port_range)",
        Some(Errno::EPERM | Errno::EACCES) if doing == "setting the mark" => "; needs CAP_NET_ADMIN",
        Some(Errno::EPERM | Errno::EACCES) => "; needs CAP_NET_RAW",
        Some(Errno::ENODEV) => "; the interface does not exist",
        Some(Errno::EAFNOSUPPORT) => "; this host has no such address family",
        _ => "",
    };
    let kind = if is_shortage(error) { FailureKind::Local } else { FailureKind::Misconfigured };
    Failure::new(kind, format_args!("{doing}: {error}{remedy}"))
}

/// Whether an error means that this host is short of something that comes back by itself: file descriptors, memory,
/// ports, processes. A check that fails for this reason says nothing about the server ([`FailureKind::Local`]).
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(
            Errno::EMFILE
                | Errno::ENFILE
                | Errno::ENOMEM
                | Errno::ENOBUFS
                | Errno::EADDRNOTAVAIL
                | Errno::EADDRINUSE
                // Of fork: processes. Of connect: ports. No other call here reports it: sockets are waited for.
                | Errno::EAGAIN
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_shortage_of_this_host_is_neutral() {
        let kind = |errno: Errno| {
            let error = || io::Error::from_raw_os_error(errno as i32);
            (local_failure("binding", &error()).kind, io_failure("reading", &error()).kind)
        };
        let shortages = [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::ENOBUFS, Errno::EADDRNOTAVAIL];
        for errno in shortages.into_iter().chain([Errno::EADDRINUSE, Errno::EAGAIN]) {
            assert_eq!(kind(errno), (FailureKind::Local, FailureKind::Local), "{errno}");
        }
        assert_eq!(kind(Errno::EPERM), (FailureKind::Misconfigured, FailureKind::Unreachable));
        // "Protocol unreachable", "port unreachable" and "packet too big" come by ICMP, from whoever sends it.
        assert_eq!(kind(Errno::ENOPROTOOPT).1, FailureKind::Protocol);
        assert_eq!(kind(Errno::ECONNREFUSED).1, FailureKind::Refused);
        assert_eq!(kind(Errno::EMSGSIZE).1, FailureKind::Protocol);
    }
}
