//! Frames of an interface, by a packet socket.

use std::{
    error::Error,
    io,
    net::IpAddr,
    os::fd::{AsFd, AsRawFd as _, OwnedFd},
    time::{Duration, Instant},
};

use lb_vrrp::{Family, Time};
use nix::{
    errno::Errno,
    ifaddrs, libc,
    poll::{self, PollFd, PollFlags, PollTimeout},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
        socket::{self, AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType},
    },
};
use socket2::{Domain, InterfaceIndexOrAddress, SockFilter, SockRef, Socket, Type};

use crate::Report;

/// More than any advertisement, which is never fragmented.
const LONGEST: usize = 9216;

/// Listens for so long, or until Ctrl-C.
pub(crate) fn listen(
    interface: &str,
    length: Option<Duration>,
    report: &mut Report,
) -> Result<(), Box<dyn Error>> {
    let (link, socket) = open(interface)?;
    let _memberships = join(link.ifindex() as u32);
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
    let origin = Instant::now();
    let clock = || Time::from_nanos(origin.elapsed().as_nanos() as u64);
    let end = length.map(|length| clock() + length);
    let mut buffer = [0; LONGEST];
    loop {
        // Before timeouts, so that nobody is called silent for what waits in the queue.
        while let Some(len) = receive(&socket, &link, &mut buffer)? {
            report.handle_frame(clock(), &buffer[..len]);
        }
        report.handle_timeout(clock());
        if end.is_some_and(|end| end <= clock()) || signals.read_signal()?.is_some() {
            return Ok(());
        }
        let due = [report.monitor.poll_timeout(), end].into_iter().flatten().min();
        // Not before it is due, thus rounded up.
        let millis = due.map(|due| due.since(clock()).as_millis() as u64 + 1);
        let timeout = millis.map_or(PollTimeout::NONE, |ms| ms.try_into().unwrap_or(PollTimeout::MAX));
        let mut both = [&socket as &dyn AsFd, &signals].map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN));
        match poll::poll(&mut both, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The next frame that waits.
fn receive(socket: &OwnedFd, link: &LinkAddr, buffer: &mut [u8]) -> Result<Option<usize>, Box<dyn Error>> {
    loop {
        match socket::recvfrom::<LinkAddr>(socket.as_raw_fd(), buffer) {
            // Frames of other interfaces came before the socket was bound.
            Ok((_, Some(from))) if from.ifindex() != link.ifindex() => {}
            Ok((len, _)) => return Ok(Some(len)),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(None),
            Err(error) => return Err(format!("the packet socket: {error}").into()),
        }
    }
}

fn open(interface: &str) -> Result<(LinkAddr, OwnedFd), Box<dyn Error>> {
    let link = ifaddrs::getifaddrs()?
        .filter(|found| found.interface_name == interface)
        .find_map(|found| found.address?.as_link_addr().copied())
        .ok_or_else(|| format!("there is no interface {interface}: see `ip link`"))?;
    if ![libc::ARPHRD_ETHER, libc::ARPHRD_LOOPBACK].contains(&link.hatype()) {
        return Err(format!("{interface} is no Ethernet interface").into());
    }
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket::socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)
        .map_err(|error| format!("a packet socket: {error}: run as root, or with CAP_NET_RAW"))?;
    SockRef::from(&fd).attach_filter(&filter())?;
    socket::bind(fd.as_raw_fd(), &link)?;
    Ok((link, fd))
}

/// Has the network card and the switch deliver the groups, as for a router. Where a family is not configured, nothing of
/// it is to be heard.
fn join(index: u32) -> Vec<Socket> {
    let join = |family: Family| -> io::Result<Socket> {
        match family.multicast_group() {
            IpAddr::V4(group) => {
                let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
                socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index))?;
                Ok(socket)
            }
            IpAddr::V6(group) => {
                let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
                socket.join_multicast_v6(&group, index)?;
                Ok(socket)
            }
        }
    };
    [Family::V4, Family::V6].into_iter().filter_map(|family| join(family).ok()).collect()
}

/// Lets through what may carry VRRP, so that all other traffic costs nothing. Frames of a VLAN are for the interface of
/// that VLAN: the kernel takes the tag off before it hands them over here.
fn filter() -> [SockFilter; 15] {
    const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
    const TAGGED: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_VLAN_TAG_PRESENT) as u32;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let load = |code, at| SockFilter::new(code, 0, 0, at);
    // How many to skip when it is so, and when it is not.
    let equals = |value, yes, no| {
        SockFilter::new((libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, yes, no, value)
    };
    [
        load(LOAD_BYTE, TAGGED),
        equals(0, 0, 12),
        load(LOAD_HALF, 12),
        equals(0x0800, 0, 3),
        load(LOAD_BYTE, 23),
        equals(112, 7, 0),
        equals(51, 6, 7),
        equals(0x86dd, 0, 6),
        load(LOAD_BYTE, 20),
        // VRRP, AH, hop-by-hop and destination options.
        equals(112, 3, 0),
        equals(51, 2, 0),
        equals(0, 1, 0),
        equals(60, 0, 1),
        load(RETURN, LONGEST as u32),
        load(RETURN, 0),
    ]
}
