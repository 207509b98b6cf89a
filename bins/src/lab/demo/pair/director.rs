//! A director: lb-failover holds the address, the balancer shares out what comes to it.

use std::{io, net::SocketAddr, path::PathBuf, process::Command};

use lb_core::{desired::ServerState, model::ServerKey, overrides::Action};
use nix::sys::signal::Signal;

use super::{launch, program};
use crate::{
    control::{
        client::Client,
        protocol::{Answer, InstanceStatus, Request, ServerStatus, Status},
    },
    failover::event::Condition,
    lab::{
        Host, Process as Daemon,
        demo::{play, roles::Process},
    },
};

const CONFIGURATION: &str = "/etc/keepalived/keepalived.conf";
const SOCKET: &str = "/run/demo.sock";

/// One of the two.
pub(super) struct Director {
    host: Host,
    priority: u8,
    front: SocketAddr,
    /// The balancer's configuration.
    balance: String,
    running: Option<Running>,
}

struct Running {
    node: Daemon,
    balancer: Process,
    control: Control,
    balancing: Control,
}

/// A daemon that is asked how it is.
struct Control {
    socket: PathBuf,
    client: Option<Client>,
    status: Option<Status>,
}

impl Director {
    pub(super) fn new(host: Host, priority: u8, front: SocketAddr, servers: &[SocketAddr]) -> Self {
        let balance = play::configuration(front, servers.iter().copied());
        Self { host, priority, front, balance, running: None }
    }

    /// Starts both daemons.
    pub(super) async fn start(&mut self) -> io::Result<()> {
        let Self { host, priority, front, .. } = self;
        let text = format!(
            "vrrp_instance web {{\n  state BACKUP\n  interface eth0\n  virtual_router_id 51\n  priority {priority}\n  \
             version 3\n  advert_int 0.1\n  virtual_ipaddress {{\n    {}/24\n  }}\n}}\n",
            front.ip()
        );
        host.write(CONFIGURATION, text).map_err(io::Error::other)?;
        // The balancer is ready before its address comes.
        host.sh("echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind").map_err(io::Error::other)?;
        let mut command = Command::new(program()?);
        command.args(["-n", "-l", "-D", "--pair", "--socket", SOCKET]);
        let node = host.spawn(&command).map_err(io::Error::other)?;
        let balancer = launch(host, &["lab", "director", &self.balance]).await?;
        if balancer.greeting.starts_with("refused") {
            return Err(io::Error::other(balancer.greeting.clone()));
        }
        let balancing = Control::new(host.path(&balancer.greeting));
        let control = Control::new(host.path(SOCKET));
        self.running = Some(Running { node, balancer, control, balancing });
        Ok(())
    }

    /// Everything on it dies.
    pub(super) async fn kill(&mut self) -> io::Result<()> {
        if let Some(mut running) = self.running.take() {
            running.node.kill_family().map_err(io::Error::other)?;
            running.balancer.kill().await?;
        }
        Ok(())
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
            let _ = running.node.signal(signal);
        }
    }

    /// Asks its daemons how they are.
    pub(super) fn look(&mut self) {
        if let Some(running) = &mut self.running {
            running.control.look();
            running.balancing.look();
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
        let status = self.running.iter().filter_map(|running| running.balancing.status.as_ref());
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
            let _ = running.balancing.ask(&order);
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
        let log = self.running.as_ref().map_or_else(String::new, |running| running.node.log());
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
