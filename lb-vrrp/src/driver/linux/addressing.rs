//! Addresses and their announcement, on the runtime's threads for calls that block.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope},
};

use super::{
    boot_time,
    netlink::{Kind, Requests},
    packet::PacketSocket,
    virtual_link,
};
use crate::{
    Time,
    driver::platform::{AddressChange, Addressing, Announcement, VirtualLink},
    wire::{gratuitous_arp, unsolicited_na},
};

/// [`Addressing`] by netlink. The kernel adds addresses within the system call, some thousand a second, and keeps others
/// that change links or addresses waiting meanwhile: so the calls are made on threads that may block.
pub(super) struct NetlinkAddressing {
    requests: Arc<Mutex<Requests>>,
    packets: Arc<PacketSocket>,
}

impl NetlinkAddressing {
    pub(super) fn new(packets: Arc<PacketSocket>) -> io::Result<Self> {
        Ok(Self { requests: Arc::new(Mutex::new(Requests::new()?)), packets })
    }

    async fn with<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Requests) -> io::Result<R> + Send + 'static,
    ) -> io::Result<R> {
        let requests = self.requests.clone();
        blocking(move || act(&mut requests.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

async fn blocking<R: Send + 'static>(act: impl FnOnce() -> io::Result<R> + Send + 'static) -> io::Result<R> {
    // It fails only when the runtime shuts down.
    tokio::task::spawn_blocking(act).await.unwrap_or_else(|error| Err(io::Error::other(error)))
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
        blocking(move || {
            let frames: Vec<(u32, Frame)> = announcements.iter().map(frame).collect();
            packets.send(frames.iter().map(|(interface, frame)| (*interface, frame.bytes())))
        })
        .await
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
    let mut message = AddressMessage::default();
    let address = change.address.addr();
    message.header.prefix_len = change.address.prefix_len();
    message.header.index = change.interface;
    message.header.scope = AddressScope::Universe;
    message.attributes.push(AddressAttribute::Local(address));
    match address {
        IpAddr::V4(_) => {
            message.header.family = AddressFamily::Inet;
            message.attributes.push(AddressAttribute::Address(address));
        }
        IpAddr::V6(_) => {
            message.header.family = AddressFamily::Inet6;
            if change.add {
                // The other router may have it for a moment still, which is no reason to give it up.
                message
                    .attributes
                    .push(AddressAttribute::Flags(AddressFlags::Nodad | AddressFlags::Noprefixroute));
            }
        }
    }
    match change.add {
        true => (Kind::Create, RouteNetlinkMessage::NewAddress(message)),
        false => (Kind::Change, RouteNetlinkMessage::DelAddress(message)),
    }
}

fn made_a_difference(answer: io::Result<()>, add: bool) -> io::Result<bool> {
    match answer {
        Ok(()) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EEXIST) if add => Ok(false),
            // The address is gone, or its interface is, and the address with it.
            Some(libc::EADDRNOTAVAIL | libc::ENODEV | libc::ENXIO) if !add => Ok(false),
            _ => Err(error),
        },
    }
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
