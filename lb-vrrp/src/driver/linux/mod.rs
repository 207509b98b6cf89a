//! Linux: raw sockets for VRRP, netlink for links and addresses, packet sockets for announcements and for advertisements
//! from a virtual Ethernet address.
//!
//! # Time
//! [`Time`] is `CLOCK_BOOTTIME`, which goes on while the machine sleeps. A timer descriptor on that clock wakes the driver
//! at its one deadline, with the precision of the kernel's timers; tokio's have one millisecond. Deadlines that follow
//! another one closely wait for each other, for 2 ms at most, so that one system call sends what is due; one after a quiet
//! time is not delayed. The kernel says in
//! `CLOCK_REALTIME` when it received a message; the difference of the two clocks is read for each batch of messages, so
//! that somebody who sets the clock moves no more than the messages of that moment.
//!
//! # Authentication
//! Instances with an IP authentication header share one more raw socket per interface, for protocol 51, which gives whole
//! packets, and one that takes them (`IP_HDRINCL`). They are opened for the first such instance. The kernel needs no security
//! association for it.
//!
//! # Privileges
//! `CAP_NET_RAW` for the sockets and `CAP_NET_ADMIN` for addresses and links, in the user namespace of the network
//! namespace.
//!
//! # Addresses
//! Virtual addresses are added with the given prefix length; IPv6 ones without duplicate address detection, which would
//! delay them for a second and find the Active router that is being replaced (RFC 9568 §8.2.2). Only addresses of instances are touched. An IPv4 address with the network length of the primary one is
//! a secondary address to Linux: it goes when somebody removes the primary one, unless `promote_secondaries` is set, and
//! is put back then.
//!
//! systemd-networkd removes addresses that it does not know from the interfaces that it manages when it is restarted or
//! reconfigured, unless the interface's `.network` file says `KeepConfiguration=yes`; NetworkManager does when it activates
//! a connection. They are put back, and the notice names the one that manages the interface, by its files below `/run`.
//!
//! Packets to virtual addresses are accepted whatever [`Config::accept`](crate::Config::accept) says: who wants
//! `Accept_Mode` false (RFC 9568 §6.1) drops them by a rule of the firewall, except neighbour discovery.
//!
//! # Virtual Ethernet addresses
//! An instance with a virtual Ethernet address has a macvlan interface in VEPA mode, which is up while the router is
//! Active, so that a Backup discards frames to that address (RFC 9568 §6.4.2). It has the alias `lb-vrrp virtual MAC`, by
//! which it is known after a crash. A macvlan interface that keepalived has left (private mode, the protocol's Ethernet
//! address, the same interface below) is taken over. Any other interface of that name is left alone, and the virtual
//! interface is not made. These values are written below
//! `/proc/sys/net`:
//!
//! | on | value | why |
//! |---|---|---|
//! | macvlan | `ipv4/conf/*/arp_ignore` = 1 | answers only for the addresses on it |
//! | macvlan | `ipv4/conf/*/rp_filter` = 2 | answers to what it receives leave by the interface below. 2 counts whatever the value for all interfaces is |
//! | macvlan | `ipv4/conf/*/accept_local` = 1 | the other virtual routers of this host may be asked |
//! | macvlan | `ipv6/conf/*/addr_gen_mode` = 1 | no address is made from the virtual Ethernet address (RFC 9568 §7.4) |
//! | macvlan | `ipv6/conf/*/accept_dad` = 0, `accept_ra` = 0, `autoconf` = 0 | the same |
//! | below | `ipv4/conf/*/arp_ignore` = 1 | does not answer with its own Ethernet address (§8.1.2) |
//! | below | `ipv4/conf/*/arp_announce` = 2 | does not ask for a neighbour in the name of the virtual address, which would teach it its own Ethernet address |

mod addressing;
mod control;
mod frame;
mod monitor;
mod netlink;
mod packet;
mod port;
mod resigner;
mod sender;
mod suspect;
pub(super) mod sys;
mod virtual_link;

