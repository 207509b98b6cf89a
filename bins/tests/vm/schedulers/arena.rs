//! One connection after the other, and which server got it.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsFd as _, BorrowedFd},
};

use lb_core::model::{Family, ServerKey};
use lb_ipvs::{Client, Timeouts};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Socket, Type};

use crate::{site::Net, support::PATIENCE};

/// Servers of each family.
pub(super) const SERVERS: u8 = 6;
/// How many services there can be, each with a firewall mark of its own.
const MARKS: u8 = 120;

/// A client with thousands of addresses, a director that marks packets by where they go, and servers on one host.
pub(super) struct Arena {
    client: Net,
    pub(super) director: Client,
    farms: [Farm; 2],
    /// The networks last as long as this.
    _nets: [Net; 2],
    marks: u8,
    port: u16,
}

struct Farm {
    datagrams: Vec<UdpSocket>,
    streams: Vec<TcpListener>,
}

/// Both ends of a connection.
pub(super) struct Connection {
    client: TcpStream,
    server: TcpStream,
}

impl Arena {
    pub(super) fn new() -> Self {
        let [client, director, farm] = ["client", "director", "farm"].map(Net::new);
        director.link("eth0", &client, "eth0");
        director.link("eth1", &farm, "eth0");
        client.sysctl("ipv6.ip_nonlocal_bind", "1");
        client.ip("addr add 10.0.0.2/24 dev eth0\naddr add fd00::2/64 dev eth0 nodad\nlink set eth0 up\n\
             route add local 10.1.0.0/16 dev lo\nroute add default via 10.0.0.254\n\
             route add local fd03::/64 dev lo\nroute add default via fd00::254");
        director.sysctl("ipv4.ip_forward", "1");
        director.sysctl("ipv6.conf.all.forwarding", "1");
        // Each refusal is told.
        director.sysctl("ipv4.icmp_ratelimit", "0");
        director.sysctl("ipv6.icmp.ratelimit", "0");
        director.ip(
            "addr add 10.0.0.254/24 dev eth0\naddr add fd00::254/64 dev eth0 nodad\nlink set eth0 up\n\
             addr add 192.168.0.254/24 dev eth1\naddr add fd01::254/64 dev eth1 nodad\nlink set eth1 up\n\
             route add local 172.16.0.0/16 dev lo\nroute add local fd02::/16 dev lo\n\
             route add 10.1.0.0/16 via 10.0.0.2\nroute add fd03::/64 via fd00::2",
        );
        let list = |address: fn(u8) -> String| {
            (1..=MARKS).map(|mark| format!("{} : {mark}", address(mark))).collect::<Vec<_>>().join(", ")
        };
        let (v4, v6) =
            (list(|mark| format!("172.16.{mark}.0/24")), list(|mark| format!("fd02:{mark:x}::/32")));
        director.feed(
            "nft -f -",
            &format!(
                "table inet marks {{\n chain into {{\n  type filter hook prerouting priority mangle\n\
                 meta mark set ip daddr map {{ {v4} }}\n meta mark set ip6 daddr map {{ {v6} }}\n }}\n}}\n"
            ),
        );
        let addresses: String = (1..=SERVERS)
            .map(|server| {
                format!(
                    "addr add 192.168.0.{server}/24 dev eth0\naddr add fd01::{server}/64 dev eth0 nodad\n"
                )
            })
            .collect();
        farm.ip(&format!(
            "{addresses}link set eth0 up\nroute add default via 192.168.0.254\nroute add default via fd01::254"
        ));
        let farms = [Family::V4, Family::V6].map(|family| {
            farm.on(|| Farm {
                datagrams: servers(family).map(|key| UdpSocket::bind(key.socket()).unwrap()).collect(),
                streams: servers(family).map(|key| TcpListener::bind(key.socket()).unwrap()).collect(),
            })
        });
        let mut ipvs = director.on(Client::open).unwrap();
        // Longer than anything takes.
        ipvs.set_timeouts(Timeouts { tcp: 7200, tcp_fin: 7200, udp: 7200 }).unwrap();
        Self { client, director: ipvs, farms, _nets: [director, farm], marks: 0, port: 1024 }
    }

