//! A client, a balancer and servers in network namespaces, without root and without leftovers: each test runs again in
//! a process with namespaces of its own, the balancer is that process, and the others are threads of it. All of it is
//! gone when the process is.
#![allow(dead_code, unreachable_pub, reason = "not every test file uses everything")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "as in any test")]

#[path = "../support/requirements.rs"]
mod requirements;

use std::{
    io::{BufRead, BufReader, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use lb_core::{
    DataPlane, diff,
    model::{SchedulerKind, ServerKey, ServerSpec, Service, ServiceKey, ServiceSpec, ServiceTable, Weight},
};
use lb_nat::nft::{Nft, NftConfig};
use nix::{sched, unistd};
use socket2::{Domain, Socket, Type};

use self::requirements::{NETWORK, has_programs, run_isolated, skip};

/// Only to notice what hangs.
pub const PATIENCE: Duration = Duration::from_secs(120);
pub const VIP: &str = "10.0.0.1";
pub const VIP6: &str = "fd00::1";
pub const SERVERS: usize = 3;
/// Ports on which every server answers, TCP and UDP.
const PORTS: [u16; 3] = [80, 8080, 53];

/// Runs the body as root of new user and network namespaces.
pub fn isolated(test: &str, body: impl FnOnce()) {
    run_in(NETWORK, test, body);
}

/// The same without any privilege.
pub fn unprivileged(test: &str, body: impl FnOnce()) {
    run_in(&[&["--user", "--net"]], test, body);
}

fn run_in(choices: &[&[&str]], test: &str, body: impl FnOnce()) {
    if has_programs(test, &["nft", "ip"]) {
        run_isolated(test, choices, body);
    }
}

/// Whether the kernel's list of connections can be read; the kernel shows it to root of the first user namespace only.
pub fn lists_connections(test: &str) -> bool {
    let is_readable = std::fs::File::open("/proc/thread-self/net/nf_conntrack").is_ok();
    if !is_readable {
        skip(test, "root, to read nf_conntrack, for a part of it");
    }
    is_readable
}

/// A network namespace, and a thread that lives in it.
pub struct Namespace {
    jobs: mpsc::Sender<Box<dyn FnOnce() + Send>>,
    thread_id: String,
}

impl Namespace {
    fn new() -> Self {
        let (jobs, queue) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let (ready, is_ready) = mpsc::channel();
        thread::spawn(move || {
            sched::unshare(sched::CloneFlags::CLONE_NEWNET).unwrap();
            ready.send(unistd::gettid().to_string()).unwrap();
            queue.into_iter().for_each(|job| job());
        });
        Self { jobs, thread_id: is_ready.recv().unwrap() }
    }

    /// Runs something inside and waits for what it returns.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, result) = mpsc::channel();
        self.jobs.send(Box::new(move || drop(answer.send(job())))).unwrap();
        result.recv().expect("the job panicked")
    }
}

/// Client — balancer — three servers.
pub struct Lab {
    pub client: Namespace,
    servers: Vec<Namespace>,
}

impl Lab {
    /// With forwarding, addresses and servers that answer with their number and what they see.
    pub fn new() -> Self {
        let lab =
            Self { client: Namespace::new(), servers: (0..SERVERS).map(|_| Namespace::new()).collect() };
        for name in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            std::fs::write(format!("/proc/sys/net/{name}"), "1").unwrap();
        }
        ip(&format!("link set lo up\naddr add {VIP}/32 dev lo\naddr add {VIP6}/128 dev lo nodad\n"));
        let near = "addr add 10.1.0.1/24 dev d0\naddr add fd01::1/64 dev d0 nodad\n";
        let mut far = "addr add fd01::2/64 dev e0 nodad\n".to_owned();
        // Many addresses, for what depends on the client's.
        (2..60).for_each(|n| far.push_str(&format!("addr add 10.1.0.{n}/24 dev e0\n")));
        let routes = "route add default via 10.1.0.1\nroute add ::/0 via fd01::1\n";
        connect(&lab.client, 0, near, far, routes.to_owned());
        for (n, server) in (1..).zip(&lab.servers) {
            let near = format!("addr add 10.2.{n}.1/24 dev d{n}\naddr add fd02:{n}::1/64 dev d{n} nodad\n");
            let far = format!("addr add 10.2.{n}.2/24 dev e0\naddr add fd02:{n}::2/64 dev e0 nodad\n");
            let routes = format!("route add default via 10.2.{n}.1\nroute add ::/0 via fd02:{n}::1\n");
            connect(server, n, &near, far, routes);
            server.run(move || PORTS.into_iter().for_each(|port| serve(n, port)));
        }
        lab
    }

    /// The answer of a new TCP connection from `10.1.0.2`.
    pub fn ask(&self, to: &str) -> Answer {
        self.dial(to).ask()
    }

    /// The number of the server of each of `count` new connections.
    pub fn picks(&self, to: &str, count: usize) -> Vec<usize> {
        (0..count).map(|_| self.ask(to).server).collect()
    }

    /// The server of a new connection from this client address.
    pub fn ask_from(&self, from: &str, to: &str) -> Answer {
        self.dial_from(from, to).unwrap().ask()
    }

    /// A connection from `10.1.0.2` that stays.
    pub fn dial(&self, to: &str) -> Dialled {
        let from = if to.starts_with('[') { "fd01::2" } else { "10.1.0.2" };
        self.dial_from(from, to).unwrap()
    }

    /// Tries to connect.
    pub fn dial_from(&self, from: &str, to: &str) -> std::io::Result<Dialled> {
        let (from, to): (IpAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
        let stream = self.client.run(move || {
            let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
            socket.bind(&SocketAddr::new(from, 0).into())?;
            socket.connect_timeout(&to.into(), PATIENCE)?;
            Ok::<_, std::io::Error>(TcpStream::from(socket))
        })?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Ok(Dialled(BufReader::new(stream)))
    }

    /// A UDP socket of the client.
    pub fn udp(&self) -> UdpSocket {
        let socket = self.client.run(|| UdpSocket::bind("10.1.0.2:0").unwrap());
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }
}

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 1 to 3.
    pub server: usize,
    /// The port on which it was reached.
    pub port: u16,
    /// The client that it sees.
    pub client: IpAddr,
}

