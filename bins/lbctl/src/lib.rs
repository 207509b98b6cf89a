//! lbctl: asks running daemons, gives them orders, and shows what the toolkit can do.
#![forbid(unsafe_code)]

pub mod demo;
mod drain;
mod events;
pub mod explain;
mod impact;
mod instances;
pub mod lab;
pub mod metrics;
pub mod plan;
pub mod status;
pub mod text;

use std::{
    ffi::OsString,
    io::{self, Write as _},
    net::IpAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use lb_config::{diagnostic, names::PortNames};
use lb_control::{
    client::{Client, ClientError},
    protocol::{Answer, DumpKind, Request},
};
use lb_core::{
    Time,
    model::{Protocol, ServerKey, ServiceKey},
    overrides::Action,
};
use lb_ipvs::format::{self, Known, Listing, Names, View};
use lb_runtime::{
    paths,
    printable::{printable_json, printable_lines},
    role::Role,
    span::parse_span,
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
    /// Two directors that share an address, three web servers and a client, and what befalls them
    Demo(demo::Options),
    /// Instances, services, servers and checks of a running daemon
    Status {
        /// This instance only, with all that is known of it
        instance: Option<String>,
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
    Events(events::EventsArguments),
    /// How an instance came to be what it is, in milliseconds
    Explain {
        /// The instance; without it, the one that changed last
        instance: Option<String>,
        /// How it was at this time, such as 2026-11-21T21:01:51Z, or 10m for ten minutes ago
        #[arg(long, value_name = "TIME", value_parser = text::parse_moment)]
        at: Option<Time>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Hand the addresses of an instance over to its peer
    Failover(instances::FailoverArguments),
    /// No new connections to a real server; established ones go on
    Drain(drain::DrainArguments),
    /// Take a real server, or with `on` this whole node, out of service
    Maintenance(instances::MaintenanceArguments),
    /// End what drain or maintenance have ordered
    Resume(OrderArguments),
    /// What keepalived writes to a file when it gets SIGUSR1, SIGUSR2 or SIGRTMIN+2
    Dump {
        /// Which one
        kind: DumpKind,
    },
    /// Everything that can be counted, in the text format of Prometheus
    Metrics,
    /// What a reload would change: which addresses would move, and which connections would end; nothing is changed
    Plan {
        /// With this file in the place of the daemon's configuration; it is read with your rights, not the daemon's
        config: Option<PathBuf>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Have the daemon read its configuration again
    Reload,
    /// The kernel's table of virtual servers, with ipvsadm's command line: `lbctl ipvs --help`
    #[command(disable_help_flag = true)]
    Ipvs {
        /// As for ipvsadm; also `save` and `restore [--clear] [FILE]`, which lose nothing, and `sysctl [NAME[=VALUE]...]`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
        arguments: Vec<OsString>,
    },
    /// Hosts, switches and cables in a small world of their own
    #[command(subcommand)]
    Lab(lab::Order),
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
    #[arg(long = "for", value_name = "TIME", value_parser = parse_span)]
    lasting: Option<Duration>,
}

/// Connections that are listed at most.
const CONNECTIONS: usize = 100_000;

type Failure = Box<dyn std::error::Error>;

/// Does what the command line says.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<OsString> = arguments.collect();
    if let Some(name) = words.first().and_then(|program| lb_ipvsadm::Name::of(Path::new(program))) {
        return lb_ipvsadm::main(name, words.into_iter().skip(1));
    }
    if let Some(role) = words.get(1).and_then(|word| Role::of(word)) {
        role.assume();
        let words = words.into_iter().skip(1);
        return match role {
            Role::Director => lb_director::cli::main(words),
            Role::Failover => lb_failover::cli::main(words),
        };
    }
    let arguments = match Arguments::parse_from(words) {
        Arguments { command: Command::Ipvs { arguments }, .. } => {
            return lb_ipvsadm::lbctl_main(arguments.into_iter());
        }
        arguments => arguments,
    };
    match run(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Whoever reads has enough: `lbctl list | head`.
        Err(error) if is_broken_pipe(&*error) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "lbctl: {}", printable_lines(&error.to_string()));
            if let Some(ClientError::Refused { problems, .. }) = error.downcast_ref() {
                diagnostic::show(problems);
            }
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn run(Arguments { socket, command }: Arguments) -> Result<bool, Failure> {
    match command {
        // Has its own exit statuses, see `main`.
        Command::Ipvs { .. } => return Ok(true),
        Command::Demo(options) => return Ok(demo::run(&options)?),
        Command::Lab(order) => return lab::run(&order),
        Command::Status { instance, json, watch } => show_status(socket, instance, json, watch)?,
        Command::List(arguments) => list(socket, &arguments)?,
        Command::Events(arguments) => events::show(socket, arguments)?,
        Command::Explain { instance, at, json } => instances::explain(socket, instance, at, json)?,
        Command::Failover(order) => instances::fail_over(socket, order)?,
        Command::Drain(order) => drain::drain(socket, order)?,
        Command::Maintenance(order) => instances::maintain(socket, order)?,
        Command::Resume(order) => give(socket, order, None)?,
        Command::Dump { kind } => instances::dump(socket, kind)?,
        Command::Metrics => {
            let Answer::Status(status) = connect(socket)?.ask(&Request::Status)? else {
                return Err(unexpected());
            };
            put(&metrics::render(&status))?;
        }
        Command::Plan { config, json } => return show_plan(socket, config.as_deref(), json),
        Command::Reload => {
            let Answer::Reloaded { message, warnings, faults } = connect(socket)?.ask(&Request::Reload)?
            else {
                return Err(unexpected());
            };
            diagnostic::show(&warnings);
            if faults.is_empty() {
                put(&format!("{message}\n"))?;
            } else {
                return Err(message.into());
            }
        }
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

fn show_status(
    socket: Option<PathBuf>,
    instance: Option<String>,
    json: bool,
    watch: bool,
) -> Result<(), Failure> {
    let request = instance.map_or(Request::Status, Request::StatusOf);
    loop {
        // A connection each time, since the daemon may close one that is idle, and may be started again.
        let mut client = connect(socket.clone())?;
        let Answer::Status(status) = ask(&mut client, &request, json)? else { return Err(unexpected()) };
        let text = if json { as_json(&status)? } else { status::render(&status) };
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
    let known = SystemNames(PortNames::system());
    let names = if arguments.numeric { Names::Numeric } else { Names::Known(&known) };
    let mut client = connect(socket)?;
    if arguments.connections {
        let request = Request::Connections(CONNECTIONS);
        let Answer::Connections(connections) = ask(&mut client, &request, arguments.json)? else {
            return Err(unexpected());
        };
        let text = || format::connections(format::rows(&connections), names, false);
        return put(&if arguments.json { as_json(&connections)? } else { text() });
    }
    let Answer::Table(table) = ask(&mut client, &Request::Table, arguments.json)? else {
        return Err(unexpected());
    };
    if arguments.json {
        return put(&as_json(&table)?);
    }
    let view = match arguments {
        ListArguments { stats: true, .. } => View::Stats,
        ListArguments { rate: true, .. } => View::Rate,
        ListArguments { thresholds: true, .. } => View::Thresholds,
        ListArguments { persistent_conn: true, .. } => View::Persistent,
        _ => View::Table,
    };
    let counters = if view == View::Rate { &table.rates } else { &table.counters };
    let listing = Listing { names, view, exact: arguments.exact };
    let text = listing.render(&format::entries(&table.table, counters));
    put(&if table.header.is_empty() { text } else { format!("{}\n{text}", table.header) })
}

fn show_plan(socket: Option<PathBuf>, config: Option<&Path>, json: bool) -> Result<bool, Failure> {
    let mut client = connect(socket)?;
    let proposed = match config {
        Some(file) => {
            let Answer::Status(status) = client.ask_raw(&Request::Status)? else { return Err(unexpected()) };
            Some(Box::new(plan::read(file, &status)?))
        }
        None => None,
    };
    let Answer::Plan(plan) = ask(&mut client, &Request::Plan(proposed), json)? else {
        return Err(unexpected());
    };
    if json {
        put(&as_json(&plan)?)?;
    } else {
        diagnostic::show(&plan.warnings);
        put(&plan::render(&plan))?;
    }
    Ok(plan.faults.is_empty())
}

/// The names of ports that this system knows.
struct SystemNames(PortNames);

impl Known for SystemNames {
    /// Looking for names of hosts could keep an operator waiting.
    fn host(&self, _: IpAddr) -> Option<String> {
        None
    }

    fn port(&self, port: u16, protocol: Protocol) -> Option<String> {
        self.0.name(port, protocol).map(str::to_owned)
    }
}

/// Asks for what is printed as JSON, or else as text.
fn ask(client: &mut Client, request: &Request, json: bool) -> Result<Answer, ClientError> {
    if json { client.ask_raw(request) } else { client.ask(request) }
}

/// One line of JSON.
fn as_json<T: serde::Serialize>(value: &T) -> Result<String, serde_json::Error> {
    Ok(printable_json(&serde_json::to_string(value)?).into_owned() + "\n")
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
