//! How regular the adverts of lb-failover are while something goes wrong on its host, beside an idle lb-failover at the same
//! switch in the same run.
//!
//! ```text
//! cargo bench -p lb-bins --bench adverts                          # every fault for 30 s: five minutes
//! cargo bench -p lb-bins --bench adverts -- --seconds 60 slow-log relay
//! ```
//!
//! Both are MASTER of a virtual router of their own, with an advert a second. A third host captures what arrives; the
//! kernel's time counts. The bar is a gap of 1.1 s, unless the idle one has such a gap, too: then the machine was busy.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "it prints what it measures")]

mod fault;
mod wire;

use std::{
    error::Error,
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use lb_lab::{Host, Lab, Process};

use self::{fault::Fault, wire::Role};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// The largest gap between adverts that is as it should be, in seconds.
const BAR: f64 = 1.1;
/// Only to notice what hangs.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Parser)]
#[command(name = "adverts", disable_version_flag = true)]
struct Options {
    /// What goes wrong; everything without this
    faults: Vec<Fault>,
    /// For how long
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// End with status 1 when the bar is missed
    #[arg(long)]
    check: bool,
    /// What this process does in a host of the lab
    #[arg(long, hide = true)]
    role: Option<Role>,
    /// What cargo says when it wants a benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(role) = options.role {
        return wire::play(role, options.seconds);
    }
    // `cargo test --benches` wants none.
    if !options.bench {
        return ExitCode::SUCCESS;
    }
    match measure(&options) {
        Ok(missed) => ExitCode::from(u8::from(options.check && missed)),
        Err(error) => {
            eprintln!("adverts: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<bool> {
    let faults = if options.faults.is_empty() { Fault::ALL.to_vec() } else { options.faults.clone() };
    println!("{:<16} {:>10} {:>12} {:>10} {:>12}", "", "idle", "largest gap", "with it", "largest gap");
    let mut missed = false;
    for fault in faults {
        let [idle, with] = round(fault, options.seconds)?;
        let misses = with.largest > BAR && idle.largest <= BAR;
        missed |= misses;
        println!(
            "{:<16} {:>10} {:>10.3} s {:>10} {:>10.3} s{}",
            fault.name(),
            idle.count,
            idle.largest,
            with.count,
            with.largest,
            if misses { "  missed" } else { "" }
        );
    }
    Ok(missed)
}

/// Adverts of a virtual router.
#[derive(Clone, Copy, Debug, Default)]
struct Adverts {
    count: usize,
    /// The largest gap, in seconds.
    largest: f64,
}

impl Adverts {
    fn of(times: &[f64]) -> Self {
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        Self { count: times.len(), largest: gaps.fold(0.0, f64::max) }
    }
}

/// An idle daemon, one with trouble, and a client, at a switch.
struct Bed {
    client: Host,
    node: Host,
    daemon: Process,
    _idle: Process,
    _lab: Lab,
}

fn round(fault: Fault, seconds: u64) -> Result<[Adverts; 2]> {
    let lab = Lab::new()?;
    lab.switch("lan")?;
    let host = |name: &str, net: &str| -> Result<Host> {
        let host = lab.host(name)?;
        lab.link(&host, "lan", "eth0", &[net.parse()?])?;
        Ok(host)
    };
    let client = host("client", "10.0.0.10/24")?;
    let (idle, node) = (host("idle", "10.0.0.1/24")?, host("node", "10.0.0.2/24")?);
    idle.write("/etc/keepalived/keepalived.conf", fault::instance(51, ""))?;
    node.write("/etc/keepalived/keepalived.conf", fault.configuration(0))?;
    let program = env!("CARGO_BIN_EXE_lb-failover");
    let plane = ["-n", "-l", "-D", "--data-plane", "relay"];
    let _idle = idle.spawn(Command::new(program).args(plane))?;
    let daemon = fault.start(&node, program, &plane)?;
    for (host, address) in [(&idle, "10.0.0.151"), (&node, "10.0.0.152")] {
        let start = Instant::now();
        while !host.has(address.parse()?)? {
            if start.elapsed() > PATIENCE {
                return Err(format!("{} does not become MASTER: {}", host.name(), daemon.log()).into());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
    let mut bed = Bed { client, node, daemon, _idle, _lab: lab };
    let mut capture = bed.play(&bed.client.clone(), Role::Capture, seconds)?;
    let begin = Instant::now();
    fault.befall(&mut bed, Duration::from_secs(seconds))?;
    thread::sleep(Duration::from_secs(seconds).saturating_sub(begin.elapsed()));
    capture.wait()?;
    let heard = wire::parse(&capture.log());
    Ok([51, 52].map(|vrid| Adverts::of(heard.get(&vrid).map_or(&[][..], Vec::as_slice))))
}

impl Bed {
    /// This program in another role, in a host.
    fn play(&self, host: &Host, role: Role, seconds: u64) -> Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--role", role.name(), "--seconds", &seconds.to_string()]);
        Ok(host.spawn(&command)?)
    }
}
