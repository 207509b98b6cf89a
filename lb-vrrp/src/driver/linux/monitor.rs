//! Links and their addresses as the kernel tells of them.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    io,
    net::IpAddr,
    os::fd::{AsFd, BorrowedFd},
};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressFlags, AddressMessage},
    link::{LinkAttribute, LinkFlags, LinkMessage},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use socket2::{SockFilter, SockRef};

use super::netlink::{BUFFER, messages};
use crate::{
    driver::platform::{Link, LinkAddress, LinkChange},
    wire::Mac,
};

/// The multicast groups of `rtnetlink(7)`.
const GROUPS: [u32; 3] = [libc::RTNLGRP_LINK, libc::RTNLGRP_IPV4_IFADDR, libc::RTNLGRP_IPV6_IFADDR];
/// Room for thousands of changes that come at once.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Datagrams that one call reads.
const READS: usize = 32;

/// A netlink socket that hears of changes, and the links as they are by that.
pub(super) struct Monitor {
    socket: Socket,
    buffer: Vec<u8>,
    links: HashMap<u32, Link>,
    names: HashMap<String, u32>,
    /// Number of the next address.
    order: u64,
    changes: VecDeque<LinkChange>,
    dump: Dump,
    /// Whether something was lost while a dump was going on.
    again: bool,
}

/// Reading everything, at the start and when something was lost.
enum Dump {
    None,
    /// What is there by now; the rest goes at the end.
    Links(BTreeSet<u32>),
    Addresses(BTreeSet<(u32, IpAddr)>),
}

