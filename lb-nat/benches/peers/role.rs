//! This program started again as one of its own children: servers, the relay, or a launcher that pins a peer.
//!
//! Every child asks the kernel to be killed when its parent dies, before it becomes what it is to be. So none
//! outlives the benchmark, however that ends.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::unix::process::CommandExt,
    process::{Child, ChildStdout, Command, Stdio},
};

use nix::{sched, unistd::Pid};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::{Result, forwarder, measure, tcp_server, udp};

/// Where forwarders run.
pub(crate) const FORWARDER_CORE: usize = 0;
/// Where load and servers run.
pub(crate) const LOAD_CORE: usize = 1;

/// What a child is to be.
#[derive(Debug)]
pub(crate) enum Role {
    /// The TCP server behind the forwarders.
    TcpServer,
    /// The UDP server behind the forwarders, with offloads or as a plain program.
    UdpServer { trains: bool },
    /// Our relay: `listen=server` pairs.
    Relay(Vec<String>),
    /// Another program.
    Exec(Vec<String>),
}

impl Role {
    /// `--role NAME ARGUMENTS`, or `None` for the benchmark itself.
    pub(crate) fn from_arguments(arguments: &[String]) -> Result<Option<Self>> {
        let [flag, name, rest @ ..] = arguments else { return Ok(None) };
        if flag != "--role" {
            return Ok(None);
        }
        Ok(Some(match name.as_str() {
            "tcp-server" => Self::TcpServer,
            "udp-server" => Self::UdpServer { trains: false },
            "udp-train-server" => Self::UdpServer { trains: true },
            "relay" => Self::Relay(rest.to_vec()),
            "exec" => Self::Exec(rest.to_vec()),
            other => return Err(format!("unknown role {other}").into()),
        }))
    }

    /// Becomes it; returns only on errors.
    pub(crate) fn run(self) -> Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        measure::raise_descriptor_limit();
        match self {
            Self::TcpServer => {
                pin(LOAD_CORE);
                tcp_server::run()
            }
            Self::UdpServer { trains } => {
                pin(LOAD_CORE);
                udp::server(trains)
            }
            Self::Relay(pairs) => {
                pin(FORWARDER_CORE);
                forwarder::run_relay(&pairs)
            }
            Self::Exec(command) => {
                pin(FORWARDER_CORE);
                let (program, arguments) = command.split_first().ok_or("nothing to execute")?;
                Err(Command::new(program).args(arguments).exec().into())
            }
        }
    }
}

/// A child that is killed, by its own process id, when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts this program in a role.
    pub(crate) fn start(role: &str, arguments: &[String]) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--role", role])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(if role == "exec" { Stdio::null() } else { Stdio::inherit() })
            .spawn()?;
        let output = child.stdout.take().map(BufReader::new);
        Ok(Self { child, output })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The address that a server prints once it listens.
    pub(crate) fn address(&mut self) -> Result<SocketAddr> {
        let mut line = String::new();
        self.output.as_mut().ok_or("no output")?.read_line(&mut line)?;
        Ok(line.trim().parse().map_err(|_| format!("a child did not start: {line:?}"))?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Binds this thread, and what it starts, to a core; on a machine without that core it stays where it is.
pub(crate) fn pin(core: usize) {
    let mut set = sched::CpuSet::new();
    if set.set(core).is_ok() && sched::sched_setaffinity(Pid::from_raw(0), &set).is_err() {
        eprintln!("peers: no core {core} to run on; figures will depend on where the kernel puts things");
    }
}
