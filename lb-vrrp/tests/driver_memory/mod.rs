//! A machine in memory.
#![allow(dead_code, reason = "not every test file uses everything")]
#![allow(clippy::unwrap_used, unreachable_pub, reason = "as in any test")]

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use lb_vrrp::{
    Datagram, Family, Interval, Priority, Time, Transmit, Vrid,
    driver::{
        AddressChange, Addressing, Announcement, Link, LinkAddress, LinkChange, Listening, Platform,
        Received, Via, VirtualLink,
    },
    wire::Mac,
};
use tokio::{sync::Notify, time::Instant};

pub const VIP: &str = "10.0.0.100";

/// What the machine does and has done.
#[derive(Default)]
pub struct Machine {
    links: Vec<Link>,
    changes: VecDeque<LinkChange>,
    inbox: VecDeque<(Instant, u32, IpAddr, Vec<u8>)>,
    /// Messages are given out one at a time, however many wait.
    pub one_by_one: bool,
    /// The process does not run; who is to be woken when it does.
    stalled: bool,
    waker: Option<Waker>,
    /// Priorities that were sent, and addresses that were installed, removed and announced, in order.
    done: Vec<Done>,
    pub addresses: BTreeSet<IpAddr>,
    /// Changes of addresses hang.
    pub hangs: bool,
    /// So many changes of addresses fail.
    pub failures: usize,
    pub cannot_send: bool,
    /// The latest message that was sent.
    pub sent: Vec<u8>,
    /// How far the wall clock was set forward.
    pub set_forward: Duration,
    pub broken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Sent(u8),
    Added(IpAddr),
    Removed(IpAddr),
    Announced(IpAddr),
}

#[derive(Clone, Default)]
pub struct Memory {
    machine: Arc<Mutex<Machine>>,
    /// Something happened on the link, or to it.
    pub wake: Arc<Notify>,
    /// Changes of addresses hang no longer.
    pub resume: Arc<Notify>,
}

impl Memory {
    pub fn new() -> Self {
        let memory = Self::default();
        let address = LinkAddress { order: 0, usable: true };
        memory.with(|machine| {
            machine.links.push(Link {
                index: 2,
                name: "eth0".to_owned(),
                up: true,
                mac: Some(Mac([2; 6])),
                addresses: [("10.0.0.1".parse().unwrap(), address)].into(),
            });
        });
        memory
    }

    pub fn with<R>(&self, act: impl FnOnce(&mut Machine) -> R) -> R {
        act(&mut self.machine.lock().unwrap())
    }

    pub fn done(&self) -> Vec<Done> {
        self.with(|machine| machine.done.clone())
    }

    /// Whether the process does not run.
    pub fn stall(&self, stalled: bool) {
        let waker = self.with(|machine| {
            machine.stalled = stalled;
            machine.waker.take()
        });
        waker.into_iter().for_each(Waker::wake);
    }

    /// An advertisement of another router.
    pub fn hear(&self, source: &str, priority: u8, interval: u16) {
        use lb_vrrp::wire::{Advert, Authentication, ChecksumForm, fill_checksum};
        let list = lb_vrrp::AddressList::new([VIP.parse().unwrap()]).unwrap();
        let advert = Advert {
            version: lb_vrrp::Version::V3,
            vrid: Vrid::new(51).unwrap(),
            priority: Priority::new(priority).ok(),
            interval: Interval::from_centiseconds(interval).unwrap(),
            addresses: list.as_addresses(),
            authentication: Authentication::None,
        };
        let mut bytes = vec![0; advert.encoded_len()];
        advert.encode(&mut bytes);
        let source: IpAddr = source.parse().unwrap();
        fill_checksum(&mut bytes, source, Family::V4.multicast_group(), ChecksumForm::PseudoHeader);
        self.with(|machine| machine.inbox.push_back((Instant::now(), 2, source, bytes)));
        self.wake.notify_one();
    }

    /// A predecessor left an address on the interface.
    pub fn leave_behind(&self, address: &str) {
        let address: IpAddr = address.parse().unwrap();
        self.with(|machine| {
            machine.addresses.insert(address);
            machine.links[0].addresses.insert(address, LinkAddress { order: 1, usable: true });
        });
    }

    /// Somebody else removes an address.
    pub fn remove(&self, address: &str) {
        let address: IpAddr = address.parse().unwrap();
        self.with(|machine| {
            machine.addresses.remove(&address);
            machine.changes.push_back(LinkChange::Address { interface: 2, address, present: false });
        });
        self.wake.notify_one();
    }

    /// The interface has another name.
    pub fn rename(&self, from: &str, to: &str) {
        self.with(|machine| {
            machine.links[0].name = to.to_owned();
            for name in [from, to] {
                machine.changes.push_back(LinkChange::Link { name: name.to_owned() });
            }
        });
        self.wake.notify_one();
    }

    /// The interface has this address, or has it no longer.
    pub fn set_address(&self, address: &str, present: bool) {
        let address: IpAddr = address.parse().unwrap();
        self.with(|machine| {
            let addresses = &mut machine.links[0].addresses;
            if present {
                addresses.insert(address, LinkAddress { order: 1, usable: true });
            } else {
                addresses.remove(&address);
            }
            machine.changes.push_back(LinkChange::Address { interface: 2, address, present });
        });
        self.wake.notify_one();
    }

    pub fn set_up(&self, up: bool) {
        self.with(|machine| {
            machine.links[0].up = up;
            machine.changes.push_back(LinkChange::Link { name: "eth0".to_owned() });
        });
        self.wake.notify_one();
    }
}

