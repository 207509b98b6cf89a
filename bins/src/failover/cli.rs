//! The command line of lb-failover: keepalived's letters, and our own words.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc,
    thread,
    time::Duration,
};

use clap::{ArgAction, Parser};
use lb_ipvs::sysctl::Assignment;

use super::{
    balance,
    build::Settings,
    check,
    engine::{Options, Part},
    loading::{self, LoadError, Loaded},
    service,
    supervise::{self, Plan, Signals},
};
use crate::{
    config::{diagnostic, keepalived::model::Config},
    runtime::{
        clock::Clock,
        detach,
        log::{self, Log, Target},
        namespace, paths,
        pidfile::PidFile,
        plane,
        relay_limit::RelayLimit,
        role,
    },
};

/// The configuration has errors (`EX_CONFIG` of sysexits.h).
const BAD_CONFIG: u8 = 78;
/// It can not run here.
const CANNOT_RUN: u8 = 1;
/// The command line makes no sense (`EX_USAGE`).
const USAGE: u8 = 64;

/// How long the end waits for a log that is slow.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

/// Holds virtual addresses together with another node, by VRRP and a keepalived.conf.
#[derive(Debug, Parser)]
#[command(name = "lb-failover", version, disable_version_flag = true)]
struct Arguments {
    /// The configuration file
    #[arg(short = 'f', long, value_name = "FILE", default_value = "/etc/keepalived/keepalived.conf")]
    use_file: PathBuf,
    /// Lines with @ID are for this one; otherwise for the short name of the host
    #[arg(short = 'i', long, value_name = "ID")]
    config_id: Option<String>,
    /// Stay in the foreground
    #[arg(short = 'n', long)]
    dont_fork: bool,
    /// Log to standard error
    #[arg(short = 'l', long)]
    log_console: bool,
    /// Log details, too
    #[arg(short = 'D', long)]
    log_detail: bool,
    /// Facility of syslog: local0 to local7 by number
    #[arg(short = 'S', long, value_name = "0-7", value_parser = clap::value_parser!(u8).range(0..=7))]
    log_facility: Option<u8>,
    /// Run instances and no virtual servers
    #[arg(short = 'P', long)]
    vrrp: bool,
    /// Run virtual servers and no instances; with -P, both
    #[arg(short = 'C', long)]
    check: bool,
    /// Work in this network namespace, of those that `ip netns` makes
    #[arg(short = 's', long, value_name = "NAME")]
    namespace: Option<String>,
    /// Where the process id is written
    #[arg(short = 'p', long, value_name = "FILE")]
    pid: Option<PathBuf>,
    /// At the end leave virtual servers in the data plane as they are
    #[arg(short = 'I', long)]
    dont_release_ipvs: bool,
    /// Do not start the daemon again when it dies
    #[arg(short = 'R', long)]
    dont_respawn: bool,
    /// Where lbctl finds the daemon
    #[arg(long, value_name = "PATH", env = "LB_SOCKET")]
    socket: Option<PathBuf>,
    /// Where orders of the operator are kept over a restart [default: $STATE_DIRECTORY, else /var/lib/lb/NAME, or
    /// ~/.local/state/lb/NAME as an ordinary user]
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
    /// Say what is wrong with the configuration, and stop: 0, or 78 if it can not be used
    #[arg(short = 't', long, value_name = "FILE", num_args = 0..=1)]
    config_test: Option<Option<PathBuf>>,
    /// With --config-test: look at this host, too: interfaces, scripts, users, and who can read secrets
    #[arg(long, requires = "config_test")]
    live: bool,
    /// Take a configuration as a whole or not at all: a file in which anything has to be ignored, replaced or left out
    /// is refused, at the start and at a reload
    #[arg(long)]
    strict: bool,
    /// There are just two nodes: a resignation is taken at once
    #[arg(long)]
    pair: bool,
    /// What carries virtual servers: auto, ipvs, nft, relay, or memory for nothing at all
    #[arg(long, value_name = "NAME", default_value = "auto")]
    data_plane: plane::Choice,
    /// Set this of net.ipv4.vs when IPVS is the data plane; `lbctl ipvs sysctl` explains them. May be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    ipvs_sysctl: Vec<Assignment>,
    /// A limit of the relay, or of one virtual server of it: max-connections, connect-timeout, tcp-timeout,
    /// tcp-fin-timeout, udp-timeout. May be repeated
    #[arg(long, value_name = "[SERVICE:]NAME=VALUE")]
    relay_limit: Vec<RelayLimit>,
    /// Print the number of the signal for DATA, STATS, JSON, RELOAD or STOP
    #[arg(long, value_name = "NAME")]
    signum: Option<String>,
    /// Print the version
    #[arg(short = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,
    /// Leaves the terminal, and says on standard output when ready
    #[arg(long, hide = true)]
    detached: bool,
    /// The daemon, with its supervisor on standard input
    #[arg(long, hide = true)]
    supervised: bool,
}

