//! The command line of lb-director: ldirectord's, as resource scripts call it, and our own.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use lb_balancer::{plane::Choice, relay_limit::RelayLimit};
use lb_config::{diagnostic, ldirectord::LogTarget};
use lb_ipvs::sysctl::Assignment;
use lb_runtime::{
    clock::Clock,
    detach,
    log::{self, Log, Target},
    paths,
    pidfile::{PidFile, Running, running},
    span::parse_span,
};

use super::{
    engine::Options,
    loading::{self, LoadError, Loaded},
    script::{self, Command},
    service::{self, Settings},
};

/// The configuration has errors, in our own form (`EX_CONFIG` of sysexits.h).
const BAD_CONFIG: u8 = 78;
/// It can not run here.
const CANNOT_RUN: u8 = 1;
/// The command line makes no sense; ldirectord's number.
const USAGE: u8 = 255;

/// How long the end waits for a log that is slow.
const LOG_FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// In the name of the folder for its state.
pub(super) const PROGRAM: &str = "lb-director";

/// Checks real servers and balances over the healthy ones, by an ldirectord.cf.
///
/// `lb-director FILE.cf` runs in the foreground; `lb-director [FILE.cf] COMMAND` does what ldirectord does.
#[derive(Debug, Parser)]
#[command(name = "lb-director", version, disable_version_flag = true)]
struct Arguments {
    /// Configuration file, command (start, stop, restart, try-restart, reload, force-reload, status), or both
    #[arg(value_name = "CONFIG|COMMAND", num_args = 0..=2)]
    words: Vec<String>,
    /// Print what the configuration means, and stop: exit status 0, or 78 with all errors
    #[arg(long)]
    check: bool,
    /// With --check: as JSON
    #[arg(long, requires = "check")]
    json: bool,
    /// What moves the traffic: auto, ipvs, nft, relay or memory
    #[arg(long, value_name = "NAME", default_value = "auto")]
    data_plane: Choice,
    /// With the relay: listen at addresses that this host does not have yet, for a pair where another daemon moves them
    #[arg(long)]
    freebind: bool,
    /// Stay in the foreground and log to standard error
    #[arg(long)]
    foreground: bool,
    /// Accept and refuse exactly what ldirectord 4.12 does
    #[arg(long)]
    strict: bool,
    /// Where lbctl finds the daemon
    #[arg(long, value_name = "PATH", env = "LB_SOCKET")]
    socket: Option<PathBuf>,
    /// Where the process id is written
    #[arg(long, value_name = "PATH")]
    pid_file: Option<PathBuf>,
    /// Where orders of the operator are kept over a restart [default: $STATE_DIRECTORY, else /var/lib/lb/NAME, or
    /// ~/.local/state/lb/NAME as an ordinary user]
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
    /// How often the whole data plane is read and put right
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_span)]
    sync_interval: Duration,
    /// Set this of net.ipv4.vs at the start; `lbctl ipvs sysctl` explains them. May be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    ipvs_sysctl: Vec<Assignment>,
    /// A limit of the relay, or of one service of it: max-connections, connect-timeout, tcp-timeout, tcp-fin-timeout,
    /// udp-timeout. May be repeated
    #[arg(long, value_name = "[SERVICE:]NAME=VALUE")]
    relay_limit: Vec<RelayLimit>,
    /// Stay in the foreground, as --foreground
    #[arg(short, long)]
    debug: bool,
    /// Print the version
    #[arg(short = 'v', long, action = clap::ArgAction::Version)]
    version: Option<bool>,
    /// Started by `start`: detach, and say on standard output when ready
    #[arg(long, hide = true)]
    detached: bool,
}

/// Does what the command line says.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    let (config, command) = match words[..] {
        [] => return usage("name a configuration file, or a command"),
        [word] => match word.parse::<Command>() {
            Ok(command) => (script::DEFAULT_CONFIG, Some(command)),
            Err(_) => (word, None),
        },
        [config, word, ..] => match word.parse::<Command>() {
            Ok(command) => (config, Some(command)),
            Err(error) => return usage(&error),
        },
    };
    match command {
        _ if arguments.check => check(Path::new(config), &arguments),
        None => own_form(Path::new(config), &arguments),
        Some(command) => script_form(config, command, &arguments),
    }
}

fn usage(problem: &str) -> ExitCode {
    complain(&format!("{problem}; see lb-director --help"));
    USAGE.into()
}

/// Writes to standard output; a reader that has enough is no error.
fn put(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "lb-director: {text}");
}

/// `lb-director --check CONFIG`.
fn check(config: &Path, arguments: &Arguments) -> ExitCode {
    let loaded = match loading::load(config, arguments.strict).and_then(Loaded::checkable) {
        Ok(loaded) => loaded,
        Err(error) => return bad_config(&error),
    };
    for warning in &loaded.warnings {
        let _ = writeln!(io::stderr(), "{}", warning.line());
    }
    if arguments.json {
        match serde_json::to_string_pretty(&loaded.config) {
            Ok(text) => put(&format!("{text}\n")),
            Err(error) => complain(&error.to_string()),
        }
    } else {
        put(&loaded.config.to_string());
    }
    ExitCode::SUCCESS
}

fn bad_config(error: &LoadError) -> ExitCode {
    match error {
        LoadError::Invalid(problems) => {
            diagnostic::show(problems);
        }
        LoadError::Read { .. } | LoadError::Empty(_) => complain(&error.to_string()),
    }
    BAD_CONFIG.into()
}

/// `lb-director CONFIG`: in the foreground.
fn own_form(config: &Path, arguments: &Arguments) -> ExitCode {
    let loaded = match loading::load(config, arguments.strict) {
        Ok(loaded) => loaded,
        Err(error) => return bad_config(&error),
    };
    run(config, loaded, arguments)
}

