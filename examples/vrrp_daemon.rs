//! A VRRP daemon for one virtual router, on `lb_vrrp::driver`.
//!
//! `vrrp-daemon --interface eth0 --vrid 51 --priority 150 192.0.2.100/24`
#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    io::{self, Write as _},
    net::IpAddr,
    str::FromStr,
};

use ipnet::IpNet;
use lb_vrrp::{
    Config, Interval, Preempt, Priority, Profile, Vrid,
    driver::{Driver, Instance, Told, VirtualMac, linux::Linux, realtime},
    wire::ah,
};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str =
    "usage: vrrp-daemon --interface NAME --vrid 1..255 [--version 2|3|dual] [--priority 1..255]
    [--interval-cs 1..4095] [--no-preempt] [--strict] [--auth-text TEXT] [--auth-ah KEY] [--unicast-peer IP]... [--source IP]
    [--virtual-mac] [--realtime 1..99] ADDRESS[/LENGTH]...";

#[derive(Default)]
struct Options {
    interface: Option<String>,
    vrid: Option<u8>,
    version: Option<String>,
    priority: Option<u8>,
    interval: Option<u16>,
    no_preempt: bool,
    strict: bool,
    auth_text: Option<String>,
    auth_ah: Option<String>,
    peers: Vec<IpAddr>,
    source: Option<IpAddr>,
    virtual_mac: bool,
    realtime: Option<u8>,
    addresses: Vec<IpNet>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if let Err(error) = run().await {
        drop(writeln!(io::stderr(), "vrrp-daemon: {error}"));
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let options = parse(std::env::args().skip(1))?;
    let interface = options.interface.clone().ok_or_else(|| format!("--interface is missing\n{USAGE}"))?;
    let mut instance =
        Instance::new(format!("{interface}/{}", options.vrid.unwrap_or(0)), interface, config(&options)?);
    instance.source = options.source;
    instance.key = options.auth_ah.map(|key| ah::Key::new(key.as_bytes()));
    instance.virtual_mac = options.virtual_mac.then(VirtualMac::default);
    instance.addresses = options.addresses.into_iter().map(Into::into).collect();
    if let Some(priority) = options.realtime {
        realtime::lock_memory()?;
        realtime::set_priority(priority)?;
    }
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut driver = Driver::new(Linux::new()?);
    driver.add(instance)?;
    let (_, mut notices) = driver.handles();
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let running = tokio::spawn(driver.run(shutdown));
    while let Some(told) = notices.next().await {
        let mut out = io::stdout().lock();
        match told {
            Told::Notice(notice) => writeln!(out, "{notice}")?,
            Told::Missed(count) => writeln!(out, "{count} events were missed")?,
        }
        out.flush()?;
    }
    running.await??;
    Ok(())
}

fn config(options: &Options) -> Result<Config, Box<dyn Error>> {
    let vrid = Vrid::new(options.vrid.ok_or_else(|| format!("--vrid is missing\n{USAGE}"))?)?;
    let addresses = options.addresses.iter().map(IpNet::addr);
    let mut config = match options.version.as_deref() {
        Some("2") => Config::v2(vrid, addresses),
        None | Some("3") => Config::v3(vrid, addresses),
        Some("dual") => Config::dual(vrid, addresses),
        Some(other) => return Err(format!("--version {other:?}: 2, 3 or dual").into()),
    };
    if let Some(priority) = options.priority {
        config = config.priority(Priority::new(priority)?);
    }
    if let Some(interval) = options.interval {
        config = config.interval(Interval::from_centiseconds(interval)?);
    }
    if options.no_preempt {
        config = config.preempt(Preempt::No);
    }
    if options.strict {
        config = config.profile(Profile::Strict);
    }
    if let Some(text) = &options.auth_text {
        config = config.auth_text(text);
    }
    if options.auth_ah.is_some() {
        config = config.auth_header();
    }
    if !options.peers.is_empty() {
        config = config.unicast(options.peers.iter().copied());
    }
    Ok(config.build()?)
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value\n{USAGE}"));
        match argument.as_str() {
            "--interface" => options.interface = Some(value()?),
            "--vrid" => options.vrid = Some(read(&argument, &value()?)?),
            "--version" => options.version = Some(value()?),
            "--priority" => options.priority = Some(read(&argument, &value()?)?),
            "--interval-cs" => options.interval = Some(read(&argument, &value()?)?),
            "--no-preempt" => options.no_preempt = true,
            "--strict" => options.strict = true,
            "--auth-text" => options.auth_text = Some(value()?),
            "--auth-ah" => options.auth_ah = Some(value()?),
            "--unicast-peer" => options.peers.push(read(&argument, &value()?)?),
            "--source" => options.source = Some(read(&argument, &value()?)?),
            "--virtual-mac" => options.virtual_mac = true,
            "--realtime" => options.realtime = Some(read(&argument, &value()?)?),
            flag if flag.starts_with('-') => return Err(format!("{flag} is unknown\n{USAGE}").into()),
            address => {
                let net = address.parse::<IpNet>().or_else(|_| address.parse::<IpAddr>().map(IpNet::from));
                options.addresses.push(net.map_err(|_| format!("{address:?} is no address"))?);
            }
        }
    }
    Ok(options)
}

fn read<T: FromStr<Err: std::fmt::Display>>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|error| format!("{name} {value:?}: {error}"))
}
