//! Addresses and their announcement, on the runtime's threads for calls that block.

use std::{
    io,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressFlags, AddressMessage, CacheInfo},
};
use nix::net::if_::if_indextoname;

use super::{
    boot_time,
    netlink::{Kind, Requests},
    packet::PacketSocket,
    suspect::suspect,
    virtual_link,
};
use crate::{
    Time,
    driver::{
        address::AddressAttributes,
        platform::{AddressChange, Addressing, Announcement, VirtualLink},
    },
    wire::{gratuitous_arp, unsolicited_na},
};

/// [`Addressing`] by netlink. The kernel adds addresses within the system call, some ten thousand a second, and keeps
/// others that change links or addresses waiting meanwhile: so the calls are made on threads that may block.
#[derive(Clone)]
pub(super) struct NetlinkAddressing {
    requests: Arc<Mutex<Requests>>,
    packets: Arc<PacketSocket>,
    /// Whether the thread that asks may block itself.
    alone: bool,
}

impl NetlinkAddressing {
    pub(super) fn new(requests: Requests, packets: Arc<PacketSocket>) -> Self {
        Self { requests: Arc::new(Mutex::new(requests)), packets, alone: false }
    }

    /// The same, on a thread of its own or not.
    pub(super) fn alone(&self, alone: bool) -> Self {
        Self { alone, ..self.clone() }
    }

    async fn with<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Requests) -> io::Result<R> + Send + 'static,
    ) -> io::Result<R> {
        let requests = self.requests.clone();
        self.blocking(move || act(&mut requests.lock().unwrap_or_else(PoisonError::into_inner))).await
    }

    async fn blocking<R: Send + 'static>(
        &self,
        act: impl FnOnce() -> io::Result<R> + Send + 'static,
    ) -> io::Result<R> {
        if self.alone {
            return act();
        }
        // It fails only when the runtime shuts down.
        tokio::task::spawn_blocking(act).await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

#[async_trait]
impl Addressing for NetlinkAddressing {
    fn now(&self) -> Time {
        boot_time()
    }

    async fn apply(&self, changes: Vec<AddressChange>) -> Vec<io::Result<bool>> {
        let wanted: Vec<bool> = changes.iter().map(|change| change.add).collect();
        let made = self.with(move |requests| requests.all(changes.iter().map(request))).await;
        match made {
            Ok(answers) => {
                answers.into_iter().zip(wanted).map(|(answer, add)| made_a_difference(answer, add)).collect()
            }
            Err(error) => {
                wanted.iter().map(|_| Err(io::Error::new(error.kind(), error.to_string()))).collect()
            }
        }
    }

    async fn announce(&self, announcements: Vec<Announcement>) -> io::Result<()> {
        let packets = self.packets.clone();
        self.blocking(move || {
            let frames: Vec<(u32, Frame)> = announcements.iter().map(frame).collect();
            packets.send(frames.iter().map(|(interface, frame)| (*interface, frame.bytes())))
        })
        .await
    }

    async fn suspect(&self, interface: u32) -> Option<String> {
        let found = self.blocking(move || {
            let name = if_indextoname(interface)?;
            Ok(suspect(Path::new("/"), interface, &name.to_string_lossy()))
        });
        found.await.ok().flatten()
    }

    async fn add_link(&self, link: VirtualLink) -> io::Result<u32> {
        self.with(move |requests| virtual_link::add(requests, &link)).await
    }

    async fn set_link(&self, interface: u32, up: bool) -> io::Result<()> {
        self.with(move |requests| virtual_link::set(requests, interface, up)).await
    }

    async fn remove_link(&self, interface: u32) -> io::Result<()> {
        self.with(move |requests| virtual_link::remove(requests, interface)).await
    }
}

fn request(change: &AddressChange) -> (Kind, RouteNetlinkMessage) {
    let net = change.address.net;
    let (address, plain) = (net.addr(), AddressAttributes::default());
    let attributes = change.address.attributes.as_deref().unwrap_or(&plain);
    let far_end = attributes.peer.unwrap_or(net);
    let mut message = AddressMessage::default();
    message.header.family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.prefix_len = far_end.prefix_len();
    message.header.index = change.interface;
    message.header.scope = attributes.scope.into();
    message.attributes.push(AddressAttribute::Local(address));
    if address.is_ipv4() || attributes.peer.is_some() {
        message.attributes.push(AddressAttribute::Address(far_end.addr()));
    }
    if !change.add {
        return (Kind::Change, RouteNetlinkMessage::DelAddress(message));
    }
    let flags = flags(attributes, address);
    if !flags.is_empty() {
        message.attributes.push(AddressAttribute::Flags(flags));
    }
    message.attributes.extend(attributes.broadcast.map(AddressAttribute::Broadcast));
    message.attributes.extend(attributes.label.clone().map(AddressAttribute::Label));
    let whole_v6 = address.is_ipv6() && net.prefix_len() == net.max_prefix_len();
    if let Some(preferred) = attributes.preferred_lifetime.or(whole_v6.then_some(0)) {
        let mut lifetimes = CacheInfo::default();
        lifetimes.ifa_preferred = preferred;
        lifetimes.ifa_valid = FOR_EVER;
        message.attributes.push(AddressAttribute::CacheInfo(lifetimes));
    }
    (Kind::Create, RouteNetlinkMessage::NewAddress(message))
}

/// `INFINITY_LIFE_TIME` of the kernel.
const FOR_EVER: u32 = u32::MAX;

fn flags(attributes: &AddressAttributes, address: IpAddr) -> AddressFlags {
    [
        (AddressFlags::Nodad, address.is_ipv6() && !attributes.duplicate_detection),
        (AddressFlags::Noprefixroute, !attributes.prefix_route),
        (AddressFlags::Homeaddress, attributes.home),
        (AddressFlags::Managetempaddr, attributes.manage_temporary),
        (AddressFlags::Mcautojoin, attributes.auto_join),
    ]
    .into_iter()
    .filter_map(|(flag, set)| set.then_some(flag))
    .collect()
}

fn made_a_difference(answer: io::Result<()>, add: bool) -> io::Result<bool> {
    match answer {
        Ok(()) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EEXIST) if add => Ok(false),
            // The address is gone, or its interface is, and the address with it.
            Some(libc::EADDRNOTAVAIL | libc::ENODEV | libc::ENXIO) if !add => Ok(false),
            _ => Err(explain(error)),
        },
    }
}