use std::{
    collections::{HashMap, hash_map},
    io,
    net::IpAddr,
    os::fd::AsFd,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use netlink_packet_route::link::LinkAttribute;
use nix::{
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        time::{TimeSpec, TimeValLike},
        timerfd::{ClockId as TimerClock, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    },
    time::ClockId,
};
use thiserror::Error;
use tokio::io::unix::AsyncFd;

use addressing::NetlinkAddressing;
use monitor::Monitor;
use netlink::Requests;
use packet::PacketSocket;
use port::{Port, RECEIVE_BUFFER};
use sender::Sender;
use sys::{BATCH, Inbox, Reactor};

pub use resigner::Resigner;
pub use virtual_link::{ExistingLink, Maker, existing_links};

use super::platform::{Addressing, Link, LinkChange, Listening, Platform, Received, Via};
use crate::{Family, Time, Transmit};

/// The [`Platform`] for Linux.
pub struct Linux {
    reactor: AsyncFd<Reactor>,
    timer: TimerFd,
    /// What the timer is set to.
    armed: Option<Time>,
    /// When deadlines were looked at the last time, and how long until they are again at the earliest.
    looked: Time,
    lateness: Duration,
    ports: Vec<Option<Port>>,
    index: HashMap<PortKey, usize>,
    /// Ports with something to receive.
    readable: Vec<usize>,
    senders: HashMap<(Family, bool), Sender>,
    inbox: Inbox,
    packets: Arc<PacketSocket>,
    frames: frame::Frames,
    monitor: Monitor,
    addressing: NetlinkAddressing,
}

/// Why the platform can not be used.
#[derive(Debug, Error)]
#[error("{what}: {source}{hint}")]
pub struct LinuxError {
    what: &'static str,
    hint: &'static str,
    source: io::Error,
}

impl LinuxError {
    fn new(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            let denied = source.kind() == io::ErrorKind::PermissionDenied;
            let hint =
                if denied { " (this needs CAP_NET_RAW and CAP_NET_ADMIN, as root has them)" } else { "" };
            Self { what, hint, source }
        }
    }
}

/// More batches than a full receive buffer holds: the kernel counts 768 bytes at least for a message, and twice the
/// buffer that was asked for.
const BATCHES: usize = 2 * RECEIVE_BUFFER / 768 / BATCH + 1;

/// Interface, family, and whether messages are in IP authentication headers.
type PortKey = (u32, Family, bool);

const TIMER: u64 = u64::MAX;
const MONITOR: u64 = u64::MAX - 1;

impl Linux {
    /// Opens what is needed, and reads the links and addresses of the machine.
    ///
    /// # Errors
    /// What could not be opened, and which privilege is missing.
    ///
    /// # Panics
    /// Outside of a tokio runtime with `enable_io`.
    pub fn new() -> Result<Self, LinuxError> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(io::Error::from);
        let epoll = epoll.map_err(LinuxError::new("epoll_create"))?;
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(TimerClock::CLOCK_BOOTTIME, flags).map_err(io::Error::from);
        let timer = timer.map_err(LinuxError::new("making a timer"))?;
        let requests = Requests::new().map_err(LinuxError::new("opening netlink"))?;
        let monitor =
            Monitor::new(requests.port()).map_err(LinuxError::new("reading the links by netlink"))?;
        let packets = Arc::new(PacketSocket::new().map_err(LinuxError::new("opening a packet socket"))?);
        let addressing = NetlinkAddressing::new(requests, packets.clone());
        let add = |fd: &dyn AsFd, token| epoll.add(fd.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, token));
        add(&timer, TIMER)
            .and_then(|()| add(&monitor, MONITOR))
            .map_err(io::Error::from)
            .map_err(LinuxError::new("epoll_ctl"))?;
        Ok(Self {
            reactor: sys::register(Reactor(epoll))
                .map_err(LinuxError::new("registering with the runtime"))?,
            timer,
            armed: None,
            looked: Time::ZERO,
            lateness: Duration::ZERO,
            ports: Vec::new(),
            index: HashMap::new(),
            readable: Vec::new(),
            senders: HashMap::new(),
            inbox: Inbox::new(),
            packets,
            frames: frame::Frames::default(),
            monitor,
            addressing,
        })
    }

    /// Sets the timer; an error of it would be one of this program.
    fn arm(&mut self, deadline: Option<Time>) -> io::Result<()> {
        let at = deadline.map(|deadline| deadline.max(self.looked + self.lateness));
        if at == self.armed {
            return Ok(());
        }
        self.armed = at;
        match at {
            Some(at) => {
                let nanos = i64::try_from(at.as_nanos()).unwrap_or(i64::MAX);
                self.timer.set(
                    Expiration::OneShot(TimeSpec::nanoseconds(nanos)),
                    TimerSetTimeFlags::TFD_TIMER_ABSTIME,
                )?;
            }
            None => self.timer.unset()?,
        }
        Ok(())
    }
}

/// What time it is by the clock of this platform, `CLOCK_BOOTTIME`: for those who share it in another thread or process.
pub fn boot_time() -> Time {
    Time::from_nanos(clock(ClockId::CLOCK_BOOTTIME))
}

/// The MTU of a link of this machine; `None` when there is no such link.
pub fn mtu_of(link: &str) -> Option<u32> {
    let found = Requests::new().ok()?.link(link).ok()??;
    found.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Mtu(mtu) => Some(*mtu),
        _ => None,
    })
}

fn clock(id: ClockId) -> u64 {
    // Neither clock can be missing, nor can the address be wrong.
    nix::time::clock_gettime(id).map_or(0, |time| u64::try_from(time.num_nanoseconds()).unwrap_or(0))
}