/// A TCP connection.
pub struct Dialled(BufReader<TcpStream>);

impl Dialled {
    /// Asks who is there; may be repeated.
    pub fn ask(&mut self) -> Answer {
        self.0.get_mut().write_all(b"who\n").unwrap();
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        parse(&line)
    }
}

fn parse(line: &str) -> Answer {
    let mut words = line.split_ascii_whitespace();
    let mut next = || words.next().unwrap_or_else(|| panic!("odd answer {line:?}"));
    Answer { server: next().parse().unwrap(), port: next().parse().unwrap(), client: next().parse().unwrap() }
}

/// Sends a datagram and reads the answer.
pub fn ask_udp(socket: &UdpSocket, to: &str) -> Answer {
    socket.send_to(b"who", to).unwrap();
    let mut buffer = [0; 200];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(from.to_string(), to, "the answer comes from where the question went");
    parse(std::str::from_utf8(&buffer[..length]).unwrap())
}

fn serve(server: usize, port: u16) {
    let listener = TcpListener::bind(("::", port)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let client = stream.peer_addr().unwrap().ip().to_canonical();
                let mut writer = stream.try_clone().unwrap();
                for _ in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = writeln!(writer, "{server} {port} {client}");
                }
            });
        }
    });
    let socket = UdpSocket::bind(("::", port)).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 200];
        while let Ok((_, client)) = socket.recv_from(&mut buffer) {
            let answer = format!("{server} {port} {}", client.ip().to_canonical());
            let _ = socket.send_to(answer.as_bytes(), client);
        }
    });
}

/// A cable `d{number}` — `e0`, addresses on both ends, routes on the far one.
fn connect(namespace: &Namespace, number: usize, near: &str, far: String, routes: String) {
    let peer = &namespace.thread_id;
    ip(&format!("link add d{number} type veth peer name e0 netns {peer}\n{near}link set d{number} up\n"));
    namespace.run(move || ip(&format!("link set lo up\n{far}link set e0 up\n{routes}")));
}

fn ip(batch: &str) {
    feed("ip", &["-batch", "-"], batch);
}

/// Runs nft commands.
pub fn nft(text: &str) -> String {
    feed("nft", &["-f", "-"], text)
}

/// Lists with nft.
pub fn nft_list(what: &str) -> String {
    nft(&format!("list {what}\n"))
}

fn feed(program: &str, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {complaint:.2000}\n{input:.2000}");
    String::from_utf8(output.stdout).unwrap()
}

/// The data plane under test, without async.
pub struct Plane {
    pub nft: Nft,
    runtime: tokio::runtime::Runtime,
}

impl Plane {
    pub fn new(config: NftConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { nft: Nft::new(config), runtime }
    }

    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub fn snapshot(&self) -> ServiceTable {
        self.wait(self.nft.snapshot()).unwrap()
    }

    /// Brings the kernel to what is wanted, and checks that it is there.
    pub fn sync(&self, wanted: &ServiceTable) {
        let changes = diff(&self.snapshot(), wanted);
        assert_eq!(self.wait(self.nft.apply(&changes)).unwrap(), []);
        assert_eq!(self.snapshot(), *wanted);
    }
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A service at this address with these weights for the servers, all on `port`.
pub fn service(scheduler: SchedulerKind, family: u8, port: u16, weights: &[u16]) -> Service {
    let mut service = Service::new(ServiceSpec::new(scheduler));
    for (n, weight) in (1..).zip(weights) {
        service.servers.insert(server(family, n, port), ServerSpec::masq(Weight::new(*weight)));
    }
    service
}

/// The key of a server.
pub fn server(family: u8, number: usize, port: u16) -> ServerKey {
    let address = if family == 4 { format!("10.2.{number}.2") } else { format!("fd02:{number}::2") };
    ServerKey::new(address.parse().unwrap(), port)
}

/// A table with one service.
pub fn table(key: &str, service: Service) -> ServiceTable {
    ServiceTable::new().with_service(self::key(key), service)
}

/// The key of a service.
pub fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}
