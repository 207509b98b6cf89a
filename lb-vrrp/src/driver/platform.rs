//! What the driver needs of a machine.

use std::{
    collections::BTreeMap,
    io,
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;

use super::address::VirtualAddress;
use crate::{Datagram, Family, Time, Transmit, wire::Mac};

/// The fast half of a machine: its clock, its links, and what is sent and received on them. Nothing in it waits, and
/// nothing in it allocates in steady state, which is why it has `poll` functions in place of `async` ones.
///
/// `driver::linux::Linux` is the one for Linux. Another one makes the driver run elsewhere, or in a test that injects
/// faults.
pub trait Platform: Send + 'static {
    /// What time it is, on a clock that goes on while the machine sleeps and is never set.
    fn now(&self) -> Time;

    /// How long it is since 1970, by a clock that may be set. For authentication trailers that carry the time.
    fn wall_clock(&self) -> Duration;

    /// The link of this name, as it is now.
    fn link(&self, name: &str) -> Option<&Link>;

    /// Whether advertisements can come from this address: a link of this host has it.
    fn has_source(&self, address: IpAddr) -> bool;

    /// The next change of a link or its addresses, until there is none. The links are changed already when it is told.
    fn poll_change(&mut self) -> Option<LinkChange>;

    /// From now on, deadlines that come soon after others may be late by so much, to be done in one go with those that
    /// follow: a small part of the shortest interval. A platform need not make use of it, which is the default.
    fn tolerate(&mut self, _lateness: Duration) {}

    /// Whether there is something to receive, a link has changed, or the deadline is over.
    ///
    /// # Errors
    /// When it can not go on.
    fn poll_ready(&mut self, cx: &mut Context<'_>, deadline: Option<Time>) -> Poll<io::Result<()>>;

    /// Gives out what was received, with the index of the interface, and tells up to which time that is everything:
    /// deadlines count up to then, since a message that moves one may have come after it. It gives out no more than what
    /// had come when it was called, so that nobody who floods a link keeps the driver from its deadlines.
    fn receive(&mut self, deliver: &mut dyn FnMut(u32, Received<'_>)) -> Time;

    /// Receives messages of a virtual router from now on. Called once for each; those with the same values share what they
    /// need.
    ///
    /// # Errors
    /// When that is impossible, for want of a privilege or a limit of the machine.
    fn listen(&mut self, on: Listening) -> io::Result<()>;

    /// Takes back one [`listen`](Self::listen).
    fn unlisten(&mut self, on: Listening);

    /// Queues a message.
    fn send(&mut self, via: Via, message: Transmit<'_>);

    /// Sends what is queued. It may pause in bursts of hundreds, which would overflow queues on the way and happen only
    /// when thousands of routers change their state at once. What can not be sent is lost, as on the wire, and told through
    /// `failed`: once for each message, by its [`Via::sender`].
    fn flush(&mut self, failed: &mut dyn FnMut(usize, io::Error));

    /// The slow half. `alone`: whether it is used on a thread of its own, which calls to the kernel may hold up.
    fn addressing(&self, alone: bool) -> Arc<dyn Addressing>;
}

/// The slow half of a machine: addresses, their announcement, and links with a virtual Ethernet address. It is used by a
/// task of its own, so that advertisements never wait for it. Each call is about so few things that it takes some
/// milliseconds.
#[async_trait]
pub trait Addressing: Send + Sync + 'static {
    /// What time it is, on the clock of [`Platform::now`].
    fn now(&self) -> Time;

    /// Makes these changes in one go. Tells for each, in order, whether it made a difference: an address that is there
    /// already, or was not there, is no error. [`io::ErrorKind::NotFound`]: the link of an address to be added is gone.
    async fn apply(&self, changes: Vec<AddressChange>) -> Vec<io::Result<bool>>;

    /// Tells the link where these addresses are, by one gratuitous ARP or unsolicited neighbour advertisement each.
    ///
    /// # Errors
    /// Why the last one that failed did.
    async fn announce(&self, announcements: Vec<Announcement>) -> io::Result<()>;

    /// Who may have removed an address from this interface, and what to do about it, in words. Default: nobody is known.
    async fn suspect(&self, _interface: u32) -> Option<String> {
        None
    }

    /// Makes a link with an Ethernet address of its own upon another, and returns its index. It is down. One just like it
    /// that a predecessor left behind is taken as it is. Any other link of that name is left alone.
    ///
    /// # Errors
    /// When that is impossible; [`io::ErrorKind::AlreadyExists`] when another link has the name.
    async fn add_link(&self, link: VirtualLink) -> io::Result<u32>;

    /// Sets a link up or down.
    ///
    /// # Errors
    /// When that is impossible; [`io::ErrorKind::NotFound`] when it is gone.
    async fn set_link(&self, interface: u32, up: bool) -> io::Result<()>;

    /// Removes a link that [`add_link`](Self::add_link) has made. That it is gone already is no error.
    ///
    /// # Errors
    /// When that is impossible.
    async fn remove_link(&self, interface: u32) -> io::Result<()>;
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its index. It is another one when an interface was removed and made again.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it is up and has a carrier.
    pub up: bool,
    /// Its Ethernet address; `None` when it has none.
    pub mac: Option<Mac>,
    /// Its addresses. Those that were added through [`Addressing::apply`] may be missing.
    pub addresses: BTreeMap<IpAddr, LinkAddress>,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkAddress {
    /// Addresses that were there earlier have a smaller one.
    pub order: u64,
    /// Whether it can be a source: it is neither a secondary one, nor is it yet to be found unique (IPv6).
    pub usable: bool,
}

impl Link {
    /// The primary address: the one of the family that was there first and fits; link-local in the case of IPv6
    /// (RFC 9568 §5.1.1.1 and §5.1.2.1).
    pub(super) fn primary(&self, family: Family, fits: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
        self.addresses
            .iter()
            .filter(|(address, entry)| entry.usable && Family::of(**address) == family && fits(**address))
            .min_by_key(|(_, entry)| entry.order)
            .map(|(address, _)| *address)
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// A link was made, removed, renamed, or went up or down.
    Link {
        /// Its name.
        name: String,
    },
    /// An address was added, removed, or can be a source now.
    Address {
        /// Index of the link.
        interface: u32,
        /// The address.
        address: IpAddr,
        /// Whether it is there now.
        present: bool,
    },
}

/// Something that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// A message: the payload of a packet with protocol 112.
    Message(Datagram<'a>),
    /// A packet with protocol 51, from its IPv4 header on, which is yet to be opened; see [`ah`](crate::wire::ah).
    Sealed {
        /// When the kernel received it.
        at: Time,
        /// The packet.
        packet: &'a [u8],
    },
}

/// What to receive on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listening {
    /// Index of the interface.
    pub interface: u32,
    /// Address family.
    pub family: Family,
    /// The group to be a member of; `None` for unicast only.
    pub group: Option<IpAddr>,
    /// Whether messages are in IP authentication headers (protocol 51, IPv4 only).
    pub sealed: bool,
}

/// How a message leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via {
    /// Index of the interface.
    pub interface: u32,
    /// The Ethernet address that it comes from, when that is not the interface's own. For multicast only.
    pub mac: Option<Mac>,
    /// Whether the payload is a whole IPv4 packet, with an IP authentication header.
    pub sealed: bool,
    /// TTL or hop limit. A whole packet has it already.
    pub ttl: u8,
    /// Who sends it: what [`Platform::flush`] names when it could not be sent.
    pub sender: usize,
}

/// An address to be added or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressChange {
    /// Index of the interface. It counts, and not the name that may be among the attributes of the address.
    pub interface: u32,
    /// The address, and how it is installed.
    pub address: VirtualAddress,
    /// Whether to add it.
    pub add: bool,
}

/// An address to be announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Index of the interface.
    pub interface: u32,
    /// Where the address is.
    pub mac: Mac,
    /// The address.
    pub address: IpAddr,
    /// The address that an IPv6 announcement comes from: link-local.
    pub source: IpAddr,
}

/// A link to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualLink {
    /// Its name.
    pub name: String,
    /// Index of the link that it is upon.
    pub parent: u32,
    /// Its Ethernet address.
    pub mac: Mac,
}
