//! What this program does in a host: it captures adverts, or sends what nobody wants.

use std::{
    collections::BTreeMap,
    io::{IoSliceMut, Write as _},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket},
    os::{fd::AsRawFd as _, unix::net::UnixStream},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt::ReceiveTimestampns,
};
use socket2::{Domain, Protocol, Socket, Type};

/// VRRP.
const PROTOCOL: i32 = 112;
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// How often a second something is sent.
const RATE: u32 = 20_000;
/// Clients that connect and say nothing.
const SILENT_CLIENTS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Prints when an advert of which virtual router arrived.
    Capture,
    /// Sends VRRP packets that are none, and such as are almost.
    Hostile,
    /// Sends datagrams and opens connections to the virtual servers.
    Traffic,
    /// Connects to the control socket and says nothing.
    Silent,
}

impl Role {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Hostile => "hostile",
            Self::Traffic => "traffic",
            Self::Silent => "silent",
        }
    }
}

pub(crate) fn play(role: Role, seconds: u64) -> ExitCode {
    let end = Instant::now() + Duration::from_secs(seconds);
    let played = match role {
        Role::Capture => capture(end),
        Role::Hostile => hostile(end),
        Role::Traffic => traffic(end),
        Role::Silent => silent(end),
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", role.name());
            ExitCode::FAILURE
        }
    }
}

fn raw() -> std::io::Result<Socket> {
    Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(PROTOCOL)))
}

fn capture(end: Instant) -> std::io::Result<()> {
    let socket = raw()?;
    socket.join_multicast_v4_n(
        &GROUP,
        &socket2::InterfaceIndexOrAddress::Address(Ipv4Addr::new(10, 0, 0, 10)),
    )?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    setsockopt(&socket, ReceiveTimestampns, &true)?;
    let mut packet = [0_u8; 2048];
    let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
    let mut out = std::io::stdout().lock();
    while Instant::now() < end {
        let mut parts = [IoSliceMut::new(&mut packet)];
        let received =
            recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty());
        let Ok(received) = received else { continue };
        let time = received.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(time) => {
                Some(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
            }
            _ => None,
        });
        let length = received.bytes;
        let (Some(time), Some(header)) = (time, packet.first().map(|first| usize::from(first & 15) * 4))
        else {
            continue;
        };
        // Version 2 or 3, an advert, from one of the two.
        let from_node = packet.get(12..15) == Some(&[10, 0, 0]) && matches!(packet[15], 1 | 2);
        if length > header + 1 && from_node && matches!(packet[header], 0x21 | 0x31) {
            writeln!(out, "{time:.6} {}", packet[header + 1])?;
        }
    }
    out.flush()
}

/// When adverts of each virtual router arrived, in seconds.
pub(crate) fn parse(log: &str) -> BTreeMap<u8, Vec<f64>> {
    let mut heard: BTreeMap<u8, Vec<f64>> = BTreeMap::new();
    for line in log.lines() {
        if let Some((time, vrid)) = line.split_once(' ')
            && let (Ok(time), Ok(vrid)) = (time.parse(), vrid.parse())
        {
            heard.entry(vrid).or_default().push(time);
        }
    }
    heard
}

fn hostile(end: Instant) -> std::io::Result<()> {
    let socket = raw()?;
    socket.set_multicast_ttl_v4(255)?;
    let to = SocketAddr::V4(SocketAddrV4::new(GROUP, 0)).into();
    let mut seed = 1_u64;
    paced(end, || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = seed.to_be_bytes();
        // Of the right version and identifier, with a checksum that is wrong, or of any length.
        let mut payload =
            vec![0x31, 52, noise[0], noise[1], noise[2], 100, noise[3], noise[4], 10, 0, 0, 152];
        payload.truncate(usize::from(noise[5]) % 13);
        // A full queue is no reason to stop.
        let _ = socket.send_to(&payload, &to);
    });
    Ok(())
}

fn traffic(end: Instant) -> std::io::Result<()> {
    let connect = move || {
        let to = SocketAddr::from(([10, 0, 0, 152], 80));
        while Instant::now() < end {
            let _ = TcpStream::connect_timeout(&to, Duration::from_millis(200));
        }
    };
    let clients: Vec<_> = (0..4).map(|_| thread::spawn(connect)).collect();
    let mut sockets = Vec::new();
    for _ in 0..500 {
        sockets.push(UdpSocket::bind(("10.0.0.10", 0))?);
    }
    let mut next = 0;
    paced(end, || {
        next = (next + 1) % sockets.len();
        let _ = sockets[next].send_to(&[0; 512], ("10.0.0.152", 53));
    });
    clients.into_iter().for_each(|client| drop(client.join()));
    Ok(())
}

fn silent(end: Instant) -> std::io::Result<()> {
    let path = lb_runtime::paths::socket("/etc/keepalived/keepalived.conf".as_ref());
    let clients: Vec<_> = (0..SILENT_CLIENTS).filter_map(|_| UnixStream::connect(&path).ok()).collect();
    println!("{} clients", clients.len());
    thread::sleep(end.saturating_duration_since(Instant::now()));
    Ok(())
}

/// Does it at [`RATE`], in portions of a millisecond.
fn paced(end: Instant, mut send: impl FnMut()) {
    while Instant::now() < end {
        let next = Instant::now() + Duration::from_millis(1);
        (0..RATE / 1000).for_each(|_| send());
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}
