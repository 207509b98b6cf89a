//! Clients: one request, one connection for many, and several that never stop.

use std::{
    collections::BTreeMap,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};

use super::{PATIENCE, wait};

/// Asks once; the body of the answer.
pub(crate) fn get(address: SocketAddr) -> io::Result<String> {
    Connection::open(address)?.ask("Connection: close\r\n")
}

/// A connection that is kept.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        Self::of(TcpStream::connect_timeout(&address, PATIENCE)?)
    }

    /// From an address of the client's.
    pub(crate) fn from(source: IpAddr, address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        socket.connect_timeout(&address.into(), PATIENCE)?;
        Self::of(socket.into())
    }

    fn of(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Asks with these headers; the body of the answer.
    pub(crate) fn ask(&mut self, headers: &str) -> io::Result<String> {
        let request = format!("GET / HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
        self.0.get_mut().write_all(request.as_bytes())?;
        let (mut status, mut line, mut length) = (String::new(), String::new(), 0);
        self.0.read_line(&mut status)?;
        while line != "\r\n" {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        if !status.starts_with("HTTP/1.1 200 ") {
            return Err(io::Error::other(status));
        }
        String::from_utf8(body).map_err(io::Error::other)
    }
}

/// Clients that ask again and again, each request on a connection of its own.
pub(crate) struct Clients {
    seen: Arc<Seen>,
    end: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    answers: Mutex<BTreeMap<String, u64>>,
    /// When the request was sent, and what went wrong.
    failures: Mutex<Vec<(Instant, String)>>,
}

impl Clients {
    pub(crate) fn start(address: SocketAddr) -> Self {
        const COUNT: usize = 4;
        let (seen, end) = (Arc::<Seen>::default(), Arc::new(AtomicBool::new(false)));
        let client = || {
            let (seen, end) = (seen.clone(), end.clone());
            thread::spawn(move || {
                while !end.load(SeqCst) {
                    let sent = Instant::now();
                    match get(address) {
                        Ok(body) => *seen.answers.lock().unwrap().entry(body).or_default() += 1,
                        Err(error) => seen.failures.lock().unwrap().push((sent, error.to_string())),
                    }
                    thread::sleep(Duration::from_millis(5));
                }
            })
        };
        let threads = (0..COUNT).map(|_| client()).collect();
        Self { seen, end, threads }
    }

    /// Waits until so many more requests have been answered; the answers by server.
    pub(crate) fn more(&self, count: u64) -> BTreeMap<String, u64> {
        let before = self.answers();
        let more = || {
            let now = self.answers();
            let grown = now.into_iter().map(|(name, count)| {
                let old = before.get(&name).copied().unwrap_or(0);
                (name, count - old)
            });
            let grown: BTreeMap<String, u64> = grown.filter(|(_, count)| *count > 0).collect();
            (grown.values().sum::<u64>() >= count).then_some(grown)
        };
        wait("answers", more)
    }

    fn answers(&self) -> BTreeMap<String, u64> {
        self.seen.answers.lock().unwrap().clone()
    }

    /// Ends the clients; why requests have failed that were sent after this time.
    pub(crate) fn finish(mut self, after: Instant) -> Vec<String> {
        self.end();
        let failures = self.seen.failures.lock().unwrap();
        failures.iter().filter(|(sent, _)| *sent > after).map(|(_, why)| why.clone()).collect()
    }

    fn end(&mut self) {
        self.end.store(true, SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.end();
    }
}
