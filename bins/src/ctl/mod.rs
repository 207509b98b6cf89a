//! lbctl: asks running daemons, gives them orders, and shows what the toolkit can do.

pub mod status;
pub mod text;

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    thread,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};

use lb_core::{
    model::{Protocol, ServerKey, ServiceKey},
    overrides::Action,
};
use lb_ipvs::format::{self, Listing, Ports, View};

use crate::{
    config::names::PortNames,
    control::{
        client::Client,
        protocol::{Answer, Request},
    },
    director::wording,
    lab::demo,
    runtime::{clock::ctime, paths},
};

/// Asks running daemons, gives them orders, and shows what the toolkit can do.
#[derive(Debug, Parser)]
#[command(name = "lbctl", version)]
struct Arguments {
    /// The daemon's control socket; without it, that of the only daemon there is
    #[arg(long, global = true, value_name = "PATH", env = "LB_SOCKET")]
    socket: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Three web servers, a balancer and clients on loopback: a server dies, returns and is drained
    Demo(demo::Options),
    /// Services, servers and checks of a running daemon
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Again every second, until it is interrupted
        #[arg(long)]
        watch: bool,
    },
    /// The table of the data plane, in ipvsadm's layout
    #[command(visible_alias = "ls")]
    List(ListArguments),
    /// What has happened, newest last
    Events {
        /// So many at most
        #[arg(long, short = 'n', default_value_t = 50)]
        count: usize,
        /// As JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// No new connections to a real server; established ones go on
    Drain(OrderArguments),
    /// Treat a real server as if its checks failed
    Maintenance(OrderArguments),
    /// End what drain or maintenance have ordered
    Resume(OrderArguments),
    /// Have the daemon read its configuration again
    Reload,
    #[command(subcommand, hide = true)]
    Lab(demo::Role),
}

#[derive(Debug, Args)]
struct ListArguments {
    /// Numbers instead of names of ports
    #[arg(short, long)]
    numeric: bool,
    /// Connections, packets and bytes
    #[arg(long, group = "view")]
    stats: bool,
    /// Connections, packets and bytes per second
    #[arg(long, group = "view")]
    rate: bool,
    /// Upper and lower connection thresholds
    #[arg(long, group = "view")]
    thresholds: bool,
    /// Clients that are bound to a server by persistence
    #[arg(long, group = "view")]
    persistent_conn: bool,
    /// Single connections
    #[arg(short, long, group = "view")]
    connections: bool,
    /// Large numbers in full
    #[arg(long)]
    exact: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct OrderArguments {
    /// The real server, such as 192.168.0.1:80
    server: ServerKey,
    /// In this virtual service only, such as tcp:10.0.0.1:80
    #[arg(long)]
    service: Option<ServiceKey>,
    /// Why; shown in status and log
    #[arg(long, default_value = "by hand")]
    reason: String,
    /// For how long, such as 30m; without it until `resume`
    #[arg(long = "for", value_name = "TIME", value_parser = text::parse_span)]
    lasting: Option<Duration>,
}

/// Connections that are listed at most.
const CONNECTIONS: usize = 100_000;

type Failure = Box<dyn std::error::Error>;

/// Does what the command line says.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = Arguments::parse_from(arguments);
    match run(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Whoever reads has enough: `lbctl list | head`.
        Err(error) if is_broken_pipe(&*error) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "lbctl: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn run(Arguments { socket, command }: Arguments) -> Result<bool, Failure> {
    match command {
        Command::Demo(options) => return Ok(demo::run(&options)?),
        Command::Lab(role) => demo::run_role(&role)?,
        Command::Status { json, watch } => show_status(socket, json, watch)?,
        Command::List(arguments) => list(socket, &arguments)?,
        Command::Events { count, json } => events(socket, count, json)?,
        Command::Drain(order) => give(socket, order, Some(Action::Drain))?,
        Command::Maintenance(order) => give(socket, order, Some(Action::Maintenance))?,
        Command::Resume(order) => give(socket, order, None)?,
        Command::Reload => done(&connect(socket)?.ask(&Request::Reload)?)?,
    }
    Ok(true)
}

fn connect(socket: Option<PathBuf>) -> Result<Client, Failure> {
    let path = match socket {
        Some(path) => path,
        None => paths::only_socket()?,
    };
    Ok(Client::connect(&path)?)
}

fn show_status(socket: Option<PathBuf>, json: bool, watch: bool) -> Result<(), Failure> {
    let mut client = connect(socket)?;
    loop {
        let Answer::Status(status) = client.ask(&Request::Status)? else { return Err(unexpected()) };
        let text = if json { serde_json::to_string(&status)? + "\n" } else { status::render(&status) };
        // Clears the screen for people, not for programs.
        let clear = if watch && !json { "\x1b[2J\x1b[H" } else { "" };
        put(&format!("{clear}{text}"))?;
        if !watch {
            return Ok(());
        }
        thread::sleep(Duration::from_secs(1));
    }
}

fn list(socket: Option<PathBuf>, arguments: &ListArguments) -> Result<(), Failure> {
    let services = PortNames::system();
    let names = |port: u16, protocol: Protocol| services.name(port, protocol).map(str::to_owned);
    let ports = if arguments.numeric { Ports::Numeric } else { Ports::Named(&names) };
    let mut client = connect(socket)?;
    if arguments.connections {
        let Answer::Connections(connections) = client.ask(&Request::Connections(CONNECTIONS))? else {
            return Err(unexpected());
        };
        let json = || serde_json::to_string(&connections).map(|text| text + "\n");
        return put(&if arguments.json { json()? } else { format::connections(&connections, ports) });
    }
    let Answer::Table(table) = client.ask(&Request::Table)? else { return Err(unexpected()) };
    if arguments.json {
        return put(&(serde_json::to_string(&table)? + "\n"));
    }
    let view = match arguments {
        ListArguments { stats: true, .. } => View::Stats,
        ListArguments { rate: true, .. } => View::Rate,
        ListArguments { thresholds: true, .. } => View::Thresholds,
        ListArguments { persistent_conn: true, .. } => View::Persistent,
        _ => View::Table,
    };
    let counters = if view == View::Rate { &table.rates } else { &table.counters };
    let listing =
        Listing { header: &table.header, table: &table.table, counters, ports, view, exact: arguments.exact };
    put(&listing.render())
}

fn events(socket: Option<PathBuf>, count: usize, json: bool) -> Result<(), Failure> {
    let Answer::Events(events) = connect(socket)?.ask(&Request::Events(count))? else {
        return Err(unexpected());
    };
    for event in events {
        let line = match json {
            true => serde_json::to_string(&event)?,
            false => format!("{}  {}", ctime(event.at), wording::line(&event)),
        };
        put(&(line + "\n"))?;
    }
    Ok(())
}

fn give(socket: Option<PathBuf>, order: OrderArguments, action: Option<Action>) -> Result<(), Failure> {
    let OrderArguments { server, service, reason, lasting } = order;
    done(&connect(socket)?.ask(&Request::Order { server, service, action, reason, lasting })?)
}

fn done(answer: &Answer) -> Result<(), Failure> {
    match answer {
        Answer::Done(text) => put(&format!("{text}\n")),
        _ => Err(unexpected()),
    }
}

/// Writes to standard output; a reader that has gone away is no panic.
fn put(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

fn unexpected() -> Failure {
    "the daemon's answer is of another kind than the request; are daemon and lbctl of the same version?"
        .into()
}
