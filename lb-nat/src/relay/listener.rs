//! Sockets that clients connect to or send to: one per worker thread, all at the same address.

use std::net::SocketAddr;

use lb_core::{
    dataplane::{DataPlaneError, ErrorKind},
    model::{Protocol, ServiceKey},
};
use rustix::{
    fd::OwnedFd,
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt},
};

use super::config::RelayConfig;

/// The protocol and address that a service is served at, if a relay can serve it.
pub(crate) fn endpoint(key: &ServiceKey) -> Result<(Protocol, SocketAddr), DataPlaneError> {
    let unsupported = |why: &str| {
        DataPlaneError::new(ErrorKind::Unsupported, format!("the relay cannot serve {key}: {why}"))
    };
    let (Some(protocol), Some(address)) = (key.protocol(), key.address()) else {
        return Err(unsupported(
            "it listens at addresses and does not see firewall marks; name an address and a port, or use the ipvs \
             data plane",
        ));
    };
    if protocol == Protocol::Sctp {
        return Err(unsupported("it forwards tcp and udp only; use the ipvs data plane for sctp"));
    }
    if address.port() == 0 {
        return Err(unsupported(
            "it cannot listen at every port; add one service for each port, or use the ipvs or nft data plane",
        ));
    }
    Ok((protocol, address))
}

/// Binds one socket for each of `count` threads, and listens for TCP.
pub(crate) fn open(
    (protocol, address): (Protocol, SocketAddr),
    config: &RelayConfig,
    count: usize,
) -> Result<Vec<OwnedFd>, DataPlaneError> {
    (0..count)
        .map(|index| one(protocol, address, config, index == 0))
        .collect::<Result<_, _>>()
        .map_err(|errno| explain(errno, protocol, address))
}

/// The first socket is bound without `SO_REUSEPORT`: the kernel then refuses an address where another program of the
/// same user shares its port. The option is set right after it, for the sockets that follow.
fn one(protocol: Protocol, address: SocketAddr, config: &RelayConfig, first: bool) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = if protocol == Protocol::Tcp { SocketType::STREAM } else { SocketType::DGRAM };
    let socket = socket_with(family, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    if config.freebind.allows(address.ip()) {
        if address.is_ipv6() {
            sockopt::set_ipv6_freebind(&socket, true)?;
        } else {
            sockopt::set_ip_freebind(&socket, true)?;
        }
    }
    if protocol == Protocol::Tcp {
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    if !first {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    bind(&socket, &address)?;
    if first {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    if protocol == Protocol::Tcp {
        // Accepted sockets inherit it: one call less for each connection.
        sockopt::set_tcp_nodelay(&socket, true)?;
        listen(&socket, config.backlog.into())?;
    }
    Ok(socket)
}

fn explain(errno: Errno, protocol: Protocol, address: SocketAddr) -> DataPlaneError {
    let (kind, remedy) = match errno {
        Errno::ADDRINUSE => (
            ErrorKind::Address,
            format!(
                "stop the program that `ss -lnp 'sport = :{}'` shows, or choose another port",
                address.port()
            ),
        ),
        Errno::ADDRNOTAVAIL => (ErrorKind::Address, format!("add {} to an interface first", address.ip())),
        Errno::ACCESS | Errno::PERM => (
            ErrorKind::Denied,
            "ports below net.ipv4.ip_unprivileged_port_start need root or CAP_NET_BIND_SERVICE".to_owned(),
        ),
        Errno::MFILE | Errno::NFILE => {
            (ErrorKind::Limit, "raise LimitNOFILE or fs.file-max: no descriptor is left".to_owned())
        }
        Errno::NOBUFS | Errno::NOMEM => {
            (ErrorKind::Limit, "the kernel is out of memory for sockets".to_owned())
        }
        _ => (ErrorKind::Invalid, "see the system's error".to_owned()),
    };
    DataPlaneError::new(kind, format!("listening at {protocol} {address}: {errno}: {remedy}"))
}