/// The same error with its remedy, where there is one.
fn explain(error: io::Error) -> io::Error {
    let remedy = match error.raw_os_error() {
        Some(libc::EPERM) => "CAP_NET_ADMIN is needed",
        Some(libc::EACCES) => "is IPv6 disabled on this interface (net.ipv6.conf.*.disable_ipv6)?",
        _ => return virtual_link::gone(error),
    };
    io::Error::new(error.kind(), format!("{error}: {remedy}"))
}

/// The frame that announces an address.
enum Frame {
    Arp([u8; crate::wire::GRATUITOUS_ARP_LEN]),
    Neighbour([u8; crate::wire::UNSOLICITED_NA_LEN]),
}

impl Frame {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Arp(bytes) => bytes,
            Self::Neighbour(bytes) => bytes,
        }
    }
}

fn frame(announcement: &Announcement) -> (u32, Frame) {
    let mac = announcement.mac;
    let frame = match (announcement.address, announcement.source) {
        (IpAddr::V4(address), _) => Frame::Arp(gratuitous_arp(mac, address)),
        (IpAddr::V6(address), IpAddr::V6(source)) => {
            Frame::Neighbour(unsolicited_na(mac, source, address, true))
        }
        // An IPv6 address of an instance of the other family, on a link without IPv6 address: it announces itself.
        (IpAddr::V6(address), IpAddr::V4(_)) => Frame::Neighbour(unsolicited_na(mac, address, address, true)),
    };
    (announcement.interface, frame)
}
