//! UDP clients and servers.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "every test program uses its part; a failure is a failed test"
)]

use std::{
    io::{IoSlice, IoSliceMut},
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use lb_core::{
    Change,
    model::{SchedulerKind, ServerKey, ServiceKey, ServiceSpec},
};
use lb_nat::relay::RelayConfig;
use nix::{
    cmsg_space,
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
        sockopt::UdpGroSegment,
    },
};

use crate::world::{PATIENCE, World, add};

/// A server that sends back what it gets, and keeps what it got.
pub(crate) struct UdpEcho {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl UdpEcho {
    pub(crate) fn start() -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into())
    }

    pub(crate) fn at(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let address = socket.local_addr().unwrap();
        let received = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (kept, stopped) = (Arc::clone(&received), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while !stopped.load(SeqCst) {
                if let Ok((length, client)) = socket.recv_from(&mut buffer) {
                    kept.lock().unwrap().push(buffer[..length].to_vec());
                    let _ = socket.send_to(&buffer[..length], client);
                }
            }
        });
        Self { address, received, stop, thread: Some(thread) }
    }

    pub(crate) fn key(&self) -> ServerKey {
        self.address.into()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Datagrams so far.
    pub(crate) fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    pub(crate) fn received(&self) -> Vec<Vec<u8>> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for UdpEcho {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An address of its own for each service of this process, where nobody receives yet.
pub(crate) fn free_udp() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let own = NEXT.fetch_add(1, SeqCst);
    let address = Ipv4Addr::new(127, 1 + (std::process::id() % 250) as u8, 200 + (own >> 8) as u8, own as u8);
    free_udp_at(address.into())
}

pub(crate) fn free_udp_at(ip: IpAddr) -> SocketAddr {
    UdpSocket::bind((ip, 0)).unwrap().local_addr().unwrap()
}

/// A client whose reads fail instead of hanging. Not connected, so that a test sees where answers come from.
pub(crate) fn client(service: SocketAddr) -> UdpSocket {
    let any = if service.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(any).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Sends a datagram and returns the answer, which must come from where the datagram was sent to.
pub(crate) fn ask(client: &UdpSocket, service: SocketAddr, payload: &[u8]) -> Vec<u8> {
    client.send_to(payload, service).unwrap();
    receive(client, service)
}

pub(crate) fn receive(client: &UdpSocket, service: SocketAddr) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let (length, from) = client.recv_from(&mut buffer).unwrap();
    assert_eq!(from, service, "an answer from another address");
    buffer.truncate(length);
    buffer
}

/// Sends a datagram until there is an answer, as a client does that expects losses.
pub(crate) fn insist(client: &UdpSocket, service: SocketAddr, payload: &[u8]) {
    client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let end = Instant::now() + PATIENCE;
    let mut buffer = vec![0; 65_536];
    loop {
        client.send_to(payload, service).unwrap();
        if let Ok((length, _)) = client.recv_from(&mut buffer)
            && &buffer[..length] == payload
        {
            break;
        }
        assert!(Instant::now() < end, "never answered");
    }
    // Late answers to earlier attempts are not to be taken for answers to later questions.
    while client.recv_from(&mut buffer).is_ok() {}
    client.set_read_timeout(Some(PATIENCE)).unwrap();
}

/// A datagram that no other one equals.
pub(crate) fn datagram(number: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (number.wrapping_mul(31) + at.wrapping_mul(7) + at / 256) as u8).collect()
}

/// Sends a train in one call.
pub(crate) fn send_train(socket: &UdpSocket, service: SocketAddr, payload: &[u8], segment: u16) {
    let to = SockaddrStorage::from(service);
    let control = [ControlMessage::UdpGsoSegments(&segment)];
    let slices = [IoSlice::new(payload)];
    let sent = sendmsg(socket.as_raw_fd(), &slices, &control, MsgFlags::empty(), Some(&to)).unwrap();
    assert_eq!(sent, payload.len());
}

/// Makes a socket take trains whole.
pub(crate) fn take_trains(socket: &UdpSocket) {
    setsockopt(socket, UdpGroSegment, &true).unwrap();
}

/// Receives a message and takes it apart; `true` when it was a train.
pub(crate) fn receive_train(socket: &UdpSocket) -> (Vec<Vec<u8>>, bool) {
    let mut buffer = vec![0; 65_536];
    let mut control = cmsg_space!(i32);
    let mut slices = [IoSliceMut::new(&mut buffer)];
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty())
            .unwrap();
    let segment = message.cmsgs().unwrap().find_map(|control| match control {
        ControlMessageOwned::UdpGroSegments(segment) => usize::try_from(segment).ok(),
        _ => None,
    });
    let length = message.bytes;
    let size = segment.unwrap_or(length).max(1);
    (buffer[..length].chunks(size).map(<[u8]>::to_vec).collect(), segment.is_some_and(|size| size < length))
}

/// A service with these servers at an address that is free.
pub(crate) async fn serve(
    world: &World,
    spec: ServiceSpec,
    servers: &[ServerKey],
) -> (ServiceKey, SocketAddr) {
    serve_at(world, free_udp(), spec, servers).await
}

/// A service with these servers, weight 1 each.
pub(crate) async fn serve_at(
    world: &World,
    address: SocketAddr,
    spec: ServiceSpec,
    servers: &[ServerKey],
) -> (ServiceKey, SocketAddr) {
    let service = ServiceKey::udp(address);
    let mut batch = vec![Change::AddService { service, spec }];
    batch.extend(servers.iter().rev().map(|&server| add(service, server)));
    world.apply(&batch).await;
    (service, address)
}

pub(crate) fn round_robin() -> ServiceSpec {
    ServiceSpec::new(SchedulerKind::RoundRobin)
}

/// A relay that holds so many sessions at most.
pub(crate) fn holding(max: u32) -> World {
    // A client takes the place of one of its own thread, so there is one: which thread gets a client is the kernel's
    // choice.
    let threads = Some(std::num::NonZeroUsize::MIN);
    World::with(RelayConfig { threads, max_connections: Some(max), ..RelayConfig::default() })
}

/// One question; on a machine that is so slow that the session was ended in between, it may stay without an answer.
pub(crate) fn nudge(client: &UdpSocket, address: SocketAddr) {
    client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    client.send_to(b"busy", address).unwrap();
    let _ = client.recv_from(&mut [0; 16]);
}

/// Sends datagrams one after the other.
pub(crate) fn send_burst(client: &UdpSocket, service: SocketAddr, burst: &[Vec<u8>]) {
    for payload in burst {
        client.send_to(payload, service).unwrap();
    }
}