/// Tokio's clock, which stands still in these tests unless everybody waits.
fn time(origin: Instant, at: Instant) -> Time {
    Time::ZERO + (at - origin) + Duration::from_secs(1000)
}

pub struct InMemory {
    memory: Memory,
    origin: Instant,
    wait: Pin<Box<dyn Future<Output = ()> + Send>>,
    deadline: Option<Time>,
    unsent: Vec<usize>,
    link: Option<Link>,
}

impl InMemory {
    pub fn new(memory: &Memory) -> Self {
        Self {
            memory: memory.clone(),
            origin: Instant::now(),
            wait: Box::pin(std::future::pending()),
            deadline: None,
            unsent: Vec::new(),
            link: memory.with(|machine| machine.links.first().cloned()),
        }
    }

    fn wait_for(&mut self, deadline: Option<Time>) {
        let wake = self.memory.wake.clone();
        let until =
            deadline.map(|deadline| Instant::now() + deadline.since(time(self.origin, Instant::now())));
        self.deadline = deadline;
        self.wait = Box::pin(async move {
            let deadline = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wake.notified() => {}
                () = deadline => {}
            }
        });
    }
}

impl Platform for InMemory {
    fn now(&self) -> Time {
        time(self.origin, Instant::now())
    }

    fn wall_clock(&self) -> Duration {
        let set_forward = self.memory.with(|machine| machine.set_forward);
        Duration::from_secs(1_800_000_000) + self.now().since(Time::ZERO) + set_forward
    }

    fn link(&self, name: &str) -> Option<&Link> {
        self.link.as_ref().filter(|link| link.name == name)
    }

    fn has_source(&self, address: IpAddr) -> bool {
        self.link.as_ref().is_some_and(|link| link.addresses.contains_key(&address))
    }

    fn poll_change(&mut self) -> Option<LinkChange> {
        self.link = self.memory.with(|machine| machine.links.first().cloned());
        self.memory.with(|machine| machine.changes.pop_front())
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>, deadline: Option<Time>) -> Poll<io::Result<()>> {
        if self.memory.with(|machine| machine.broken) {
            return Poll::Ready(Err(io::Error::other("broken")));
        }
        if self.memory.with(|machine| machine.stalled) {
            self.memory.with(|machine| machine.waker = Some(cx.waker().clone()));
            return Poll::Pending;
        }
        self.wait_for(deadline);
        self.wait.as_mut().poll(cx).map(Ok)
    }

    fn receive(&mut self, deliver: &mut dyn FnMut(u32, Received<'_>)) -> Time {
        while let Some((at, interface, source, payload)) =
            self.memory.with(|machine| machine.inbox.pop_front())
        {
            let envelope = lb_vrrp::Envelope {
                source,
                destination: Family::V4.multicast_group(),
                ttl: Some(255),
                authenticated: false,
            };
            let received = time(self.origin, at);
            let datagram = Datagram { received, envelope, payload: &payload };
            deliver(interface, Received::Message(datagram));
            let next = self.memory.with(|machine| machine.inbox.front().map(|(at, ..)| *at));
            if let Some(next) = next.filter(|_| self.memory.with(|machine| machine.one_by_one)) {
                self.memory.wake.notify_one();
                return time(self.origin, next);
            }
        }
        self.now()
    }

    fn listen(&mut self, _: Listening) -> io::Result<()> {
        Ok(())
    }

    fn unlisten(&mut self, _: Listening) {}

    fn send(&mut self, via: Via, message: Transmit<'_>) {
        self.memory.with(|machine| match machine.cannot_send {
            true => self.unsent.push(via.sender),
            false => {
                machine.sent = message.payload.to_vec();
                machine.done.push(Done::Sent(message.payload[2]));
            }
        });
    }

    fn flush(&mut self, failed: &mut dyn FnMut(usize, io::Error)) {
        for sender in self.unsent.drain(..) {
            failed(sender, io::Error::other("the cable is cut"));
        }
    }

    fn addressing(&self, _: bool) -> Arc<dyn Addressing> {
        Arc::new(SlowHalf { memory: self.memory.clone(), origin: self.origin })
    }
}

struct SlowHalf {
    memory: Memory,
    origin: Instant,
}

#[async_trait]
impl Addressing for SlowHalf {
    fn now(&self) -> Time {
        time(self.origin, Instant::now())
    }

    async fn apply(&self, changes: Vec<AddressChange>) -> Vec<io::Result<bool>> {
        while self.memory.with(|machine| machine.hangs) {
            self.memory.resume.notified().await;
        }
        let apply = |machine: &mut Machine, change: &AddressChange| {
            if machine.failures > 0 {
                machine.failures -= 1;
                return Err(io::Error::other("no"));
            }
            let address = change.address.addr();
            let changed = match change.add {
                true => machine.addresses.insert(address),
                false => machine.addresses.remove(&address),
            };
            if changed {
                machine.done.push(if change.add { Done::Added(address) } else { Done::Removed(address) });
            }
            Ok(changed)
        };
        changes.iter().map(|change| self.memory.with(|machine| apply(machine, change))).collect()
    }

    async fn announce(&self, announcements: Vec<Announcement>) -> io::Result<()> {
        let all = announcements.into_iter().map(|announcement| Done::Announced(announcement.address));
        self.memory.with(|machine| machine.done.extend(all));
        Ok(())
    }

    async fn add_link(&self, _: VirtualLink) -> io::Result<u32> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn set_link(&self, _: u32, _: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn remove_link(&self, _: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
