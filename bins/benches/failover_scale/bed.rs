//! Two hosts, what joins them, and what runs on them.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lb_lab::{Host, Lab, Process};

use crate::{Kind, Result, watch::Seen};

pub(crate) const KEEPALIVED: &str = "/usr/sbin/keepalived";
const FILE: &str = "/etc/keepalived/keepalived.conf";
/// Instances on a veth pair.
const EACH: usize = 250;
/// Only to notice what hangs.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(1);

/// Two hosts, with a recorder on each.
pub(crate) struct Bed {
    pub(crate) nodes: [Node; 2],
    _lab: Lab,
}

/// A host and its recorder.
pub(crate) struct Node {
    pub(crate) host: Host,
    recorder: Recorder,
}

/// What an instance is configured to be on one of the hosts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) instances: usize,
    pub(crate) advert: Duration,
    pub(crate) priority: u8,
    /// The instance in the middle has another priority.
    pub(crate) changed: Option<u8>,
}

impl Bed {
    pub(crate) fn new(instances: usize, advert: Duration) -> Result<Self> {
        let lab = Lab::new()?;
        let [a, b] = [lab.host("a")?, lab.host("b")?];
        for link in 0..instances.div_ceil(EACH) {
            let net = |host: u8| format!("172.16.{link}.{host}/24").parse();
            lab.join([(&a, &[net(1)?]), (&b, &[net(2)?])], &format!("v{link}"))?;
        }
        let node =
            |host: Host| -> Result<Node> { Ok(Node { recorder: Recorder::start(&host, advert)?, host }) };
        Ok(Self { nodes: [node(a)?, node(b)?], _lab: lab })
    }
}

impl Node {
    pub(crate) fn configure(&self, plan: Plan) -> Result<()> {
        Ok(self.host.write(FILE, plan.text())?)
    }

    pub(crate) fn start(&self, kind: Kind, ours: &Path) -> Result<Process> {
        let mut command = match kind {
            Kind::Ours => Command::new(ours),
            Kind::Keepalived => Command::new(KEEPALIVED),
        };
        command.args(["-n", "-l", "-P", "-f", FILE]);
        if kind == Kind::Ours {
            command.arg("--pair");
        }
        Ok(self.host.spawn(&command)?)
    }

    /// Begins to record frames, or to record them anew.
    pub(crate) fn record(&mut self) -> Result<()> {
        self.recorder.ask("record").map(drop)
    }

    /// Records no frames any more. They cost the sender time.
    pub(crate) fn rest(&mut self) -> Result<Seen> {
        self.recorder.ask("rest")
    }

    pub(crate) fn seen(&mut self) -> Result<Seen> {
        self.recorder.ask("tell")
    }

    /// Waits until the host has so many virtual addresses; returns when the last change was.
    pub(crate) fn wait_for(&mut self, held: usize) -> Result<Seen> {
        let start = Instant::now();
        loop {
            let seen = self.seen()?;
            if seen.held == held {
                return Ok(seen);
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("{} of {held} addresses", seen.held).into());
            }
            thread::sleep(20 * PAUSE);
        }
    }
}

impl Plan {
    fn text(&self) -> String {
        let mut text = String::from(
            "global_defs {\n router_id bench\n script_user root\n vrrp_rt_priority 50\n vrrp_rlimit_rttime 10000000\n vrrp_garp_master_refresh 0\n}\n",
        );
        let seconds = self.advert.as_secs_f64();
        for number in 0..self.instances {
            let priority = match self.changed {
                Some(changed) if number == self.instances / 2 => changed,
                _ => self.priority,
            };
            let (link, id) = (number / EACH, number % EACH + 1);
            let _ = write!(
                text,
                "vrrp_instance V{number} {{\n interface v{link}\n state BACKUP\n virtual_router_id {id}\n priority \
                 {priority}\n advert_int {seconds}\n version 3\n virtual_ipaddress {{\n  10.{link}.0.{id}/32\n }}\n}}\n"
            );
        }
        text
    }

    /// Three intervals and skew time.
    pub(crate) fn down(&self) -> f64 {
        3.0 * self.advert.as_secs_f64() + self.skew()
    }

    pub(crate) fn skew(&self) -> f64 {
        self.advert.as_secs_f64() * f64::from(256 - u16::from(self.priority)) / 256.0
    }
}

/// Waits for a line in the log that was not there at `from`.
pub(crate) fn wait_for_line(process: &Process, from: usize, text: &str) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if process.log().get(from..).is_some_and(|new| new.contains(text)) {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
    Err(format!("waited in vain for `{text}`").into())
}

/// A child on a host that records.
struct Recorder {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Recorder {
    fn start(host: &Host, advert: Duration) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--watch", &advert.as_millis().to_string()]);
        let mut child = host.enter(&command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut recorder = Self { child, input, output };
        // It is there when it answers.
        recorder.ask("tell")?;
        Ok(recorder)
    }

    fn ask(&mut self, question: &str) -> Result<Seen> {
        writeln!(self.input, "{question}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