    /// A firewall mark that no service has had: the kernel remembers servers that have been removed.
    pub(super) fn mark(&mut self) -> u8 {
        self.marks += 1;
        assert!(self.marks <= MARKS, "there are marks for {MARKS} services");
        self.marks
    }

    /// A port that no connection has come from.
    pub(super) fn port(&mut self) -> u16 {
        self.port = self.port.checked_add(1).unwrap();
        self.port
    }

    /// Sends a datagram; who got it.
    pub(super) fn datagram(&self, from: SocketAddr, to: SocketAddr) -> Option<ServerKey> {
        let socket = self.client.on(|| UdpSocket::bind(from).unwrap());
        socket.connect(to).unwrap();
        socket.send(b"?").unwrap();
        let family = Family::of(to.ip());
        let farm = &self.farms[usize::from(family == Family::V6)];
        let all: Vec<BorrowedFd<'_>> =
            farm.datagrams.iter().map(|socket| socket.as_fd()).chain([socket.as_fd()]).collect();
        let ready = readable(&all);
        match farm.datagrams.get(ready) {
            Some(server) => {
                let (_, seen) = server.recv_from(&mut [0; 8]).unwrap();
                assert_eq!(seen, from, "somebody else's datagram");
                servers(family).nth(ready)
            }
            None => {
                assert_eq!(socket.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
                None
            }
        }
    }

    /// Opens a connection; who got it.
    pub(super) fn connect(&self, from: SocketAddr, to: SocketAddr) -> Option<(ServerKey, Connection)> {
        let client = match self.client.on(|| open(from, to)) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return None,
            Err(error) => panic!("from {from} to {to}: {error}"),
        };
        let family = Family::of(to.ip());
        let farm = &self.farms[usize::from(family == Family::V6)];
        let all: Vec<BorrowedFd<'_>> = farm.streams.iter().map(|socket| socket.as_fd()).collect();
        let ready = readable(&all);
        let (server, seen) = farm.streams[ready].accept().unwrap();
        assert_eq!(seen, from, "somebody else's connection");
        Some((servers(family).nth(ready)?, Connection { client, server }))
    }
}

impl Connection {
    /// The server sends no more; the client has seen that.
    pub(super) fn half_close(&self) {
        self.server.shutdown(std::net::Shutdown::Write).unwrap();
        self.client.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(io::Read::read(&mut &self.client, &mut [0; 8]).unwrap(), 0);
    }
}

/// Where clients and services are, by number.
pub(super) fn client_address(family: Family, number: u8) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(10, 1, 0, number).into(),
        Family::V6 => Ipv6Addr::new(0xfd03, 0, 0, 0, 0, 0, 0, number.into()).into(),
    }
}

pub(super) fn service_address(family: Family, mark: u8, number: u8) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(172, 16, mark, number).into(),
        Family::V6 => Ipv6Addr::new(0xfd02, mark.into(), 0, 0, 0, 0, 0, number.into()).into(),
    }
}

pub(super) fn servers(family: Family) -> impl Iterator<Item = ServerKey> {
    let address = move |number: u8| match family {
        Family::V4 => Ipv4Addr::new(192, 168, 0, number).into(),
        Family::V6 => Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 0, number.into()).into(),
    };
    (1..=SERVERS).map(move |number| ServerKey::new(address(number), 80))
}

fn open(from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.bind(&from.into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    Ok(socket.into())
}

/// Waits until one of them has something to read, or to complain about.
fn readable(sockets: &[BorrowedFd<'_>]) -> usize {
    let mut polled: Vec<PollFd<'_>> =
        sockets.iter().map(|socket| PollFd::from_borrowed_fd(*socket, PollFlags::IN)).collect();
    let patience = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
    poll(&mut polled, Some(&patience)).unwrap();
    polled.iter().position(|socket| !socket.revents().is_empty()).expect("an answer or a refusal")
}
