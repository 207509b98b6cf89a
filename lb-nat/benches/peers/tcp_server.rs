//! The TCP server behind the forwarders, and the protocol that it speaks with the load.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, EventData, EventFlags},
};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::Result;

/// Bytes of the header at the front of every request: its whole length and the length of the answer.
pub(crate) const HEADER: usize = 8;
/// In the answer's length: close the connection after it.
pub(crate) const CLOSE: u32 = 1 << 31;

/// Serves until it is killed. Prints its address first.
pub(crate) fn run() -> Result<()> {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    listener.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))?;
    listener.listen(65_535)?;
    listener.set_tcp_nodelay(true)?;
    let listener = TcpListener::from(listener);
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?);

    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, EventData::new_u64(u64::MAX), EventFlags::IN)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut buffer = vec![0_u8; 1 << 18];
    let mut events = Vec::with_capacity(512);
    loop {
        events.clear();
        match epoll::wait(&poll, spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let token = event.data.u64();
            if token == u64::MAX {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    let slot = free.pop().unwrap_or_else(|| {
                        connections.push(None);
                        connections.len() - 1
                    });
                    epoll::add(&poll, &stream, EventData::new_u64(slot as u64), EventFlags::IN)?;
                    connections[slot] = Some(Connection::new(stream));
                }
                continue;
            }
            let slot = token as usize;
            let Some(connection) = connections.get_mut(slot).and_then(Option::as_mut) else { continue };
            let was_writing = connection.owed > 0;
            if connection.turn(&mut buffer) {
                connections[slot] = None;
                free.push(slot);
            } else if was_writing != (connection.owed > 0) {
                let interest = if was_writing { EventFlags::IN } else { EventFlags::IN | EventFlags::OUT };
                epoll::modify(&poll, &connection.stream, EventData::new_u64(slot as u64), interest)?;
            }
        }
    }
}

#[derive(Debug)]
struct Connection {
    stream: std::net::TcpStream,
    /// The header of the request that is coming in, and how much of the request has come.
    header: [u8; HEADER],
    received: usize,
    /// Answer bytes still to be sent.
    owed: usize,
    close: bool,
}

impl Connection {
    fn new(stream: std::net::TcpStream) -> Self {
        Self { stream, header: [0; HEADER], received: 0, owed: 0, close: false }
    }

    /// Reads what there is and answers; true when the connection is at its end.
    fn turn(&mut self, buffer: &mut [u8]) -> bool {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return true,
                Ok(length) => {
                    self.take(&buffer[..length]);
                    if length < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return true,
            }
        }
        while self.owed > 0 {
            let length = self.owed.min(buffer.len());
            match self.stream.write(&buffer[..length]) {
                Ok(written) => self.owed -= written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(_) => return true,
            }
        }
        self.close
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.received < HEADER {
                let length = (HEADER - self.received).min(bytes.len());
                self.header[self.received..self.received + length].copy_from_slice(&bytes[..length]);
                self.received += length;
                bytes = &bytes[length..];
            }
            if self.received >= HEADER {
                let [a, b, c, d, e, f, g, h] = self.header;
                let request = u32::from_le_bytes([a, b, c, d]) as usize;
                let answer = u32::from_le_bytes([e, f, g, h]);
                let length = request.saturating_sub(self.received).min(bytes.len());
                self.received += length;
                bytes = &bytes[length..];
                if self.received >= request {
                    self.owed += (answer & !CLOSE) as usize;
                    self.close = answer & CLOSE != 0;
                    self.received = 0;
                }
            }
        }
    }
}
