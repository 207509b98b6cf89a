//! A director: one lb-failover, which holds the address and balances what comes to it.

use std::{fmt::Write as _, io, net::SocketAddr, path::PathBuf, process::Command};

use lb_control::{
    client::Client,
    event::Condition,
    protocol::{Answer, InstanceStatus, Request, ServerStatus, Status},
};
use lb_core::{desired::ServerState, model::ServerKey, overrides::Action};
use lb_lab::{Host, Process};
use lb_runtime::role::Role;
use nix::sys::signal::Signal;

const CONFIGURATION: &str = "/etc/keepalived/keepalived.conf";
const SOCKET: &str = "/run/demo.sock";

/// One of the two.
pub(super) struct Director {
    host: Host,
    priority: u8,
    front: SocketAddr,
    servers: Vec<SocketAddr>,
    running: Option<Running>,
}

struct Running {
    daemon: Process,
    control: Control,
}

/// The daemon, which is asked how it is.
struct Control {
    socket: PathBuf,
    client: Option<Client>,
    status: Option<Status>,
}

impl Director {
    pub(super) fn new(host: Host, priority: u8, front: SocketAddr, servers: &[SocketAddr]) -> Self {
        Self { host, priority, front, servers: servers.to_vec(), running: None }
    }

    /// Starts the daemon.
    pub(super) fn start(&mut self) -> io::Result<()> {
        let Self { host, priority, front, servers, .. } = self;
        host.write(CONFIGURATION, configuration(*priority, *front, servers)).map_err(io::Error::other)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args([
            Role::Failover.name(),
            "-n",
            "-l",
            "-D",
            "--pair",
            "--data-plane",
            "relay",
            "--socket",
            SOCKET,
        ]);
        let daemon = host.spawn(&command).map_err(io::Error::other)?;
        self.running = Some(Running { daemon, control: Control::new(host.path(SOCKET)) });
        Ok(())
    }

    /// Everything on it dies.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        match self.running.take() {
            Some(mut running) => running.daemon.kill_family().map_err(io::Error::other),
            None => Ok(()),
        }
    }

    pub(super) const fn is_dead(&self) -> bool {
        self.running.is_none()
    }

    pub(super) fn name(&self) -> &str {
        self.host.name()
    }

    pub(super) const fn host(&self) -> &Host {
        &self.host
    }

    pub(super) fn signal(&mut self, signal: Signal) {
        if let Some(running) = &mut self.running {
            let _ = running.daemon.signal(signal);
        }
    }

    /// Asks its daemon how it is.
    pub(super) fn look(&mut self) {
        if let Some(running) = &mut self.running {
            running.control.look();
        }
    }

    fn instance(&self) -> Option<&InstanceStatus> {
        self.running.as_ref()?.control.status.as_ref()?.instances.first()
    }

    /// What it is in the virtual router.
    pub(super) fn state(&self) -> Option<Condition> {
        Some(self.instance()?.state)
    }

    fn servers(&self) -> impl Iterator<Item = &ServerStatus> {
        let status = self.running.iter().filter_map(|running| running.control.status.as_ref());
        status.flat_map(|status| &status.services).flat_map(|service| &service.servers)
    }

    /// How it sees a server.
    pub(super) fn server(&self, key: ServerKey) -> Option<&ServerStatus> {
        self.servers().find(|server| server.server == key)
    }

    /// How many servers it uses.
    pub(super) fn active(&self) -> usize {
        self.servers().filter(|server| server.state == ServerState::Active).count()
    }

    /// Drains a server, or ends that.
    pub(super) fn order(&mut self, server: SocketAddr, action: Option<Action>) {
        let order = Request::Order {
            server: server.into(),
            service: None,
            action,
            reason: "demo".into(),
            lasting: None,
        };
        if let Some(running) = &mut self.running {
            let _ = running.control.ask(&order);
        }
    }

    /// Gives the address to the other one; says why not.
    pub(super) fn hand_over(&mut self) -> Result<(), String> {
        let running = self.running.as_mut().ok_or("it is dead")?;
        let order = Request::Failover { of: None, reason: "demo".into() };
        running.control.ask(&order).map(drop).map_err(|error| error.to_string())
    }

    /// What `lbctl explain` says.
    pub(super) fn explain(&self) -> String {
        let told = std::env::current_exe().map_err(|error| error.to_string()).and_then(|lbctl| {
            let mut command = Command::new(lbctl);
            self.host.run(command.args(["--socket", SOCKET, "explain"])).map_err(|error| error.to_string())
        });
        told.unwrap_or_else(|error| error)
    }

    /// `lb1 MASTER, priority 150, web`.
    pub(super) fn summary(&self) -> String {
        match self.instance() {
            None => format!("{} dead", self.name()),
            Some(instance) => {
                let holds =
                    if instance.installed > 0 { format!(", has {}", self.front.ip()) } else { String::new() };
                format!("{} {}{holds}", self.name(), instance.state)
            }
        }
    }

    pub(super) fn log(&self) -> String {
        let log = self.running.as_ref().map_or_else(String::new, |running| running.daemon.log());
        format!("{}:\n{log}", self.name())
    }
}

impl Control {
    const fn new(socket: PathBuf) -> Self {
        Self { socket, client: None, status: None }
    }

    fn look(&mut self) {
        self.status = match self.ask(&Request::Status) {
            Ok(Answer::Status(status)) => Some(*status),
            // It does not listen yet, or any more.
            _ => None,
        };
    }

    fn ask(&mut self, request: &Request) -> io::Result<Answer> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::connect(&self.socket).map_err(io::Error::other)?,
        };
        let answer = client.ask(request).map_err(io::Error::other)?;
        self.client = Some(client);
        Ok(answer)
    }
}

/// What a pair that balances web servers has in its keepalived.conf.
fn configuration(priority: u8, front: SocketAddr, servers: &[SocketAddr]) -> String {
    let (address, port) = (front.ip(), front.port());
    let mut text = format!(
        "vrrp_instance web {{\n  state BACKUP\n  interface eth0\n  virtual_router_id 51\n  priority {priority}\n  version 3\n  \
         advert_int 0.1\n  virtual_ipaddress {{\n    {address}/24\n  }}\n}}\n\
         virtual_server {address} {port} {{\n  protocol TCP\n  lvs_sched rr\n  lvs_method NAT\n  delay_loop 1\n"
    );
    for server in servers {
        let (address, port) = (server.ip(), server.port());
        // Writing to a string can not fail.
        let _ = write!(
            text,
            "  real_server {address} {port} {{\n    HTTP_GET {{\n      retry 0\n      url {{\n        path /\n        \
             status_code 200\n      }}\n    }}\n  }}\n"
        );
    }
    text + "}\n"
}
