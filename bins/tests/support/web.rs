//! A small web server on a thread.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
};

use super::{PATIENCE, free, wait};

/// Answers every request with its name; dies, hangs and returns on demand.
pub(crate) struct Web {
    pub(crate) address: SocketAddr,
    behaviour: Arc<Behaviour>,
    living: Option<Living>,
}

struct Behaviour {
    /// Status line and body of every answer; `None` = none ever comes.
    answer: Mutex<Option<(&'static str, String)>>,
    requests: AtomicU64,
}

struct Living {
    end: Arc<AtomicBool>,
    listener: TcpListener,
    thread: JoinHandle<()>,
}

impl Web {
    pub(crate) fn start(name: &str) -> Self {
        Self::at(free(), name)
    }

    pub(crate) fn at(address: SocketAddr, name: &str) -> Self {
        let answer = Mutex::new(Some(("200 OK", name.to_owned())));
        let behaviour = Arc::new(Behaviour { answer, requests: AtomicU64::new(0) });
        let mut web = Self { address, behaviour, living: None };
        web.live();
        web
    }

    /// Answers with this from now on.
    pub(crate) fn answer(&self, status: &'static str, body: &str) {
        *self.behaviour.answer.lock().unwrap() = Some((status, body.to_owned()));
    }

    /// Takes connections, and never answers.
    pub(crate) fn hang(&self) {
        *self.behaviour.answer.lock().unwrap() = None;
    }

    /// Requests that it has got, checks included.
    pub(crate) fn requests(&self) -> u64 {
        self.behaviour.requests.load(SeqCst)
    }

    /// Connections are refused from now on. Those that exist stay.
    pub(crate) fn die(&mut self) {
        if let Some(Living { end, listener, thread }) = self.living.take() {
            end.store(true, SeqCst);
            // Wakes the thread up, also when it listens in another network.
            let _ = rustix::net::shutdown(&listener, rustix::net::Shutdown::Both);
            thread.join().unwrap();
        }
    }

    pub(crate) fn live(&mut self) {
        // A program that another test is starting holds what is open here until its exec, ports included.
        let listener = wait("its port", || TcpListener::bind(self.address).ok());
        let (end, behaviour) = (Arc::new(AtomicBool::new(false)), self.behaviour.clone());
        let (ended, accepting) = (end.clone(), listener.try_clone().unwrap());
        let thread = thread::spawn(move || {
            for stream in accepting.incoming() {
                if ended.load(SeqCst) {
                    break;
                }
                let behaviour = behaviour.clone();
                thread::spawn(move || serve(&behaviour, &stream.unwrap()));
            }
        });
        self.living = Some(Living { end, listener, thread });
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.die();
    }
}

/// Requests one after the other, until the client has enough.
fn serve(behaviour: &Behaviour, mut stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut last, mut line) = (false, String::new());
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            last |= line.ends_with(" HTTP/1.0\r\n") || line.eq_ignore_ascii_case("connection: close\r\n");
        }
        behaviour.requests.fetch_add(1, SeqCst);
        let answer = behaviour.answer.lock().unwrap().clone();
        let Some((status, body)) = answer else {
            // Holds the connection until the client gives up.
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let _ = reader.read_line(&mut line);
            return;
        };
        let close = if last { "Connection: close\r\n" } else { "" };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{close}\r\n", body.len());
        if stream.write_all((head + &body).as_bytes()).is_err() || last {
            return;
        }
    }
}