/// Does what the command line says.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<OsString> = arguments.collect();
    let arguments = match Arguments::try_parse_from(&words) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    if let Some(name) = &arguments.signum {
        return signum(name);
    }
    if let Some(file) = &arguments.config_test {
        let options = check::Options { config_id: arguments.config_id.clone(), live: arguments.live };
        return check::run(file.as_ref().unwrap_or(&arguments.use_file), &options);
    }
    let words = words.get(1..).unwrap_or_default();
    if !arguments.supervised && !arguments.dont_fork && !arguments.detached {
        return start(words);
    }
    if let Some(name) = &arguments.namespace
        && let Err(error) = namespace::enter(name)
    {
        return cannot_run(&format!("network namespace {name}: {error}; see `ip netns`"));
    }
    if arguments.supervised { daemon(&arguments) } else { supervise(words, &arguments) }
}

fn signum(name: &str) -> ExitCode {
    let number = match name {
        "RELOAD" => 1,
        "DATA" => 10,
        "STATS" => 12,
        "STOP" => 15,
        "JSON" => 36,
        _ => return usage(&format!("{name} is no signal: DATA, STATS, JSON, RELOAD or STOP")),
    };
    let _ = writeln!(io::stdout(), "{number}");
    ExitCode::SUCCESS
}

/// Into the background.
fn start(words: &[OsString]) -> ExitCode {
    match detach::start(words.iter().cloned().chain(["--detached".into()])) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(code)) => code.into(),
        Err(error) => cannot_run(&error.to_string()),
    }
}

fn supervise(words: &[OsString], arguments: &Arguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cannot_run(&format!("the runtime can not be started: {error}")),
    };
    // First, since whoever finds the pid file may send signals already.
    let signals = match runtime.block_on(async { Signals::listen() }) {
        Ok(signals) => signals,
        Err(error) => return cannot_run(&format!("signals cannot be received: {error}")),
    };
    let pid_file = match &arguments.pid {
        Some(path) => match PidFile::write(path) {
            Ok(file) => Some(file),
            Err(error) => {
                return cannot_run(&format!("the pid file {} can not be written: {error}", path.display()));
            }
        },
        None => None,
    };
    let log = match open_log(arguments, Clock::start()).behind() {
        Ok(log) => log,
        Err(error) => return cannot_run(&format!("the log can have no thread: {error}")),
    };
    let role = role::argument().map(OsString::from);
    let words = role.into_iter().chain(words.iter().cloned()).chain(["--supervised".into()]).collect();
    let plan = Plan { arguments: words, respawn: !arguments.dont_respawn };
    let detached = arguments.detached;
    let ready = move || {
        if detached {
            detach::say();
        }
    };
    let ended = runtime.block_on(supervise::supervise(plan, log.clone(), signals, ready));
    drop(pid_file);
    log.flush(LOG_PATIENCE);
    match ended {
        Ok(code) => code.into(),
        Err(error) => cannot_run(&error.to_string()),
    }
}

fn daemon(arguments: &Arguments) -> ExitCode {
    name_this_process();
    let part = match (arguments.vrrp, arguments.check) {
        (true, false) => Part::Instances,
        (false, true) => Part::VirtualServers,
        _ => Part::Whole,
    };
    let options = Options {
        config: std::path::absolute(&arguments.use_file).unwrap_or_else(|_| arguments.use_file.clone()),
        config_id: arguments.config_id.clone(),
        part,
        settings: Settings { pair: arguments.pair },
        strict: arguments.strict,
        balance: balance::Settings {
            plane: arguments.data_plane,
            // With `-C` the daemon that has the instances brings the addresses.
            freebind: if part == Part::VirtualServers {
                balance::FreebindPolicy::Any
            } else {
                balance::FreebindPolicy::Configured
            },
            relay_limits: arguments.relay_limit.clone(),
            nft_table: plane::nft_table("lb-failover", &arguments.use_file, arguments.config_id.as_deref()),
            leave: arguments.dont_release_ipvs,
            sysctls: arguments.ipvs_sysctl.clone(),
            ..balance::Settings::default()
        },
    };
    match loading::load(&options, None) {
        Ok(loaded) => run(options, loaded, arguments),
        Err(LoadError::Invalid(problems)) => {
            diagnostic::show(&problems);
            BAD_CONFIG.into()
        }
        Err(error) => {
            complain(&error.to_string());
            BAD_CONFIG.into()
        }
    }
}

