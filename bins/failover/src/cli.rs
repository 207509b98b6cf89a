//! The command line of lb-failover: keepalived's letters, and our own words.

mod ignored;
mod values;

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc,
    thread,
    time::Duration,
};

use clap::{ArgAction, CommandFactory as _, Parser, parser::ValueSource};
use lb_balancer::{plane, relay_limit::RelayLimit};
use lb_config::{diagnostic, keepalived::model::Config};
use lb_ipvs::sysctl::Assignment;
use lb_runtime::{
    clock::Clock,
    detach,
    log::{self, Facility, Log, Target},
    namespace, paths,
    pidfile::PidFile,
    role,
};
use nix::unistd::geteuid;

use ignored::Ignored;
use values::{facility, mask, signal_number};

use super::{
    balance,
    build::Settings,
    check,
    engine::{Options, Part},
    loading::{self, LoadError, Loaded},
    service,
    supervise::{self, Plan, Signals},
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
#[command(
    name = "lb-failover",
    version,
    disable_version_flag = true,
    // As getopt_long(3) reads the command lines of keepalived.
    args_override_self = true,
    infer_long_args = true
)]
struct Arguments {
    /// The configuration file
    #[arg(short = 'f', long, value_name = "FILE", default_value = "/etc/keepalived/keepalived.conf")]
    use_file: PathBuf,
    /// keepalived's genhash, which is not a part of this program
    #[arg(short = 'T', long, hide = true)]
    genhash: bool,
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
    /// Facility of syslog: 0 to 7 for local0 to local7, user, or daemon, which is the default
    #[arg(short = 'S', long, value_name = "FACILITY", value_parser = facility)]
    log_facility: Option<Facility>,
    /// Do not log by syslog
    #[arg(short = 'G', long)]
    no_syslog: bool,
    /// Run instances and no virtual servers
    #[arg(short = 'P', long)]
    vrrp: bool,
    /// Run virtual servers and no instances; with -P, both
    #[arg(short = 'C', long)]
    check: bool,
    /// Work in this network namespace, of those that `ip netns` makes
    #[arg(short = 's', long, value_name = "NAME")]
    namespace: Option<String>,
    /// Where the process id is written [default for root: /run/keepalived.pid, if no other process has it]
    #[arg(short = 'p', long, value_name = "FILE")]
    pid: Option<PathBuf>,
    /// Where the id of the process that runs the instances is written
    #[arg(short = 'r', long = "vrrp_pid", value_name = "FILE")]
    vrrp_pid: Option<PathBuf>,
    /// Where the id of the process that runs the virtual servers is written: the same
    #[arg(short = 'c', long = "checkers_pid", value_name = "FILE")]
    checkers_pid: Option<PathBuf>,
    /// umask of the scripts that are run, octal with a leading 0
    #[arg(short = 'u', long, value_name = "MASK", value_parser = mask, default_value = "0177")]
    umask: u32,
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
    /// Say what is wrong with the configuration, and stop: 0, or 78 if it can not be used. Beside -f, FILE gets the messages
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
    /// Print the number of the signal for DATA, STATS, STATS_CLEAR, JSON, RELOAD or STOP
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
    #[command(flatten)]
    ignored: Ignored,
}

/// The pid file of keepalived, which units of `Type=forking` name.
const PID_FILE: &str = "/run/keepalived.pid";
/// Where nothing is logged to.
const NOWHERE: &str = "/dev/null";

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
    if arguments.genhash {
        return usage(
            "genhash is not a part of lb-failover: `curl -s URL | md5sum` prints the digest of a page",
        );
    }
    if let Some(name) = &arguments.signum {
        return signum(name);
    }
    if let Some(file) = &arguments.config_test {
        return test(&arguments, file.as_deref(), is_given(&words));
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

/// Whether the command line names the configuration file.
fn is_given(words: &[OsString]) -> bool {
    let source = Arguments::command().try_get_matches_from(words).ok();
    source.is_some_and(|matches| matches.value_source("use_file") == Some(ValueSource::CommandLine))
}

/// `--config-test`: beside `-f`, its file is for the messages, as with keepalived.
fn test(arguments: &Arguments, file: Option<&Path>, is_given: bool) -> ExitCode {
    let options = check::Options { config_id: arguments.config_id.clone(), live: arguments.live };
    let Some(log) = file.filter(|_| is_given) else {
        return check::run(file.unwrap_or(&arguments.use_file), &options);
    };
    match File::options().append(true).create(true).open(log) {
        Ok(mut log_file) => check::run_to(&arguments.use_file, &options, &mut log_file),
        Err(error) => cannot_run(&format!("{} can not be written: {error}", log.display())),
    }
}

fn signum(name: &str) -> ExitCode {
    let Some(number) = signal_number(name) else {
        return usage(&format!("{name} is no signal: DATA, STATS, STATS_CLEAR, JSON, RELOAD or STOP"));
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
    let mut warnings = arguments.ignored.warnings();
    let pid_file = match (&arguments.pid, &arguments.namespace) {
        (Some(path), _) => match write_pid_file(path) {
            Ok(file) => Some(file),
            Err(error) => return cannot_run(&error),
        },
        // Those of other namespaces are on the same host.
        (None, None) if geteuid().is_root() => match write_pid_file(Path::new(PID_FILE)) {
            Ok(file) => Some(file),
            Err(error) => {
                warnings.push(format!("{error}; name another one with -p"));
                None
            }
        },
        (None, _) => None,
    };
    let log = match open_log(arguments, Clock::start()).behind() {
        Ok(log) => log,
        Err(error) => return cannot_run(&format!("the log can have no thread: {error}")),
    };
    warnings.iter().for_each(|warning| log.line(warning));
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

fn write_pid_file(path: &Path) -> Result<PidFile, String> {
    PidFile::write(path)
        .map_err(|error| format!("the pid file {} can not be written: {error}", path.display()))
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
    let pid_files = [
        arguments.vrrp_pid.as_ref().filter(|_| options.part != Part::VirtualServers),
        arguments.checkers_pid.as_ref().filter(|_| options.part != Part::Instances),
    ];
    let pid_files = pid_files.into_iter().flatten().map(|path| write_pid_file(path)).collect();
    let pid_files: Vec<PidFile> = match pid_files {
        Ok(pid_files) => pid_files,
        Err(error) => return cannot_run(&error),
    };
    let settings = service::Settings {
        socket: arguments.socket.clone().unwrap_or_else(|| socket(&options.config, &loaded.config)),
        detail: arguments.log_detail,
        supervised: arguments.supervised,
        namespace,
        state: state_folder(&options, arguments),
        umask: arguments.umask,
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
    drop(pid_files);
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
    let target = match (arguments.log_console, arguments.no_syslog) {
        (true, _) => Target::Stderr,
        (false, true) => Target::File(NOWHERE.into()),
        (false, false) => Target::Syslog(arguments.log_facility.unwrap_or(Facility::DAEMON)),
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
