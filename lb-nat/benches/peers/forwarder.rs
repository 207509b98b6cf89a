//! The programs that are compared, with the settings that serve each best.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use lb_core::{
    Change, DataPlane,
    model::{SchedulerKind, ServerKey, ServerSpec, ServiceKey, ServiceSpec, Weight},
};
use lb_nat::relay::{Relay, RelayConfig};

use crate::{Result, role::Running};

/// Where Debian puts nginx's stream module.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// Who forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The relay of this crate.
    Relay,
    /// HAProxy with its default of copying.
    HaProxy,
    /// HAProxy with `option splice-auto`.
    HaProxySplice,
    /// nginx's stream module.
    Nginx,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Relay, Self::HaProxy, Self::HaProxySplice, Self::Nginx];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::HaProxy => "haproxy",
            Self::HaProxySplice => "haproxy-splice",
            Self::Nginx => "nginx",
        }
    }

    /// Whether the machine has it; says so when not.
    pub(crate) fn is_there(self) -> bool {
        let (found, package) = match self {
            Self::Relay => (true, ""),
            Self::HaProxy | Self::HaProxySplice => (program("haproxy").is_some(), "haproxy"),
            Self::Nginx => {
                (program("nginx").is_some() && Path::new(STREAM_MODULE).exists(), "nginx libnginx-mod-stream")
            }
        };
        if !found {
            println!("skipped: {}: needs {package} (apt-get install {package})", self.name());
        }
        found
    }
}

/// The servers behind every forwarder.
#[derive(Debug)]
pub(crate) struct Backends {
    /// Where the TCP server listens.
    pub(crate) tcp: SocketAddr,
    /// Where the plain UDP server listens.
    pub(crate) udp: SocketAddr,
    /// Where the UDP server listens that uses offloads.
    pub(crate) trains: SocketAddr,
    _running: [Running; 3],
}

impl Backends {
    pub(crate) fn start() -> Result<Self> {
        let mut running = [
            Running::start("tcp-server", &[])?,
            Running::start("udp-server", &[])?,
            Running::start("udp-train-server", &[])?,
        ];
        let [tcp, udp, trains] = &mut running;
        let (tcp, udp, trains) = (tcp.address()?, udp.address()?, trains.address()?);
        Ok(Self { tcp, udp, trains, _running: running })
    }
}

/// A forwarder that runs.
#[derive(Debug)]
pub(crate) struct Forwarder {
    pub(crate) kind: Kind,
    /// Where it takes TCP connections.
    pub(crate) tcp: SocketAddr,
    /// Where it takes datagrams for the plain server.
    pub(crate) udp: SocketAddr,
    /// Where it takes datagrams for the server that uses offloads.
    pub(crate) trains: SocketAddr,
    running: Running,
    _files: tempfile::TempDir,
}

impl Forwarder {
    /// Starts one and waits until it serves.
    pub(crate) fn start(kind: Kind, backends: &Backends) -> Result<Self> {
        let files = tempfile::tempdir()?;
        let (tcp, udp, trains) = (free_tcp()?, free_udp()?, free_udp()?);
        let pairs =
            [("tcp", tcp, backends.tcp), ("udp", udp, backends.udp), ("udp", trains, backends.trains)];
        let running = match kind {
            Kind::Relay => {
                let pairs = pairs.map(|(protocol, listen, server)| format!("{protocol}:{listen}={server}"));
                Running::start("relay", &pairs)?
            }
            Kind::HaProxy | Kind::HaProxySplice => {
                let config = files.path().join("haproxy.cfg");
                fs::write(&config, haproxy(kind == Kind::HaProxySplice, tcp, backends.tcp))?;
                launch(&["haproxy", "-db", "-f", &config.to_string_lossy()])?
            }
            Kind::Nginx => {
                let config = files.path().join("nginx.conf");
                fs::write(&config, nginx(files.path(), &pairs))?;
                launch(&["nginx", "-p", &files.path().to_string_lossy(), "-c", &config.to_string_lossy()])?
            }
        };
        let forwarder = Self { kind, tcp, udp, trains, running, _files: files };
        forwarder.wait()?;
        Ok(forwarder)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    fn wait(&self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(self.tcp).is_err() {
            if Instant::now() > end {
                return Err(format!("{} does not listen on {} after 10 s", self.kind.name(), self.tcp).into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

fn launch(command: &[&str]) -> Result<Running> {
    let path = program(command[0]).ok_or("the program went away")?;
    let mut arguments = vec![path.to_string_lossy().into_owned()];
    arguments.extend(command[1..].iter().map(|&argument| argument.to_owned()));
    Running::start("exec", &arguments)
}

fn haproxy(splice: bool, listen: SocketAddr, server: SocketAddr) -> String {
    let (pipes, options) = if splice {
        ("maxpipes 1500", "option splice-auto\n  option splice-request\n  option splice-response")
    } else {
        ("", "")
    };
    format!(
        "global\n  nbthread 1\n  maxconn 7000\n  tune.maxaccept 64\n  {pipes}\n\
         defaults\n  mode tcp\n  {options}\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         listen l\n  bind {listen}\n  balance roundrobin\n  server s1 {server}\n"
    )
}

fn nginx(files: &Path, pairs: &[(&str, SocketAddr, SocketAddr)]) -> String {
    let servers: String = pairs
        .iter()
        .map(|(protocol, listen, server)| {
            let (protocol, more) = match *protocol {
                "udp" => (" udp rcvbuf=4m sndbuf=4m", "proxy_timeout 20s;"),
                _ => (" backlog=65535", "tcp_nodelay on;"),
            };
            format!("  server {{ listen {listen}{protocol} reuseport; {more} proxy_pass {server}; }}\n")
        })
        .collect();
    format!(
        "load_module {STREAM_MODULE};\nworker_processes 1;\ndaemon off;\nmaster_process off;\n\
         pid {files}/nginx.pid;\nerror_log /dev/null;\nworker_rlimit_nofile 20000;\n\
         events {{ worker_connections 20000; use epoll; multi_accept on; }}\n\
         stream {{\n  access_log off;\n{servers}}}\n",
        files = files.display()
    )
}

fn program(name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .map(|folder| Path::new(folder).join(name))
        .into_iter()
        .find(|path| path.exists())
}

/// A port that was free a moment ago; peers cannot be told to choose one and say which.
fn free_tcp() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn free_udp() -> Result<SocketAddr> {
    Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Our relay with one thread and these `protocol:listen=server` pairs; runs until it is killed.
pub(crate) fn run_relay(pairs: &[String]) -> Result<()> {
    let config = RelayConfig { threads: Some(NonZeroUsize::MIN), ..RelayConfig::default() };
    let relay = Relay::start(config)?;
    let mut changes = Vec::new();
    for pair in pairs {
        let (listen, server) = pair.split_once('=').ok_or("a pair is protocol:listen=server")?;
        let (service, server): (ServiceKey, ServerKey) = (listen.parse()?, server.parse()?);
        changes.push(Change::AddService { service, spec: ServiceSpec::new(SchedulerKind::RoundRobin) });
        changes.push(Change::AddServer { service, server, spec: ServerSpec::masq(Weight::ONE) });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    if let Some(refused) = runtime.block_on(relay.apply(&changes))?.first() {
        return Err(format!("the relay refused a service: {}", refused.error).into());
    }
    loop {
        std::thread::park();
    }
}