/// `lb-director CONFIG COMMAND`, with the exit codes of ldirectord.
fn script_form(name: &str, command: Command, arguments: &Arguments) -> ExitCode {
    let pid_file = match &arguments.pid_file {
        Some(path) => absolute(path),
        // As ldirectord names it when no configuration is.
        None if arguments.words.len() == 1 => paths::pid_file(Path::new("ldirectord")),
        None => paths::pid_file(Path::new(name)),
    };
    let perform = |config: &Path, options: &[OsString]| {
        let instance = script::Instance { config, pid_file: &pid_file, options };
        script::perform(command, instance).unwrap_or_else(|error| {
            complain(&error.to_string());
            CANNOT_RUN
        })
    };
    let found = script::find(name);
    // Neither needs the configuration: a daemon can be found and stopped while its file is broken, or gone.
    if matches!(command, Command::Status | Command::Stop) {
        let config = found.as_deref().unwrap_or(Path::new(name));
        if found.is_some() || matches!(running(&pid_file), Running::Yes(_)) {
            return perform(config, &[]).into();
        }
    }
    let Some(config) = found else {
        complain(&format!(
            "config file {name} does not exist, neither in /etc/ha.d, /etc/ha.d/conf nor here"
        ));
        return CANNOT_RUN.into();
    };
    // The daemon changes its folder and reads the file again later. Links stay: one may lead to another file tomorrow.
    let config = absolute(&config);
    let state = arguments
        .state_dir
        .as_deref()
        .map_or_else(|| paths::state_folder(PROGRAM, &config, &[]), |folder| Ok(absolute(folder)));
    let loaded = match loading::load(&config, arguments.strict) {
        Ok(loaded) => loaded,
        Err(error) => {
            bad_config(&error);
            return script::BAD_CONFIG.into();
        }
    };
    let foreground = arguments.foreground || arguments.debug || loaded.config.globals.supervised;
    if command == Command::Start && (foreground || arguments.detached) {
        return run(&config, loaded, arguments);
    }
    let mut options: Vec<OsString> = shared_options(arguments).into_iter().map(OsString::from).collect();
    if let Some(socket) = &arguments.socket {
        options.extend(["--socket".into(), absolute(socket).into()]);
    }
    if let Ok(folder) = state {
        options.extend(["--state-dir".into(), folder.into()]);
    }
    perform(&config, &options).into()
}

/// The options that hold for every instance that is started from here.
fn shared_options(arguments: &Arguments) -> Vec<String> {
    let mut options = vec![format!("--data-plane={}", arguments.data_plane)];
    options.push(format!("--sync-interval={}s", arguments.sync_interval.as_secs()));
    options.extend(arguments.freebind.then(|| "--freebind".to_owned()));
    options.extend(arguments.strict.then(|| "--strict".to_owned()));
    options.extend(arguments.ipvs_sysctl.iter().map(|wanted| format!("--ipvs-sysctl={wanted}")));
    options.extend(arguments.relay_limit.iter().map(|limit| format!("--relay-limit={limit}")));
    options
}

/// A daemon works in the root folder.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Balances until it is told to stop.
fn run(config: &Path, loaded: Loaded, arguments: &Arguments) -> ExitCode {
    let pid_file = match &arguments.pid_file {
        Some(path) => match PidFile::write(path) {
            Ok(file) => Some(file),
            Err(error) => {
                complain(&format!("the pid file {} can not be written: {error}", path.display()));
                return CANNOT_RUN.into();
            }
        },
        None => None,
    };
    let clock = Clock::start();
    let tag = config.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let target = if arguments.detached { target(&loaded.config.globals.log) } else { Target::Stderr };
    let log = match Log::new(target, clock, &tag).behind() {
        Ok(log) => log,
        Err(error) => {
            complain(&format!("the log cannot have a thread: {error}"));
            return CANNOT_RUN.into();
        }
    };
    log::capture(&log);
    let options = Options {
        strict: arguments.strict,
        sync_interval: arguments.sync_interval,
        sysctls: arguments.ipvs_sysctl.clone(),
        companions: shared_options(arguments),
        state_dir: arguments.state_dir.as_deref().map(absolute),
        ..Options::new(config.to_owned())
    };
    let socket = arguments.socket.clone().unwrap_or_else(|| paths::socket(config));
    let state = arguments
        .state_dir
        .as_deref()
        .map_or_else(|| paths::state_folder(PROGRAM, config, &[]), |folder| Ok(absolute(folder)));
    let settings = Settings {
        data_plane: arguments.data_plane,
        freebind: arguments.freebind,
        relay_limits: arguments.relay_limit.clone(),
        socket,
        state: Some(state),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the runtime can not be started: {error}"));
            return CANNOT_RUN.into();
        }
    };
    let detached = arguments.detached;
    let ready = move |_: &[String]| {
        if detached {
            detach::say();
        }
    };
    let result = runtime.block_on(service::run(
        options,
        settings,
        loaded,
        log.clone(),
        clock,
        ready,
        std::future::pending(),
    ));
    // Work on a file system that hangs keeps nobody alive.
    runtime.shutdown_background();
    log.flush(LOG_FLUSH_TIMEOUT);
    drop(pid_file);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            CANNOT_RUN.into()
        }
    }
}

fn target(wanted: &LogTarget) -> Target {
    match wanted {
        LogTarget::File(path) => Target::File(path.clone()),
        LogTarget::Syslog(facility) => facility.parse().map_or(Target::Stderr, Target::Syslog),
    }
}
