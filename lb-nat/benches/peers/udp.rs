//! The UDP load and the UDP server behind the forwarders, each with and without the kernel's offloads.

use std::{
    io::{IoSlice, IoSliceMut},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::{AsRawFd, RawFd},
    time::{Duration, Instant},
};

use nix::{
    cmsg_space,
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, recvmsg, sendmmsg,
        sendmsg, setsockopt, sockopt::UdpGroSegment,
    },
};
use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, EventData, EventFlags},
    fd::OwnedFd,
};

use crate::{
    Result,
    measure::{self, Sample, Span},
};

/// Messages per system call.
const BATCH: usize = 64;
/// Datagrams in one train: 40 of 1,400 bytes, as a QUIC server sends them.
const TRAIN: usize = 40;
/// Larger than any datagram or train.
const LARGEST: usize = 65_536;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Client sockets.
    pub(crate) flows: usize,
    /// Datagrams of each flow that are on their way at the same time.
    pub(crate) window: usize,
    /// Length of a datagram.
    pub(crate) length: usize,
    /// Sent and answered as trains (`UDP_SEGMENT`, `UDP_GRO`).
    pub(crate) trains: bool,
}

/// Echoes until it is killed. Prints its address first.
pub(crate) fn server(trains: bool) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    enlarge(&socket)?;
    println!("{}", socket.local_addr()?);
    let mut buffer = vec![0; LARGEST * if trains { 1 } else { BATCH }];
    if trains {
        setsockopt(&socket, UdpGroSegment, &true)?;
        loop {
            let Some(train) = receive_train(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) else {
                continue;
            };
            send_train(socket.as_raw_fd(), &buffer[..train.length], train.segment, train.from);
        }
    }
    loop {
        echo_batch(socket.as_raw_fd(), &mut buffer);
    }
}

/// Loads `target` for so many seconds, and tells what that has cost process `pid` per datagram that came back.
pub(crate) fn run(shape: Shape, target: SocketAddr, pid: u32, seconds: f64) -> Result<Sample> {
    let mut load = Load::new(shape, target)?;
    load.until(Span::new(Duration::from_secs_f64(seconds / 4.0)))?;
    (load.echoed, load.lost) = (0, 0);
    let (from, cpu) = (Instant::now(), measure::cpu_micros(pid));
    load.until(Span::new(Duration::from_secs_f64(seconds)))?;
    let cpu = measure::cpu_micros(pid) - cpu;
    let rate = load.echoed as f64 / from.elapsed().as_secs_f64();
    Ok(Sample { cost: cpu / load.echoed.max(1) as f64, rate, errors: load.lost, ..Sample::default() })
}

#[derive(Debug)]
struct Load {
    shape: Shape,
    poll: OwnedFd,
    flows: Vec<Flow>,
    payload: Vec<u8>,
    buffer: Vec<u8>,
    echoed: u64,
    lost: u64,
}

#[derive(Debug)]
struct Flow {
    socket: UdpSocket,
    outstanding: usize,
    heard: Instant,
}

