//! The TCP load: one thread, one epoll set, requests on a fixed number of connections.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, EventData, EventFlags},
    fd::OwnedFd,
};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::{
    Result,
    measure::{self, Sample, Span},
    tcp_server::{CLOSE, HEADER},
};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Connections at the same time.
    pub(crate) connections: usize,
    /// Length of a request, at least [`HEADER`].
    pub(crate) request: usize,
    /// Length of an answer.
    pub(crate) answer: usize,
    /// Whether requests follow each other on a connection, or each has its own.
    pub(crate) keep: bool,
}

/// Loads `target` for so many seconds, and tells what that has cost process `pid` per request.
pub(crate) fn run(shape: Shape, target: SocketAddr, pid: u32, seconds: f64) -> Result<Sample> {
    let mut load = Load::new(shape, target)?;
    for slot in 0..shape.connections {
        load.open(slot)?;
    }
    load.until(Span::new(Duration::from_secs_f64(seconds / 4.0)))?;
    load.reset();
    let (from, cpu) = (Instant::now(), measure::cpu_micros(pid));
    load.until(Span::new(Duration::from_secs_f64(seconds)))?;
    let cpu = measure::cpu_micros(pid) - cpu;
    let done = load.times.len().max(1) as f64;
    Ok(Sample {
        cost: cpu / done,
        rate: load.times.len() as f64 / from.elapsed().as_secs_f64(),
        p50: measure::quantile(&mut load.times, 0.5),
        p99: measure::quantile(&mut load.times, 0.99),
        errors: load.errors,
    })
}

/// Opens `count` connections, sends one request through each, and tells the growth of the process per connection.
pub(crate) fn idle(target: SocketAddr, pid: u32, count: usize) -> Result<Sample> {
    let request = request(64, 64);
    let exchange = |stream: &mut TcpStream| -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(&request)?;
        stream.read_exact(&mut [0; 64])
    };
    // The first connections pay for what a process allocates once.
    for _ in 0..16 {
        exchange(&mut TcpStream::connect(target)?)?;
    }
    let before = measure::resident_bytes(pid);
    let mut streams = Vec::with_capacity(count);
    let mut errors = 0;
    for _ in 0..count {
        let mut stream = TcpStream::connect(target)?;
        errors += u64::from(exchange(&mut stream).is_err());
        streams.push(stream);
    }
    let grown = measure::resident_bytes(pid) - before;
    Ok(Sample { cost: grown.max(0.0) / count as f64, errors, ..Sample::default() })
}

#[derive(Debug)]
struct Load {
    shape: Shape,
    target: SocketAddr,
    poll: OwnedFd,
    request: Vec<u8>,
    slots: Vec<Option<Exchange>>,
    buffer: Vec<u8>,
    opened: u32,
    times: Vec<f64>,
    errors: u64,
}

#[derive(Debug)]
struct Exchange {
    stream: TcpStream,
    begun: Instant,
    sent: usize,
    received: usize,
}

/// How an exchange stands after an event.
enum Progress {
    Going,
    Done,
    Broken,
}

impl Load {
    fn new(shape: Shape, target: SocketAddr) -> Result<Self> {
        let answer = shape.answer as u32 | if shape.keep { 0 } else { CLOSE };
        Ok(Self {
            shape,
            target,
            poll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            request: request(shape.request, answer),
            slots: (0..shape.connections).map(|_| None).collect(),
            buffer: vec![0; 1 << 18],
            opened: 0,
            times: Vec::with_capacity(1 << 18),
            errors: 0,
        })
    }

    fn reset(&mut self) {
        self.times.clear();
        self.errors = 0;
    }

    fn open(&mut self, slot: usize) -> Result<()> {
        self.slots[slot] = None;
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if !self.shape.keep {
            // From many addresses, so that ports in TIME_WAIT do not run out.
            self.opened = self.opened.wrapping_add(1);
            let source = Ipv4Addr::new(127, 0, 1, 1 + (self.opened % 20) as u8);
            setsockopt(&socket, IpBindAddressNoPort, &true)?;
            socket.bind(&SockAddr::from(SocketAddr::from((source, 0))))?;
        }
        let begun = Instant::now();
        match socket.connect(&SockAddr::from(self.target)) {
            Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => return Err(error.into()),
            _ => {}
        }
        let stream = TcpStream::from(socket);
        epoll::add(&self.poll, &stream, EventData::new_u64(slot as u64), EventFlags::OUT)?;
        self.slots[slot] = Some(Exchange { stream, begun, sent: 0, received: 0 });
        Ok(())
    }

    fn until(&mut self, span: Span) -> Result<()> {
        let mut events = Vec::with_capacity(512);
        while !span.is_over(Instant::now(), self.times.len()) {
            events.clear();
            let nap = rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
            match epoll::wait(&self.poll, spare_capacity(&mut events), Some(&nap)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                let slot = event.data.u64() as usize;
                match self.progress(slot)? {
                    Progress::Going => {}
                    Progress::Done if self.shape.keep => self.again(slot)?,
                    Progress::Done => self.open(slot)?,
                    Progress::Broken => {
                        self.errors += 1;
                        self.open(slot)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn progress(&mut self, slot: usize) -> Result<Progress> {
        let Some(exchange) = &mut self.slots[slot] else { return Ok(Progress::Going) };
        if exchange.sent < self.request.len() {
            match exchange.stream.write(&self.request[exchange.sent..]) {
                Ok(length) => exchange.sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Going),
                Err(_) => return Ok(Progress::Broken),
            }
            if exchange.sent == self.request.len() {
                epoll::modify(&self.poll, &exchange.stream, EventData::new_u64(slot as u64), EventFlags::IN)?;
            }
            return Ok(Progress::Going);
        }
        loop {
            match exchange.stream.read(&mut self.buffer) {
                Ok(0) if self.shape.keep || exchange.received < self.shape.answer => {
                    return Ok(Progress::Broken);
                }
                Ok(0) => break,
                Ok(length) => {
                    exchange.received += length;
                    if self.shape.keep && exchange.received >= self.shape.answer {
                        break;
                    }
                    if length < self.buffer.len() {
                        return Ok(Progress::Going);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Going),
                Err(_) => return Ok(Progress::Broken),
            }
        }
        self.times.push(exchange.begun.elapsed().as_secs_f64() * 1e6);
        Ok(Progress::Done)
    }

    /// The next request on the same connection.
    fn again(&mut self, slot: usize) -> Result<()> {
        let Some(exchange) = &mut self.slots[slot] else { return Ok(()) };
        (exchange.begun, exchange.received) = (Instant::now(), 0);
        exchange.sent = exchange.stream.write(&self.request).unwrap_or(0);
        if exchange.sent < self.request.len() {
            epoll::modify(&self.poll, &exchange.stream, EventData::new_u64(slot as u64), EventFlags::OUT)?;
        }
        Ok(())
    }
}

fn request(length: usize, answer: u32) -> Vec<u8> {
    let mut request = vec![0; length.max(HEADER)];
    request[..4].copy_from_slice(&(length.max(HEADER) as u32).to_le_bytes());
    request[4..HEADER].copy_from_slice(&answer.to_le_bytes());
    request
}
