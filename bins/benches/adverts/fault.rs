//! What goes wrong.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use lb_lab::{Host, Process};
use nix::sys::signal::Signal;

use crate::{Bed, Result, wire::Role};

/// Scripts that run once a second.
const SCRIPTS: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// Nothing.
    Nothing,
    /// Standard error is a pipe that nobody reads.
    SlowLog,
    /// A hundred scripts each second, some of which hang.
    Scripts,
    /// 20,000 packets a second that are almost adverts.
    HostilePackets,
    /// Twenty reloads a second, with another configuration each time.
    Reloads,
    /// Clients of the control socket that say nothing, and others that ask as fast as they can.
    ControlClients,
    /// 20,000 datagrams a second and connections, through the relay.
    Relay,
}

impl Fault {
    pub(crate) const ALL: [Self; 7] = [
        Self::Nothing,
        Self::SlowLog,
        Self::Scripts,
        Self::HostilePackets,
        Self::Reloads,
        Self::ControlClients,
        Self::Relay,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::SlowLog => "slow log",
            Self::Scripts => "scripts",
            Self::HostilePackets => "hostile packets",
            Self::Reloads => "reloads",
            Self::ControlClients => "control clients",
            Self::Relay => "relay",
        }
    }

    /// The configuration of the node; every `round` has another one.
    pub(crate) fn configuration(self, round: usize) -> String {
        match self {
            Self::Scripts => {
                let script = |number: usize| {
                    let program = if number.is_multiple_of(10) { "/bin/sleep 5" } else { "/bin/true" };
                    format!(
                        "vrrp_script s{number} {{\n  script \"{program}\"\n  interval 1\n  timeout 1\n  weight 1\n}}\n"
                    )
                };
                let names: String = (0..SCRIPTS).map(|number| format!("    s{number}\n")).collect();
                let scripts: String = (0..SCRIPTS).map(script).collect();
                let globals = "global_defs {\n  script_user root\n}\n";
                globals.to_owned() + &scripts + &instance(52, &format!("  track_script {{\n{names}  }}\n"))
            }
            Self::Reloads => {
                let more: String = (0..20)
                    .filter(|number| !(number + round).is_multiple_of(3))
                    .map(|number| format!("    10.0.0.{}/24\n", 200 + number))
                    .collect();
                instance(52, &format!("  virtual_ipaddress_excluded {{\n{more}  }}\n"))
            }
            Self::Relay => {
                let server = |protocol: &str, port: u16| {
                    format!(
                        "virtual_server 10.0.0.152 {port} {{\n  lb_algo rr\n  lb_kind NAT\n  protocol {protocol}\n  \
                         real_server 10.0.0.10 {port} {{\n  }}\n}}\n"
                    )
                };
                instance(52, "") + &server("TCP", 80) + &server("UDP", 53)
            }
            _ => instance(52, ""),
        }
    }

    /// Starts the daemon of the node.
    pub(crate) fn start(self, node: &Host, program: &str, arguments: &[&str]) -> Result<Process> {
        if self != Self::SlowLog {
            return Ok(node.spawn(Command::new(program).args(arguments))?);
        }
        // Both ends are open, and nobody reads.
        node.sh("mkfifo /etc/log")?;
        let shell = format!("exec 3<>/etc/log; exec {program} {} 2>/etc/log", arguments.join(" "));
        Ok(node.spawn(Command::new("/bin/sh").args(["-c", &shell]))?)
    }

    /// Lets it go wrong for so long.
    pub(crate) fn befall(self, bed: &mut Bed, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        let seconds = time.as_secs();
        match self {
            Self::Nothing | Self::Scripts => {}
            Self::SlowLog => {
                // As much to log as can be had.
                let (mut round, config) = (0, "/etc/keepalived/keepalived.conf");
                while Instant::now() < end {
                    round += 1;
                    bed.node.write(config, Self::Reloads.configuration(round))?;
                    bed.daemon.signal(Signal::SIGHUP)?;
                    bed.daemon.signal(Signal::SIGUSR1)?;
                    thread::sleep(Duration::from_millis(20));
                }
            }
            Self::HostilePackets => drop(bed.play(&bed.client.clone(), Role::Hostile, seconds)?.wait()?),
            Self::Relay => drop(bed.play(&bed.client.clone(), Role::Traffic, seconds)?.wait()?),
            Self::Reloads => {
                let mut round = 0;
                while Instant::now() < end {
                    round += 1;
                    bed.node.write("/etc/keepalived/keepalived.conf", self.configuration(round))?;
                    bed.daemon.signal(Signal::SIGHUP)?;
                    thread::sleep(Duration::from_millis(50));
                }
            }
            Self::ControlClients => {
                let mut silent = bed.play(&bed.node.clone(), Role::Silent, seconds)?;
                while Instant::now() < end {
                    // It may be refused while all places are taken.
                    let _ = bed.node.output(Command::new(env!("CARGO_BIN_EXE_lbctl")).arg("status"));
                }
                silent.wait()?;
            }
        }
        Ok(())
    }
}

/// An instance with an advert a second.
pub(crate) fn instance(vrid: u8, more: &str) -> String {
    format!(
        "vrrp_instance web {{\n  state MASTER\n  interface eth0\n  virtual_router_id {vrid}\n  priority 200\n  \
         version 3\n  advert_int 1\n{more}  virtual_ipaddress {{\n    10.0.0.{}/24\n  }}\n}}\n",
        100 + vrid
    )
}
