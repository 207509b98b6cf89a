//! A director between a client and servers: network namespaces of this process, joined by virtual cables.

use std::{
    fs::{self, File},
    io::Write as _,
    net::SocketAddr,
    os::fd::AsRawFd as _,
    process::{Command, Stdio},
    thread,
};

use nix::sched::{CloneFlags, setns, unshare};

use crate::support::{Web, get};

/// Where the site is known: an address of the director's on the client's side.
pub(crate) const VIP: &str = "10.0.0.1";

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

/// A client at 10.0.0.2, a director at 10.0.0.254 and 192.168.0.254, and servers at 192.168.0.1 and so on.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) client: Net,
    pub(crate) director: Net,
    pub(crate) servers: Vec<Net>,
}

impl Site {
    /// The way out of the servers is the director, so that it may masquerade what it forwards to them.
    pub(crate) fn nat(servers: u8) -> Self {
        let site = Self::unrouted(servers);
        for server in &site.servers {
            server.ip("route add default via 192.168.0.254");
        }
        site
    }

    /// Who is not on the same side is out of reach.
    pub(crate) fn unrouted(servers: u8) -> Self {
        let (client, director) = (Net::new("client"), Net::new("director"));
        director.link("eth0", &client, "eth0");
        client.ip("addr add 10.0.0.2/24 dev eth0\nlink set eth0 up");
        let mut lines = format!(
            "addr add 10.0.0.254/24 dev eth0\naddr add {VIP}/32 dev eth0\nlink set eth0 up\n\
             link add eth1 type bridge\naddr add 192.168.0.254/24 dev eth1\nlink set eth1 up\n"
        );
        let server = |number| {
            let server = Net::new(&format!("web{number}"));
            server.link("eth0", &director, &format!("web{number}"));
            server.ip(&format!("addr add 192.168.0.{number}/24 dev eth0\nlink set eth0 up"));
            lines += &format!("link set web{number} master eth1 up\n");
            server
        };
        let servers = (1..=servers).map(server).collect();
        director.ip(&lines);
        director.sysctl("ipv4.ip_forward", "1");
        Self { client, director, servers }
    }

    /// Runs ipvsadm on the director; what it prints.
    pub(crate) fn ipvsadm(&self, arguments: &str) -> String {
        self.director.run(&format!("ipvsadm {arguments}"))
    }

    /// Makes a table of the director's, as `ipvsadm -Sn` would write it.
    pub(crate) fn restore(&self, lines: &str) {
        self.director.feed("ipvsadm -R", lines);
    }

    /// A web server on each server, which says the server's name.
    pub(crate) fn webs(&self, port: u16) -> Vec<Web> {
        let address = SocketAddr::from(([0; 4], port));
        self.servers.iter().map(|server| server.on(|| Web::at(address, server.name()))).collect()
    }

    /// What the client gets for requests, each on a connection of its own.
    pub(crate) fn ask(&self, address: &str, times: usize) -> Vec<String> {
        let address: SocketAddr = address.parse().unwrap();
        self.client.on(|| (0..times).map(|_| get(address).unwrap()).collect())
    }
}
