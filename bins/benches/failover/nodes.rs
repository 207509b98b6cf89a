//! Two nodes and a client at a switch, and what runs on the nodes.

use std::{
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use clap::ValueEnum;
use lb_lab::{Host, Lab, Process, meter::Meter};

use crate::{Result, failure::Failure};

const VIP: &str = "10.0.0.100";
const KEEPALIVED: &str = "/usr/sbin/keepalived";
/// Only to notice what hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whose daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Keepalived,
}

/// Who the two nodes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Pair {
    /// Both lb-failover.
    Ours,
    /// Both keepalived.
    Keepalived,
    /// lb-failover fails, and keepalived takes over.
    Mixed,
}

impl Pair {
    pub(crate) const ALL: [Self; 3] = [Self::Ours, Self::Keepalived, Self::Mixed];

    const fn kinds(self) -> [Kind; 2] {
        match self {
            Self::Ours => [Kind::Ours, Kind::Ours],
            Self::Keepalived => [Kind::Keepalived, Kind::Keepalived],
            Self::Mixed => [Kind::Ours, Kind::Keepalived],
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "lb-failover",
            Self::Keepalived => "keepalived",
            Self::Mixed => "ours, then keepalived",
        }
    }

    /// Whether the machine has it; says so when not.
    pub(crate) fn is_there(self) -> bool {
        let there = !self.kinds().contains(&Kind::Keepalived) || Path::new(KEEPALIVED).exists();
        if !there {
            println!("skipped: {}: needs keepalived (apt-get install keepalived)", self.name());
        }
        there
    }
}

/// A daemon that runs on a node.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) kind: Kind,
    pub(crate) host: Host,
    pub(crate) process: Process,
}

/// Two nodes and a client at a switch.
#[derive(Debug)]
pub(crate) struct Bed {
    meter: Meter,
    nodes: [Host; 2],
    lab: Lab,
}

impl Bed {
    pub(crate) fn new() -> Result<Self> {
        let lab = Lab::new()?;
        lab.switch("lan")?;
        let host = |name: &str, net: &str| -> Result<Host> {
            let host = lab.host(name)?;
            lab.link(&host, "lan", "eth0", &[net.parse()?])?;
            Ok(host)
        };
        let client = host("client", "10.0.0.10/24")?;
        let nodes = [host("a", "10.0.0.1/24")?, host("b", "10.0.0.2/24")?];
        let meter = Meter::start(&client, Path::new(env!("CARGO_BIN_EXE_lbctl")), VIP.parse()?)?;
        Ok(Self { meter, nodes, lab })
    }

    /// One failure of the first node; returns the outage in milliseconds.
    pub(crate) fn round(&mut self, pair: Pair, failure: Failure, advert: Duration) -> Result<f64> {
        let outage = self.attempt(pair, failure, advert);
        self.tidy()?;
        outage
    }

    fn attempt(&mut self, pair: Pair, failure: Failure, advert: Duration) -> Result<f64> {
        let [first, second] = pair.kinds();
        let mut leader = self.start(0, first, 150, advert, failure)?;
        let start = Instant::now();
        while !leader.host.has(VIP.parse()?)? {
            if start.elapsed() > PATIENCE {
                return Err(format!("it does not become MASTER: {}", leader.process.log()).into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        let follower = self.start(1, second, 100, advert, failure)?;
        thread::sleep(Duration::from_millis(600).max(advert * 2) + phase(advert));
        if follower.host.has(VIP.parse()?)? {
            return Err("both are MASTER before anything happens".into());
        }
        let before = self.meter.lap()?;
        if before.answered == 0 {
            return Err("nobody answers before anything happens".into());
        }
        failure.happen(self, &mut leader)?;
        thread::sleep(failure.settled_after(advert));
        let lap = self.meter.lap()?;
        if failure.moves() && !follower.host.has(VIP.parse()?)? {
            return Err(format!("nobody took over: {}", follower.process.log()).into());
        }
        Ok(lap.longest_gap.as_secs_f64() * 1000.0)
    }

    fn start(
        &self,
        node: usize,
        kind: Kind,
        priority: u8,
        advert: Duration,
        failure: Failure,
    ) -> Result<Daemon> {
        let host = self.nodes[node].clone();
        host.write("/etc/keepalived/keepalived.conf", configuration(priority, advert, failure))?;
        host.write("/etc/weight", "0\n")?;
        let mut command = match kind {
            Kind::Ours => Command::new(env!("CARGO_BIN_EXE_lb-failover")),
            Kind::Keepalived => Command::new(KEEPALIVED),
        };
        command.args(["-n", "-l", "-P"]);
        if kind == Kind::Ours {
            command.arg("--pair");
        }
        let process = host.spawn(&command)?;
        Ok(Daemon { kind, host, process })
    }

    /// Cuts the first node's cable.
    pub(crate) fn cut(&self) -> Result<()> {
        Ok(self.lab.cut(&self.nodes[0], "eth0")?)
    }

    /// Makes everything as it was. The daemons were killed when they were dropped.
    fn tidy(&self) -> Result<()> {
        self.lab.heal()?;
        for host in &self.nodes {
            host.sh(&format!(
                "pkill -KILL -x keepalived || :; pkill -KILL -x lb-failover || :; rm -f /etc/bad\n\
                 ip address del {VIP}/24 dev eth0 2>/dev/null || :; rm -rf /run/keepalived* /run/lb-*"
            ))?;
        }
        Ok(())
    }
}

/// What both daemons read.
fn configuration(priority: u8, advert: Duration, failure: Failure) -> String {
    let seconds = advert.as_secs_f64();
    let (tracker, tracked) = match failure {
        Failure::Switch => {
            ("vrrp_track_file weight {\n file /etc/weight\n weight 1\n}\n", " track_file {\n  weight\n }\n")
        }
        Failure::Script => (
            "vrrp_script good {\n script \"/usr/bin/test ! -e /etc/bad\"\n interval 1\n}\n",
            " track_script {\n  good\n }\n",
        ),
        _ => ("", ""),
    };
    format!(
        "global_defs {{\n router_id bench\n script_user root\n vrrp_rt_priority 50\n}}\n{tracker}vrrp_instance web {{\n \
         state BACKUP\n interface eth0\n virtual_router_id 51\n priority {priority}\n version 3\n advert_int {seconds}\n \
         virtual_ipaddress {{\n  {VIP}/24\n }}\n{tracked}}}\n"
    )
}

/// Any part of an interval.
fn phase(advert: Duration) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let scattered = now.subsec_nanos().wrapping_mul(2_654_435_761);
    advert.mul_f64(f64::from(scattered) / f64::from(u32::MAX))
}
