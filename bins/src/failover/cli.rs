//! The command line of lb-failover: keepalived's letters, and our own words.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{ArgAction, Parser};

use super::{
    build::Settings,
    engine::Options,
    loading::{self, LoadError, Loaded},
    service,
};
use crate::runtime::{
    clock::Clock,
    log::{self, Log, Target},
    paths,
};

/// The configuration has errors (`EX_CONFIG` of sysexits.h).
const BAD_CONFIG: u8 = 78;
/// It can not run here.
const CANNOT_RUN: u8 = 1;
/// The command line makes no sense (`EX_USAGE`).
const USAGE: u8 = 64;

/// Holds virtual addresses together with another node, by VRRP and a keepalived.conf.
#[derive(Debug, Parser)]
#[command(name = "lb-failover", version, disable_version_flag = true)]
struct Arguments {
    /// The configuration file
    #[arg(short = 'f', long, value_name = "FILE", default_value = "/etc/keepalived/keepalived.conf")]
    use_file: PathBuf,
    /// Stay in the foreground
    #[arg(short = 'n', long)]
    dont_fork: bool,
    /// Log to standard error
    #[arg(short = 'l', long)]
    log_console: bool,
    /// Log details, too
    #[arg(short = 'D', long)]
    log_detail: bool,
    /// Where lbctl finds the daemon
    #[arg(long, value_name = "PATH", env = "LB_SOCKET")]
    socket: Option<PathBuf>,
    /// There are just two nodes: a resignation is taken at once
    #[arg(long)]
    pair: bool,
    /// Print the version
    #[arg(short = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,
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
    let options = Options {
        config: arguments.use_file.clone(),
        config_id: None,
        settings: Settings { pair: arguments.pair },
    };
    match loading::load(&options) {
        Ok(loaded) => run(options, loaded, &arguments),
        Err(LoadError::Invalid { lines }) => {
            lines.iter().for_each(|line| drop(writeln!(io::stderr(), "{line}")));
            BAD_CONFIG.into()
        }
        Err(error) => {
            complain(&error.to_string());
            BAD_CONFIG.into()
        }
    }
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "lb-failover: {text}");
}

fn run(options: Options, loaded: Loaded, arguments: &Arguments) -> ExitCode {
    let clock = Clock::start();
    let log = Log::new(Target::Stderr, clock, "lb-failover");
    log::capture(&log);
    let socket = arguments.socket.clone().unwrap_or_else(|| paths::socket(&options.config));
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the runtime can not be started: {error}"));
            return CANNOT_RUN.into();
        }
    };
    match runtime.block_on(service::run(options, socket, arguments.log_detail, loaded, log, clock, || {})) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            CANNOT_RUN.into()
        }
    }
}