/// A program that is started by its descriptor has the descriptor's number for a name. Must be called before there are
/// other threads, which inherit the name.
fn name_this_process() {
    // Without `/proc` it was started by its path.
    let _ = std::fs::write("/proc/self/comm", "lb-failover");
}

fn run(options: Options, loaded: Loaded, arguments: &Arguments) -> ExitCode {
    // Before there are other threads, which would stay where they are.
    let namespace = loaded.config.globals.net_namespace.clone();
    if let Some(name) = &namespace
        && let Err(error) = namespace::enter(name)
    {
        return cannot_run(&format!("net_namespace {name}: {error}; see `ip netns`"));
    }
    let clock = Clock::start();
    let log = match open_log(arguments, clock).behind() {
        Ok(log) => log,
        Err(error) => return cannot_run(&format!("the log can have no thread: {error}")),
    };
    log::capture(&log);
    let settings = service::Settings {
        socket: arguments.socket.clone().unwrap_or_else(|| socket(&options.config, &loaded.config)),
        detail: arguments.log_detail,
        supervised: arguments.supervised,
        namespace,
        state: state_folder(&options, arguments),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cannot_run(&format!("the runtime can not be started: {error}")),
    };
    let detached = arguments.detached;
    let ready = move || {
        if detached {
            detach::let_go();
        }
    };
    let ended = runtime.block_on(service::run(options, settings, loaded, log.clone(), clock, ready));
    log.flush(LOG_PATIENCE);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cannot_run(&error.to_string()),
    }
}

/// Several daemons on one host have an `instance` each.
fn socket(path: &Path, config: &Config) -> PathBuf {
    match (path.file_name(), &config.globals.instance) {
        (Some(name), Some(instance)) => {
            paths::socket(&path.with_file_name(format!("{}.{instance}", name.to_string_lossy())))
        }
        _ => paths::socket(path),
    }
}

/// Daemons with the same file differ by their identifier or their network namespace.
fn state_folder(options: &Options, arguments: &Arguments) -> Result<PathBuf, String> {
    if let Some(folder) = &arguments.state_dir {
        return Ok(std::path::absolute(folder).unwrap_or_else(|_| folder.clone()));
    }
    let ids = match (&arguments.config_id, &arguments.namespace) {
        (None, None) => vec![],
        (Some(id), None) => vec![id.as_str()],
        (id, Some(namespace)) => vec![id.as_deref().unwrap_or_default(), namespace.as_str()],
    };
    paths::state_folder("lb-failover", &options.config, &ids)
}

fn open_log(arguments: &Arguments, clock: Clock) -> Log {
    let facility = match arguments.log_facility {
        Some(number) => format!("local{number}"),
        None => "daemon".to_owned(),
    };
    let target = match facility.parse() {
        Ok(facility) if !arguments.log_console => Target::Syslog(facility),
        _ => Target::Stderr,
    };
    Log::of_program("Keepalived_vrrp", target, clock)
}

fn usage(problem: &str) -> ExitCode {
    complain(&format!("{problem}; see lb-failover --help"));
    USAGE.into()
}

fn cannot_run(problem: &str) -> ExitCode {
    complain(problem);
    CANNOT_RUN.into()
}

/// A standard error that is not read delays the end, and does not prevent it.
fn complain(text: &str) {
    let text = format!("lb-failover: {text}");
    let (done, written) = mpsc::channel();
    let write = move || {
        let _ = writeln!(io::stderr(), "{text}");
        let _ = done.send(());
    };
    if thread::Builder::new().spawn(write).is_ok() {
        let _ = written.recv_timeout(LOG_PATIENCE);
    }
}