impl Monitor {
    /// Reads all links and addresses. `our_port`: where this program asks for new addresses from, which it need not be told
    /// of: thousands of them would be decoded beside the protocol.
    pub(super) fn new(our_port: u32) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        SockRef::from(&socket).attach_filter(&not_our_own(our_port))?;
        socket.bind_auto()?;
        GROUPS.into_iter().try_for_each(|group| socket.add_membership(group))?;
        let forced =
            nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::RcvBufForce, &RECEIVE_BUFFER);
        if forced.is_err() {
            SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER)?;
        }
        let mut monitor = Self {
            socket,
            buffer: Vec::with_capacity(BUFFER),
            links: HashMap::new(),
            names: HashMap::new(),
            order: 0,
            changes: VecDeque::new(),
            dump: Dump::None,
            again: false,
        };
        monitor.read_all()?;
        while !matches!(monitor.dump, Dump::None) {
            monitor.read_one()?;
        }
        monitor.changes.clear();
        monitor.socket.set_non_blocking(true)?;
        Ok(monitor)
    }

    pub(super) fn named(&self, name: &str) -> Option<&Link> {
        self.links.get(self.names.get(name)?)
    }

    pub(super) fn with_index(&self, index: u32) -> Option<&Link> {
        self.links.get(&index)
    }

    /// Whether a link has this address. An IPv6 one can be a source once it is known to be unique.
    pub(super) fn has_source(&self, address: IpAddr) -> bool {
        let of_link =
            |link: &Link| link.addresses.get(&address).is_some_and(|entry| address.is_ipv4() || entry.usable);
        self.links.values().any(of_link)
    }

    pub(super) fn has_change(&self) -> bool {
        !self.changes.is_empty()
    }

    pub(super) fn poll_change(&mut self) -> Option<LinkChange> {
        self.changes.pop_front()
    }

    /// Reads what is there.
    pub(super) fn read(&mut self) -> io::Result<()> {
        for _ in 0..READS {
            match self.read_one() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Changes were lost, since there was no room for them.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => match self.dump {
                    Dump::None => self.read_all()?,
                    _ => self.again = true,
                },
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read_one(&mut self) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let result = self.socket.recv(&mut buffer, 0);
        if result.is_ok() {
            for (_, message) in messages(&buffer) {
                match message {
                    NetlinkPayload::InnerMessage(message) => self.take(message),
                    NetlinkPayload::Done(_) => self.end_dump()?,
                    _ => {}
                }
            }
        }
        self.buffer = buffer;
        result.map(drop)
    }

    fn take(&mut self, message: RouteNetlinkMessage) {
        match message {
            RouteNetlinkMessage::NewLink(link) if is_about_links(&link) => self.set_link(&link),
            RouteNetlinkMessage::DelLink(link) if is_about_links(&link) => {
                self.remove_link(link.header.index)
            }
            RouteNetlinkMessage::NewAddress(address) => self.set_address(&address),
            RouteNetlinkMessage::DelAddress(address) => {
                if let Some((ip, _)) = address_of(&address) {
                    self.remove_address(address.header.index, ip);
                }
            }
            _ => {}
        }
    }

    fn set_link(&mut self, message: &LinkMessage) {
        let index = message.header.index;
        if let Dump::Links(seen) = &mut self.dump {
            seen.insert(index);
        }
        let (mut name, mut mac) = (None, None);
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(it) => name = Some(it),
                LinkAttribute::Address(bytes) => mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(Mac),
                _ => {}
            }
        }
        let Some(name) = name else { return };
        let up = message.header.flags.contains(LinkFlags::Up | LinkFlags::Running);
        let old = self.links.remove(&index);
        let same = old.as_ref().is_some_and(|old| (&old.name, old.up, old.mac) == (name, up, mac));
        let addresses = match old {
            Some(old) => {
                if old.name != *name {
                    self.forget_name(&old.name, index);
                    self.changes.push_back(LinkChange::Link { name: old.name });
                }
                old.addresses
            }
            None => Default::default(),
        };
        self.names.insert(name.clone(), index);
        self.links.insert(index, Link { index, name: name.clone(), up, mac, addresses });
        if !same {
            self.changes.push_back(LinkChange::Link { name: name.clone() });
        }
    }

    fn remove_link(&mut self, index: u32) {
        let Some(link) = self.links.remove(&index) else { return };
        self.forget_name(&link.name, index);
        self.changes.push_back(LinkChange::Link { name: link.name });
    }

    fn forget_name(&mut self, name: &str, index: u32) {
        // Another link may have the name by now.
        if self.names.get(name) == Some(&index) {
            self.names.remove(name);
        }
    }

    fn set_address(&mut self, message: &AddressMessage) {
        let Some((address, flags)) = address_of(message) else { return };
        let interface = message.header.index;
        if let Dump::Addresses(seen) = &mut self.dump {
            seen.insert((interface, address));
        }
        let Some(link) = self.links.get_mut(&interface) else { return };
        let hindered = AddressFlags::Secondary | AddressFlags::Tentative | AddressFlags::Dadfailed;
        // IPv6 calls temporary addresses secondary; those are no primary ones either.
        let usable = !flags.intersects(hindered);
        let known = link.addresses.get(&address);
        if known.is_some_and(|known| known.usable == usable) {
            return;
        }
        let order = known.map_or(self.order, |known| known.order);
        self.order += 1;
        link.addresses.insert(address, LinkAddress { order, usable });
        self.changes.push_back(LinkChange::Address { interface, address, present: true });
    }

    fn remove_address(&mut self, interface: u32, address: IpAddr) {
        // One that this program has added is not known here.
        if let Some(link) = self.links.get_mut(&interface) {
            link.addresses.remove(&address);
            self.changes.push_back(LinkChange::Address { interface, address, present: false });
        }
    }

    /// Asks for all links, then for all addresses.
    fn read_all(&mut self) -> io::Result<()> {
        self.dump = Dump::Links(BTreeSet::new());
        self.ask(RouteNetlinkMessage::GetLink(LinkMessage::default()))
    }

    fn end_dump(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.dump, Dump::None) {
            Dump::None => {}
            Dump::Links(seen) => {
                let gone: Vec<u32> =
                    self.links.keys().filter(|index| !seen.contains(index)).copied().collect();
                gone.into_iter().for_each(|index| self.remove_link(index));
                self.dump = Dump::Addresses(BTreeSet::new());
                self.ask(RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
            }
            Dump::Addresses(seen) => {
                let all = self.links.values().flat_map(|link| {
                    link.addresses.keys().map(|address| (link.index, *address)).collect::<Vec<_>>()
                });
                let gone: Vec<_> = all.filter(|entry| !seen.contains(entry)).collect();
                gone.into_iter().for_each(|(interface, address)| self.remove_address(interface, address));
                if std::mem::take(&mut self.again) {
                    self.read_all()?;
                }
            }
        }
        Ok(())
    }

    fn ask(&self, request: RouteNetlinkMessage) -> io::Result<()> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send_to(&bytes, &SocketAddr::new(0, 0), 0).map(drop)
    }
}

/// Lets all messages pass but those about new addresses that are answers to requests from this port.
fn not_our_own(port: u32) -> [SockFilter; 6] {
    let load = |size, offset| SockFilter::new((libc::BPF_LD | size | libc::BPF_ABS) as u16, 0, 0, offset);
    let unless =
        |value, skip| SockFilter::new((libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, 0, skip, value);
    let end = |length| SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, length);
    // The filter reads in network order what netlink writes in the machine's own: nlmsg_type and nlmsg_pid.
    [
        load(libc::BPF_H, 4),
        unless(u32::from(libc::RTM_NEWADDR.to_be()), 3),
        load(libc::BPF_W, 12),
        unless(port.to_be(), 1),
        end(0),
        end(u32::MAX),
    ]
}

/// Bridges tell of their ports by messages about links, which are gone when the port is.
fn is_about_links(message: &LinkMessage) -> bool {
    message.header.interface_family == AddressFamily::Unspec
}

fn address_of(message: &AddressMessage) -> Option<(IpAddr, AddressFlags)> {
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    let (mut local, mut remote) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(*address),
            // On a point-to-point link this is the other end.
            AddressAttribute::Address(address) => remote = Some(*address),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    Some((local.or(remote)?, flags))
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
