//! A director between a client and servers: network namespaces of this process, joined by virtual cables.

use std::{
    fs::{self, File},
    io::Write as _,
    net::{IpAddr, SocketAddr},
    os::fd::AsRawFd as _,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lb_ipvs::{Client, Destination, Forwarding, SchedulerKind, Service, ServiceKey};
use nix::sched::{CloneFlags, setns, unshare};

use crate::support::{AWAITED, Web, get};

/// Where the site is known: an address of the director's on the client's side.
pub(crate) const VIP: &str = "10.0.0.1";

/// The same for IPv6.
pub(crate) const VIP6: &str = "fd00::1";

/// A network of its own, which is gone with this value and what runs in it. Unlike a host of a lab it has the programs, files
/// and processes of this machine, and costs one system call.
#[derive(Debug)]
pub(crate) struct Net {
    name: String,
    file: File,
}

impl Net {
    pub(crate) fn new(name: &str) -> Self {
        let make = || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        };
        let net = Self { name: name.to_owned(), file: thread::spawn(make).join().unwrap() };
        net.ip("link set lo up");
        net
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Does something in this network: what is opened there stays there, as do threads and programs that are started.
    pub(crate) fn on<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            setns(&self.file, CloneFlags::CLONE_NEWNET).unwrap();
            act()
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Lines of `ip -batch`.
    pub(crate) fn ip(&self, lines: &str) {
        self.feed("ip -batch -", lines);
    }

    /// Puts a cable between an interface here and one there.
    pub(crate) fn link(&self, interface: &str, other: &Self, its_interface: &str) {
        let there = format!("/proc/{}/fd/{}", std::process::id(), other.file.as_raw_fd());
        self.ip(&format!("link add {interface} type veth peer name {its_interface} netns {there}"));
    }

    /// Sets what is called so below `net`.
    pub(crate) fn sysctl(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/net/{}", name.replace('.', "/"));
        self.on(|| fs::write(path, value)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Runs words as a program, for what it prints; it has to succeed.
    pub(crate) fn run(&self, words: &str) -> String {
        self.feed(words, "")
    }

    /// The same with an input.
    pub(crate) fn feed(&self, words: &str, input: &str) -> String {
        let mut arguments = words.split_whitespace();
        let mut command = Command::new(arguments.next().unwrap());
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.on(|| command.spawn()).unwrap();
        // Who does not read to the end says why.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A client at 10.0.0.2, a director at 10.0.0.254, and servers.
pub(crate) struct Site {
    pub(crate) client: Net,
    pub(crate) director: Net,
    pub(crate) servers: Vec<Net>,
    /// The director's table.
    pub(crate) ipvs: Client,
    /// Joins what is on one cable.
    _switch: Option<Net>,
}

impl Site {
    /// The servers are at 192.168.0.1 and so on, and their way out is the director at 192.168.0.254.
    pub(crate) fn nat(servers: u8) -> Self {
        let (client, director) = (Net::new("client"), Net::new("director"));
        director.link("eth0", &client, "eth0");
        client.ip("addr add 10.0.0.2/24 dev eth0\naddr add fd00::2/64 dev eth0 nodad\nlink set eth0 up");
        let mut lines = format!(
            "addr add 10.0.0.254/24 dev eth0\naddr add {VIP}/32 dev eth0\naddr add {VIP6}/128 dev eth0 nodad\n\
             addr add fd00::254/64 dev eth0 nodad\nlink set eth0 up\nlink add eth1 type bridge\n\
             addr add 192.168.0.254/24 dev eth1\naddr add fd01::254/64 dev eth1 nodad\nlink set eth1 up\n"
        );
        let server = |number| {
            let server = Net::new(&format!("web{number}"));
            server.link("eth0", &director, &format!("web{number}"));
            server.ip(&format!(
                "addr add 192.168.0.{number}/24 dev eth0\naddr add fd01::{number}/64 dev eth0 nodad\nlink set eth0 up\n\
                 route add default via 192.168.0.254\nroute add default via fd01::254"
            ));
            lines += &format!("link set web{number} master eth1 up\n");
            server
        };
        let servers = (1..=servers).map(server).collect();
        director.ip(&lines);
        director.sysctl("ipv4.ip_forward", "1");
        director.sysctl("ipv6.conf.all.forwarding", "1");
        Self::of(client, director, servers, None)
    }

    /// All are on one cable, the servers at 10.0.0.11 and so on, and none forwards.
    pub(crate) fn flat(servers: u8) -> Self {
        let switch = Net::new("switch");
        let mut lines = "link add bridge type bridge\nlink set bridge up\n".to_owned();
        let mut host = |name: &str, addresses: &[&str]| {
            let net = Net::new(name);
            net.link("eth0", &switch, name);
            let addresses: String =
                addresses.iter().map(|address| format!("addr add {address} dev eth0\n")).collect();
            net.ip(&format!("{addresses}link set eth0 up"));
            lines += &format!("link set {name} master bridge up\n");
            net
        };
        let client = host("client", &["10.0.0.2/24"]);
        let director = host("director", &["10.0.0.254/24", &format!("{VIP}/32")]);
        let servers = (1..=servers)
            .map(|number| host(&format!("web{number}"), &[&format!("10.0.0.{}/24", 10 + number)]));
        let servers = servers.collect();
        switch.ip(&lines);
        Self::of(client, director, servers, Some(switch))
    }

    fn of(client: Net, director: Net, servers: Vec<Net>, switch: Option<Net>) -> Self {
        let ipvs = director.on(Client::open).unwrap();
        Self { client, director, servers, ipvs, _switch: switch }
    }

    /// Adds a service with its servers to the director's table.
    pub(crate) fn serve(&mut self, service: &Service, forwarding: Forwarding, servers: &[&str]) {
        self.ipvs.add_service(service).unwrap();
        for server in servers {
            let server = Destination::new(server.parse().unwrap(), forwarding);
            self.ipvs.add_destination(&service.key, &server).unwrap();
        }
    }

    /// Runs ipvsadm on the director; what it prints.
    pub(crate) fn ipvsadm(&self, arguments: &str) -> String {
        self.director.run(&format!("ipvsadm {arguments}"))
    }

    /// A web server on each server, for all its addresses, which says the server's name.
    pub(crate) fn webs(&self, port: u16) -> Vec<Web> {
        let address = SocketAddr::new(IpAddr::V6([0; 16].into()), port);
        self.servers.iter().map(|server| server.on(|| Web::at(address, server.name()))).collect()
    }

    /// What the client gets for requests, each on a connection of its own.
    pub(crate) fn ask(&self, address: &str, times: usize) -> Vec<String> {
        let address: SocketAddr = address.parse().unwrap();
        self.client.on(|| (0..times).map(|_| get(address).unwrap()).collect())
    }
}

/// Asks again and again until there is no more to complain about, on a machine on which nothing is fast.
pub(crate) fn patiently<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    const PATIENCE: Duration = Duration::from_secs(300);
    let (until, mut pause) = (Instant::now() + PATIENCE, Duration::from_millis(1));
    what.clone_into(&mut AWAITED.lock().unwrap());
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(complaint) => assert!(Instant::now() < until, "waited in vain for {what}: {complaint}"),
        }
        thread::sleep(pause);
        pause = Duration::from_millis(50).min(2 * pause);
    }
}

/// A TCP service with this scheduler.
pub(crate) fn tcp(address: &str, scheduler: SchedulerKind) -> Service {
    Service::new(ServiceKey::tcp(address.parse().unwrap()), scheduler)
}