impl Linux {
    /// Finds out what is ready, and tells whether anything is.
    fn gather(&mut self) -> io::Result<bool> {
        let mut events = [EpollEvent::empty(); BATCH];
        let mut is_ready = false;
        loop {
            let count = self.reactor.get_ref().0.wait(&mut events, EpollTimeout::ZERO)?;
            let mut is_new = false;
            for event in &events[..count] {
                is_ready = true;
                match event.data() {
                    TIMER => {
                        // Setting it anew makes it unreadable.
                        self.armed = None;
                        self.looked = boot_time();
                        self.timer.unset()?;
                        is_new = true;
                    }
                    MONITOR => self.monitor.read()?,
                    token => {
                        let port = usize::try_from(token).unwrap_or(usize::MAX);
                        if !self.readable.contains(&port) {
                            self.readable.push(port);
                            is_new = true;
                        }
                    }
                }
            }
            // What is ready stays ready, and others take their turn.
            if count < events.len() || !is_new {
                return Ok(is_ready);
            }
        }
    }
}

impl Platform for Linux {
    fn now(&self) -> Time {
        boot_time()
    }

    fn wall_clock(&self) -> Duration {
        Duration::from_nanos(clock(ClockId::CLOCK_REALTIME))
    }

    fn link(&self, name: &str) -> Option<&Link> {
        self.monitor.named(name)
    }

    fn has_source(&self, address: IpAddr) -> bool {
        self.monitor.has_source(address)
    }

    fn poll_change(&mut self) -> Option<LinkChange> {
        self.monitor.poll_change()
    }

    fn tolerate(&mut self, lateness: Duration) {
        self.lateness = lateness;
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>, deadline: Option<Time>) -> Poll<io::Result<()>> {
        self.arm(deadline)?;
        let mut is_ready = !self.readable.is_empty() || self.monitor.has_change();
        loop {
            let mut guard = match self.reactor.poll_read_ready(cx) {
                Poll::Ready(guard) => guard?,
                Poll::Pending if is_ready => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            };
            // Whatever comes after this wakes the descriptor anew.
            guard.clear_ready();
            is_ready |= self.gather()?;
            if is_ready {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn receive(&mut self, deliver: &mut dyn FnMut(u32, Received<'_>)) -> Time {
        // This process may not have run between the wake and now: what came meanwhile counts before a deadline.
        let now = boot_time();
        if self.gather().is_err() {
            // The next wait fails, too, and says so.
            return Time::ZERO;
        }
        let to_boot = i128::from(now.as_nanos()) - i128::from(clock(ClockId::CLOCK_REALTIME));
        let Self { readable, ports, inbox, .. } = self;
        readable.retain(|place| match ports.get(*place) {
            Some(Some(port)) => (0..BATCHES).all(|_| port.receive(inbox, now, to_boot, deliver)),
            _ => false,
        });
        now
    }

    fn listen(&mut self, on: Listening) -> io::Result<()> {
        if let hash_map::Entry::Vacant(sender) = self.senders.entry((on.family, on.sealed)) {
            sender.insert(Sender::open(on.family, on.sealed)?);
        }
        let key = (on.interface, on.family, on.sealed);
        let place = match self.index.get(&key) {
            Some(place) => *place,
            None => {
                let name = self.monitor.with_index(on.interface).ok_or(io::ErrorKind::NotFound)?.name.clone();
                let port = Port::open(&name, on.interface, on.family, on.sealed)?;
                let place = self.ports.iter().position(Option::is_none).unwrap_or(self.ports.len());
                let event = EpollEvent::new(EpollFlags::EPOLLIN, place as u64);
                self.reactor.get_ref().0.add(port.as_fd(), event)?;
                if place == self.ports.len() {
                    self.ports.push(None);
                }
                self.ports[place] = Some(port);
                self.index.insert(key, place);
                place
            }
        };
        let Some(port) = &mut self.ports[place] else { return Ok(()) };
        let result = port.join(on.group);
        if port.is_unused() {
            self.close(place, key);
        }
        result
    }

    fn unlisten(&mut self, on: Listening) {
        let key = (on.interface, on.family, on.sealed);
        let Some(place) = self.index.get(&key).copied() else { return };
        let Some(port) = &mut self.ports[place] else { return };
        port.leave(on.group);
        if port.is_unused() {
            self.close(place, key);
        }
    }

    fn send(&mut self, via: Via, message: Transmit<'_>) {
        if let Some(mac) = via.mac {
            return self.frames.push(via, mac, message);
        }
        if let Some(sender) = self.senders.get_mut(&(Family::of(message.source), via.sealed)) {
            sender.push(via, message);
        }
    }

    fn flush(&mut self, failed: &mut dyn FnMut(usize, io::Error)) {
        for sender in self.senders.values_mut() {
            sender.flush(failed);
        }
        self.frames.flush(&self.packets, failed);
    }

    fn addressing(&self, alone: bool) -> Arc<dyn Addressing> {
        Arc::new(self.addressing.alone(alone))
    }
}

impl Linux {
    /// Closes a port, which takes it out of the epoll instance.
    fn close(&mut self, place: usize, key: PortKey) {
        self.index.remove(&key);
        self.readable.retain(|readable| *readable != place);
        self.ports[place] = None;
    }
}