impl Load {
    fn new(shape: Shape, target: SocketAddr) -> Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut flows = Vec::with_capacity(shape.flows);
        for index in 0..shape.flows {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.connect(target)?;
            socket.set_nonblocking(true)?;
            enlarge(&socket)?;
            if shape.trains {
                setsockopt(&socket, UdpGroSegment, &true)?;
            }
            epoll::add(&poll, &socket, EventData::new_u64(index as u64), EventFlags::IN)?;
            flows.push(Flow { socket, outstanding: 0, heard: Instant::now() });
        }
        let (payload, buffer) = (vec![7; shape.length * TRAIN], vec![0; LARGEST]);
        Ok(Self { shape, poll, flows, payload, buffer, echoed: 0, lost: 0 })
    }

    fn until(&mut self, span: Span) -> Result<()> {
        let mut events = Vec::with_capacity(256);
        let mut now = Instant::now();
        while !span.is_over(now, self.echoed as usize) {
            for index in 0..self.flows.len() {
                self.fill(index, now);
            }
            events.clear();
            let nap = rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
            match epoll::wait(&self.poll, spare_capacity(&mut events), Some(&nap)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            now = Instant::now();
            for event in &events {
                self.drain(event.data.u64() as usize, now);
            }
        }
        Ok(())
    }

    /// Sends as much as the window allows once half of it is free. What was not answered in 300 ms is lost.
    fn fill(&mut self, index: usize, now: Instant) {
        let Shape { window, length, trains, .. } = self.shape;
        let flow = &mut self.flows[index];
        if flow.outstanding > 0 && now.duration_since(flow.heard) > Duration::from_millis(300) {
            self.lost += flow.outstanding as u64;
            flow.outstanding = 0;
        }
        if flow.outstanding > window / 2 {
            return;
        }
        let mut left = window - flow.outstanding;
        (flow.outstanding, flow.heard) = (window, now);
        while left > 0 {
            if trains {
                let count = left.min(TRAIN);
                send_train(flow.socket.as_raw_fd(), &self.payload[..count * length], length as u16, None);
                left -= count;
            } else {
                let count = left.min(BATCH);
                let slices = vec![[IoSlice::new(&self.payload[..length])]; count];
                let mut headers = MultiHeaders::<()>::preallocate(count, None);
                let nobody = vec![None::<()>; count];
                let fd = flow.socket.as_raw_fd();
                let _ = sendmmsg(fd, &mut headers, &slices, nobody, [], MsgFlags::empty());
                left -= count;
            }
        }
    }

    fn drain(&mut self, index: usize, now: Instant) {
        let flow = &mut self.flows[index];
        let mut came = 0;
        if self.shape.trains {
            while let Some(train) =
                receive_train(flow.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT)
            {
                came += train.length.div_ceil(usize::from(train.segment).max(1));
            }
        } else {
            while flow.socket.recv(&mut self.buffer).is_ok() {
                came += 1;
            }
        }
        self.echoed += came as u64;
        flow.outstanding = flow.outstanding.saturating_sub(came);
        flow.heard = now;
    }
}

struct Train {
    length: usize,
    segment: u16,
    from: Option<SockaddrIn>,
}

fn receive_train(fd: RawFd, buffer: &mut [u8], flags: MsgFlags) -> Option<Train> {
    let mut control = cmsg_space!(i32);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrIn>(fd, &mut slices, Some(&mut control), flags).ok()?;
    let segment = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::UdpGroSegments(segment) => u16::try_from(segment).ok(),
        _ => None,
    });
    let (length, from) = (message.bytes, message.address);
    Some(Train {
        length,
        segment: segment.unwrap_or_else(|| u16::try_from(length).unwrap_or(u16::MAX)),
        from,
    })
}

fn send_train(fd: RawFd, payload: &[u8], segment: u16, to: Option<SockaddrIn>) {
    let slices = [IoSlice::new(payload)];
    let several = payload.len() > usize::from(segment);
    let control = [ControlMessage::UdpGsoSegments(&segment)];
    // What does not get out counts as lost where it is missed.
    let _ = sendmsg(fd, &slices, if several { &control } else { &[] }, MsgFlags::empty(), to.as_ref());
}

fn echo_batch(fd: RawFd, buffer: &mut [u8]) {
    // One set of headers each way: what a call leaves in them, the other would take for its own.
    let mut incoming = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut outgoing = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut slices: Vec<_> = buffer.chunks_mut(LARGEST).map(|chunk| [IoSliceMut::new(chunk)]).collect();
    let flags = MsgFlags::MSG_WAITFORONE;
    let Ok(messages) = recvmmsg(fd, &mut incoming, slices.iter_mut(), flags, None) else { return };
    let (lengths, senders): (Vec<usize>, Vec<Option<SockaddrIn>>) =
        messages.map(|message| (message.bytes, message.address)).unzip();
    let slices: Vec<_> =
        buffer.chunks(LARGEST).zip(lengths).map(|(chunk, length)| [IoSlice::new(&chunk[..length])]).collect();
    let _ = sendmmsg(fd, &mut outgoing, &slices, senders, [], MsgFlags::empty());
}

/// Room for bursts, so that what is measured is the forwarder and not the loss in front of it.
fn enlarge(socket: &UdpSocket) -> Result<()> {
    let socket = socket2::SockRef::from(socket);
    socket.set_recv_buffer_size(4 << 20)?;
    socket.set_send_buffer_size(4 << 20)?;
    Ok(())
}
